"""Annotations as fact tests see them: who may see which, and what of them can be tested."""

from m1app.access.person import Permission, current_person
from m1app.fact_tests.errors import FactTestRefused
from storage.annotations.assessments import AssessmentRepository
from storage.annotations.records import Annotation, AnnotationState, Part
from storage.annotations.repository import AnnotationRepository
from storage.database import Session


def annotation_to_test(session: Session, annotation_id: str) -> Annotation:
    """An annotation whose fact may be tested; raises RecordNotFound, FactTestRefused."""
    annotation = AnnotationRepository(session).get(annotation_id)
    if not may_see(session, annotation_id):
        raise hidden()
    _require_standing(annotation)
    return annotation


def _require_standing(annotation: Annotation) -> None:
    """Raise FactTestRefused for what was withdrawn or rejected: its test would count for nothing."""
    is_withdrawn = annotation.state is AnnotationState.WITHDRAWN
    if is_withdrawn or annotation.is_upheld is False:
        what = "withdrawn" if is_withdrawn else "rejected"
        raise FactTestRefused(
            "case",
            f"The annotation was {what}, so its fact cannot be tested. Test another one, or start from Probe and "
            "enter the fact there.",
        )


def stretch_of(annotation: Annotation) -> tuple[int, int]:
    """The marked stretch of the thinking; raises FactTestRefused."""
    if annotation.part is Part.ANSWER:
        raise FactTestRefused(
            "mark",
            "This mark is in the answer, after the thinking has ended. Mark the part of the thinking where the fact "
            "was missing, and test that mark.",
        )
    if annotation.selector is None:
        raise FactTestRefused(
            "mark",
            "This annotation is about the whole case. Mark the part of the thinking where the fact was missing, and "
            "test that mark.",
        )
    return annotation.selector.start, annotation.selector.end


def blind_reader() -> str | None:
    """Whose double blind holds for the current person; None for who may see all."""
    person = current_person()
    return None if not person.name or person.may(Permission.REVIEW) else person.name


def may_see(session: Session, annotation_id: str | None) -> bool:
    """Whether the current person may see an annotation: annotators are double blind until they have submitted."""
    person = current_person()
    if not annotation_id or not person.name or person.may(Permission.REVIEW):
        return True
    annotation = AnnotationRepository(session).get(annotation_id)
    if annotation.annotator == person.name:
        return True
    own = AssessmentRepository(session).get(annotation.case_id, person.name)
    return annotation.state is not AnnotationState.DRAFT and own is not None and own.is_submitted


def hidden() -> FactTestRefused:
    """Says that somebody may not see a test yet."""
    return FactTestRefused(
        "case",
        "This fact is part of another annotator's work on a case that you have not submitted. Submit yours first.",
    )
