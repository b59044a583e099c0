"""Who may change what about annotations; asked in the transaction that makes the change."""

from typing import Any

from m1app.access.audit import record
from m1app.access.person import current_person
from m1app.annotation.errors import AnnotationConflict, AnnotationRefused
from m1app.annotation.form_values import MAX_NAME_CHARACTERS
from m1app.wording import counted
from storage.annotations.assessments import AssessmentRepository
from storage.annotations.documents import CONTENT_FIELDS, as_document
from storage.annotations.names import NameRepository
from storage.annotations.records import Annotation, AnnotationAction, AnnotationState
from storage.annotations.repository import AnnotationRepository
from storage.database import Session
from storage.errors import RecordNotFound
from storage.people.accounts import AccountRepository
from storage.people.records import Account

_REVIEWABLE = (AnnotationState.SUBMITTED, AnnotationState.DISPUTED)


def reader_name(annotator: str) -> str:
    """The name under which the current person annotates: their account's, or without accounts the one they gave."""
    return current_person().name or " ".join(annotator.split())


def annotator_name(annotator: str) -> str:
    """The same, for whoever changes something; raises AnnotationRefused without one."""
    name = reader_name(annotator)
    if not name:
        raise AnnotationRefused("annotator", "Enter your name first; marks are saved under it.")
    if len(name) > MAX_NAME_CHARACTERS:
        raise AnnotationRefused("annotator", f"Shorten the name to at most {MAX_NAME_CHARACTERS} characters.")
    return name


def own_annotation(annotations: AnnotationRepository, annotation_id: str, name: str, case_id: str = "") -> Annotation:
    """An annotation that `name` made, on this case if one is given; raises AnnotationRefused, RecordNotFound."""
    seen = annotations.get(annotation_id)
    if seen.annotator != name or (case_id and seen.case_id != case_id):
        raise AnnotationRefused(
            "annotator", f"This annotation belongs to {seen.annotator}. Dispute it, or add your own."
        )
    if seen.state is AnnotationState.WITHDRAWN:
        raise AnnotationRefused("case", "This annotation was withdrawn. Make a new one.")
    return seen


def reviewable(session: Session, annotation_id: str, name: str) -> Annotation:
    """An annotation that `name` may agree with or dispute; raises AnnotationRefused, RecordNotFound."""
    seen = AnnotationRepository(session).get(annotation_id)
    own = AssessmentRepository(session).get(seen.case_id, name)
    if seen.annotator == name:
        raise AnnotationRefused("annotator", "This annotation is your own; edit or withdraw it.")
    if own is None or not own.is_submitted:
        raise AnnotationRefused("case", "Submit your own assessment of this case first, then review others'.")
    if seen.state not in _REVIEWABLE:
        raise AnnotationRefused("case", f"This annotation is {seen.state.value} and can no longer be reviewed.")
    return seen


def check_reopening(session: Session, case_id: str, name: str) -> None:
    """Raise AnnotationRefused unless the submission of a case can be taken back without breaking the double blind."""
    own = AssessmentRepository(session).get(case_id, name)
    if own is None or not own.is_submitted:
        raise AnnotationRefused("case", "You have not submitted this case.")
    if own.has_seen_others:
        raise AnnotationRefused(
            "case",
            "You have seen others' marks on this case, so it stays submitted. Edit or withdraw your marks instead.",
        )
    marks = [each for each in AnnotationRepository(session).of_case(case_id) if each.annotator == name]
    if any(each.agreed_by or each.state not in (AnnotationState.SUBMITTED, AnnotationState.DRAFT) for each in marks):
        raise AnnotationRefused("case", "Others have already reviewed your marks on this case, so it stays submitted.")


def require_revision(annotations: AnnotationRepository, now: Annotation, revision: int) -> None:
    """Raise AnnotationConflict unless `now` is the revision being edited."""
    if now.revision == revision:
        return
    before = next((each.document for each in annotations.history(now.id) if each.revision == revision), {})
    document = as_document(now)
    changes = tuple(name for name in CONTENT_FIELDS if document[name] != before.get(name))
    raise AnnotationConflict(now, changes)


def check_claim(session: Session, name: str, account: Account) -> None:
    """Raise unless the work of `name` may become the account's."""
    names = NameRepository(session)
    if name not in {each.name for each in names.all()}:
        raise RecordNotFound(f"Nothing was annotated under the name {name[:80]!r}. Reload the list of names.")
    if any(each.name == name for each in AccountRepository(session).all()):
        raise AnnotationRefused(
            "annotator", f"{name!r} is an account, so nobody else can claim its work. Choose another name."
        )
    both = [case_id for case_id in names.shared_cases(name, account.name) if names.has_work(case_id, account.name)]
    if both:
        raise AnnotationRefused(
            "annotator",
            f"Both {name!r} and the account {account.name!r} have worked on {counted(len(both), 'case')}, such as "
            f"{both[0]}. Two assessments of a case cannot become one: claim the name for another account, or leave it "
            "as it is.",
        )


def changed(session: Session, seen: Annotation, name: str, action: AnnotationAction, **values: Any) -> Annotation:
    """Change an annotation, and note it in the audit log."""
    changed = AnnotationRepository(session).change(seen, name, action, **values)
    record(session, f"annotation.{action.value}", changed.id, revision=changed.revision)
    return changed


def reason_given(reason: str) -> str:
    """The reason without white space around it; raises AnnotationRefused without one."""
    why = reason.strip()
    if not why:
        raise AnnotationRefused("reason", "Enter a reason; the other annotator will read it.")
    return why
