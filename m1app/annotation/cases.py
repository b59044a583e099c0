"""What an annotator may see of a case: enforces double blinding."""

from dataclasses import dataclass

from m1app.access.person import Permission, Person
from m1app.annotation.suggestions import LostAnswer, Suggestion, suggest
from m1app.runs.flips import FlipKind, flips
from m1app.runs.sweep_reading import PassSnapshot
from storage.annotations.assessments import AssessmentRepository
from storage.annotations.records import Annotation, AnnotationState, Assessment, Case
from storage.annotations.repository import AnnotationRepository
from storage.database import Session
from storage.sweeps.repository import SweepRepository


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as visible to one annotator."""

    case: Case
    annotator: str
    assessment: Assessment | None
    """The annotator's own assessment; None before they start."""
    own: tuple[Annotation, ...]
    """The annotator's own, including drafts, without withdrawn ones; by position."""
    others: tuple[Annotation, ...]
    """Other annotators' submitted ones; empty until this annotator has submitted too."""
    reviewers: tuple[str, ...]
    """Other annotators who submitted the case, by name; empty under the same condition as `others`."""
    hidden: int
    """Number of others who have submitted but whose marks are still hidden."""
    suggestions: tuple[Suggestion, ...]
    """Suggestions neither accepted nor rejected yet."""


def readable_by(person: Person) -> str | None:
    """Whose annotations, and those on whose submitted cases, a person may read, filter by and count; None for all."""
    return None if person.may(Permission.REVIEW) else person.name


def view_of(session: Session, case: Case, annotator: str) -> CaseView:
    """Return what `annotator` may see of `case`; an empty name sees no annotations."""
    assessments = AssessmentRepository(session)
    assessment = assessments.get(case.id, annotator) if annotator else None
    submitted_by = tuple(name for name in assessments.submitted_by(case.id) if name != annotator)
    may_see = assessment is not None and assessment.is_submitted
    annotations = AnnotationRepository(session).of_case(case.id)
    judged = assessment.rejected if assessment else ()
    return CaseView(
        case=case,
        annotator=annotator,
        assessment=assessment,
        own=tuple(each for each in annotations if each.annotator == annotator),
        others=tuple(
            each
            for each in annotations
            if may_see and each.annotator != annotator and each.state is not AnnotationState.DRAFT
        ),
        reviewers=submitted_by if may_see else (),
        hidden=0 if may_see else len(submitted_by),
        suggestions=tuple(each for each in suggest(case, _lost(session, case)) if each.key not in judged),
    )


def _lost(session: Session, case: Case) -> LostAnswer | None:
    """Where the pass finally lost its right answer, if this case is one of the wrong answers after it."""
    if case.sweep_id is None or case.is_correct is not False:
        return None
    passes = SweepRepository(session).get(case.sweep_id).passes
    run = next((each for each in passes if each.trace.id == case.trace_id), None)
    if run is None:
        return None
    length = len(case.thinking_text)
    found = [
        flip
        for flip in flips(PassSnapshot(run.trace, run.checkpoints))
        if flip.kind is FlipKind.RIGHT_TO_WRONG and flip.after.cut_characters <= length
    ]
    if not found:
        return None
    last = found[-1]
    return LostAnswer(
        start=last.start,
        end=last.end,
        before_tokens=last.before.cut_tokens,
        after_tokens=last.after.cut_tokens,
        before=last.before.letter or "",
        after=last.after.letter or "",
    )
