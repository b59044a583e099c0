"""Annotations with their history. Changes are rejected unless they start from the current revision."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, CursorResult, delete, exists, func, insert, or_, select, true, tuple_, update
from sqlalchemy.orm import Session

from storage.annotations.documents import as_document
from storage.annotations.records import (
    Annotation,
    AnnotationAction,
    AnnotationContent,
    AnnotationRevision,
    AnnotationState,
    Case,
    ErrorCount,
    Evidence,
    EvidenceKind,
    MarkCount,
    Origin,
    Rating,
    TextSelector,
)
from storage.annotations.tables import AnnotationLabelRow, AnnotationRevisionRow, AnnotationRow, AssessmentRow
from storage.errors import RecordChanged, not_found
from storage.questions.repository import utc_now

_SELECTOR_COLUMNS = ("start", "end", "exact", "prefix", "suffix", "text_sha256")
_PLAIN_COLUMNS = (
    *("id", "case_id", "trace_id", "checkpoint_id", "annotator", "created_at", "updated_at", "state", "is_upheld"),
    *("agreed_by", "origin", "taxonomy_version", "revision", "part", "labels", "severity", "confidence"),
    *("is_omission", "changed_answer", "comment", "corrected_fact"),
)
# Drafts are private; withdrawn and rejected annotations are not errors.
COUNTS = AnnotationRow.state.not_in((AnnotationState.DRAFT, AnnotationState.WITHDRAWN)) & or_(
    AnnotationRow.is_upheld.is_(None), AnnotationRow.is_upheld.is_(True)
)
IS_TAKEN_BACK = (AnnotationRow.state == AnnotationState.WITHDRAWN) | AnnotationRow.is_upheld.is_(False)
IS_CORRECTION = (
    AnnotationRow.state.in_((AnnotationState.SUBMITTED, AnnotationState.ADJUDICATED))
    & (AnnotationRow.corrected_fact != "")
    & or_(AnnotationRow.is_upheld.is_(None), AnnotationRow.is_upheld.is_(True))
)


class AnnotationRepository:
    """Annotations in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(
        self,
        case: Case,
        annotator: str,
        content: AnnotationContent,
        origin: Origin,
        taxonomy_version: int,
        *,
        annotation_id: str = "",
    ) -> Annotation:
        """Store a new annotation as a draft; an empty `annotation_id` generates one."""
        moment = self._now()
        made = Annotation(
            **{name: getattr(content, name) for name in AnnotationContent.__dataclass_fields__},
            id=annotation_id or uuid4().hex,
            case_id=case.id,
            trace_id=case.trace_id,
            checkpoint_id=case.checkpoint_id,
            annotator=annotator,
            state=AnnotationState.DRAFT,
            is_upheld=None,
            agreed_by=(),
            origin=origin,
            taxonomy_version=taxonomy_version,
            revision=1,
            created_at=moment,
            updated_at=moment,
        )
        self._insert(made, case)
        self._record(made, annotator, AnnotationAction.CREATED, "")
        return made

    def restore(self, annotation: Annotation, case: Case, history: Sequence[AnnotationRevision]) -> None:
        """Store an exported annotation unchanged, with its history."""
        self._insert(annotation, case)
        rows = [{name: getattr(each, name) for name in AnnotationRevision.__slots__} for each in history]
        if rows:
            self._session.execute(insert(AnnotationRevisionRow), rows)

    def change(
        self, seen: Annotation, by: str, action: AnnotationAction, *, reason: str = "", **changes: Any
    ) -> Annotation:
        """Change fields of an annotation and record a revision.

        Args:
            seen: the annotation as the caller last saw it.
            by: who is making the change.
            action: the kind of change.
            reason: why, in their own words.
            changes: new values for fields of `Annotation`.

        Raises:
            RecordChanged: it has changed since it was seen.
        """
        made = replace(seen, revision=seen.revision + 1, updated_at=self._now(), **changes)
        which = (AnnotationRow.id == seen.id) & (AnnotationRow.revision == seen.revision)
        changed = update(AnnotationRow).where(which).values(_columns(made))
        result = self._session.execute(changed.execution_options(synchronize_session=False))
        if not isinstance(result, CursorResult) or result.rowcount != 1:
            raise RecordChanged("Someone else has changed this annotation in the meantime. Review it again.")
        if "labels" in changes:
            old = delete(AnnotationLabelRow).where(AnnotationLabelRow.annotation_id == seen.id)
            self._session.execute(old.execution_options(synchronize_session=False))
            self._insert_labels(made)
        self._record(made, by, action, reason)
        return made

    def submit_drafts(self, case_id: str, annotator: str) -> None:
        """Submit an annotator's drafts for a case, in a constant number of statements."""
        drafts, submitted = AnnotationState.DRAFT, AnnotationState.SUBMITTED
        self._move(case_id, annotator, drafts, submitted, AnnotationAction.SUBMITTED)

    def reopen(self, case_id: str, annotator: str) -> None:
        """Make drafts of what an annotator has submitted for a case, in a constant number of statements."""
        drafts, submitted = AnnotationState.DRAFT, AnnotationState.SUBMITTED
        self._move(case_id, annotator, submitted, drafts, AnnotationAction.REOPENED)

    def _move(
        self, case_id: str, annotator: str, before: AnnotationState, after: AnnotationState, action: AnnotationAction
    ) -> None:
        which = (
            (AnnotationRow.case_id == case_id)
            & (AnnotationRow.annotator == annotator)
            & (AnnotationRow.state == before)
        )
        seen = [as_annotation(row) for row in self._session.scalars(select(AnnotationRow).where(which))]
        if not seen:
            return
        moment = self._now()
        changed = update(AnnotationRow).where(which)
        values = {"state": after, "revision": AnnotationRow.revision + 1, "updated_at": moment}
        self._session.execute(changed.values(values).execution_options(synchronize_session=False))
        made = [replace(each, state=after, revision=each.revision + 1, updated_at=moment) for each in seen]
        rows = [_revision_values(each, annotator, action, "") for each in made]
        self._session.execute(insert(AnnotationRevisionRow), rows)

    def get(self, annotation_id: str) -> Annotation:
        """Return the annotation with this id.

        Raises:
            RecordNotFound: no record has that id.
        """
        row = self._session.get(AnnotationRow, annotation_id) if annotation_id.isalnum() else None
        if row is None:
            raise not_found("annotation", annotation_id)
        return as_annotation(row)

    def of_case(self, case_id: str) -> tuple[Annotation, ...]:
        """All annotations of a case except withdrawn ones, ordered by position in the text."""
        query = select(AnnotationRow).where(
            AnnotationRow.case_id == case_id, AnnotationRow.state != AnnotationState.WITHDRAWN
        )
        found = map(as_annotation, self._session.scalars(query))
        return tuple(sorted(found, key=_place))

    def counted_of(self, trace_ids: Sequence[str], annotators: Sequence[str]) -> tuple[Annotation, ...]:
        """What these annotators have submitted on traces, without what was withdrawn or not upheld.

        Args:
            trace_ids: the traces; of passes, with what was marked on any of their answers.
            annotators: their names.
        """
        query = select(AnnotationRow).where(
            AnnotationRow.trace_id.in_(trace_ids), AnnotationRow.annotator.in_(annotators), COUNTS
        )
        return tuple(sorted(map(as_annotation, self._session.scalars(query)), key=_place))

    def count(self, case_id: str) -> int:
        """Number of annotations in a case by all annotators, including withdrawn ones."""
        return self._session.scalar(select(func.count()).where(AnnotationRow.case_id == case_id)) or 0

    def submitted_after(
        self, last: Annotation | None, limit: int, seen_by: str | None = None
    ) -> tuple[Annotation, ...]:
        """A page of all annotations except drafts, including withdrawn ones, by case, time and id.

        Args:
            last: the last annotation of the page before; None reads the first page.
            limit: maximum number of results; fewer means that there are no more.
            seen_by: only this annotator's, and those on cases that they have submitted; None leaves none out.
        """
        row = AnnotationRow
        query = select(row).where(row.state != AnnotationState.DRAFT, is_seen_by(seen_by))
        if last is not None:
            # The first condition is implied by the second, and lets the index be used.
            place = tuple_(row.case_id, row.created_at, row.id) > (last.case_id, last.created_at, last.id)
            query = query.where(row.case_id >= last.case_id, place)
        ordered = query.order_by(row.case_id, row.created_at, row.id).limit(limit)
        return tuple(map(as_annotation, self._session.scalars(ordered)))

    def readable_ids(self, *, is_descending: bool = False) -> Iterator[str]:
        """Ids of all annotations that the index of ids still has, one by one.

        Raises:
            DatabaseCorrupt: the index is damaged here; the other direction may reach what lies behind.
        """
        order = AnnotationRow.id.desc() if is_descending else AnnotationRow.id
        yield from self._session.scalars(select(AnnotationRow.id).order_by(order).execution_options(yield_per=100))

    def corrected_cases_after(self, case_id: str, limit: int, seen_by: str | None = None) -> tuple[str, ...]:
        """A page of the ids of cases with corrections, sorted; those greater than `case_id`, at most `limit`.

        `seen_by` is as in `submitted_after`.
        """
        row = AnnotationRow
        query = select(row.case_id).where(IS_CORRECTION, row.case_id > case_id, is_seen_by(seen_by))
        return tuple(self._session.scalars(query.distinct().order_by(row.case_id).limit(limit)))

    def corrections(self, case_id: str, seen_by: str | None = None) -> tuple[Annotation, ...]:
        """Submitted or upheld annotations of a case that have a corrected fact, by time and id.

        `seen_by` is as in `submitted_after`.
        """
        row = AnnotationRow
        query = select(row).where(IS_CORRECTION, row.case_id == case_id, is_seen_by(seen_by))
        query = query.order_by(row.created_at, row.id)
        return tuple(map(as_annotation, self._session.scalars(query)))

    def disputes(self) -> tuple[Annotation, ...]:
        """Annotations with a corrected fact that somebody disputed, decided or not, by case, time and id."""
        row = AnnotationRow
        states = (AnnotationState.DISPUTED, AnnotationState.ADJUDICATED)
        query = select(row).where(row.state.in_(states), row.corrected_fact != "")
        return tuple(map(as_annotation, self._session.scalars(query.order_by(row.case_id, row.created_at, row.id))))

    def exists(self, annotation_ids: Iterable[str]) -> set[str]:
        """Return those of the given ids that already exist."""
        wanted = list(annotation_ids)
        found: set[str] = set()
        for start in range(0, len(wanted), 500):
            chunk = wanted[start : start + 500]
            found |= set(self._session.scalars(select(AnnotationRow.id).where(AnnotationRow.id.in_(chunk))))
        return found

    def history(self, annotation_id: str) -> tuple[AnnotationRevision, ...]:
        """Its revisions, oldest first; empty for an unknown id."""
        if not annotation_id.isalnum():
            return ()
        query = select(AnnotationRevisionRow).where(AnnotationRevisionRow.annotation_id == annotation_id)
        rows = self._session.scalars(query.order_by(AnnotationRevisionRow.revision))
        return tuple(map(_as_revision, rows))

    def histories(self, annotation_ids: Sequence[str]) -> dict[str, tuple[AnnotationRevision, ...]]:
        """The revisions of these annotations by their id, oldest first."""
        row = AnnotationRevisionRow
        query = select(row).where(row.annotation_id.in_(annotation_ids)).order_by(row.annotation_id, row.revision)
        found: dict[str, list[AnnotationRevision]] = defaultdict(list)
        for each in self._session.scalars(query):
            found[each.annotation_id].append(_as_revision(each))
        return {key: tuple(revisions) for key, revisions in found.items()}

    def error_counts(self, seen_by: str | None = None) -> tuple[ErrorCount, ...]:
        """Count annotations per label and case attributes; one with two labels counts for both.

        `seen_by` is as in `submitted_after`.
        """
        facts = (
            AnnotationLabelRow.label,
            AnnotationRow.severity,
            AnnotationRow.model,
            AnnotationRow.thinking_budget_tokens,
            AnnotationRow.force_rounds,
            AnnotationRow.is_correct,
        )
        # An outer join although every annotation has a label: SQLite would begin at the labels, and fetch the
        # annotations in their order, which takes twice as long.
        query = (
            select(*facts, func.count())
            .select_from(AnnotationRow)
            .join(AnnotationLabelRow, AnnotationRow.id == AnnotationLabelRow.annotation_id, isouter=True)
            .where(COUNTS, is_seen_by(seen_by))
            .group_by(*facts)
        )
        return tuple(ErrorCount(*row) for row in self._session.execute(query))

    def mark_counts(self, seen_by: str | None = None) -> tuple[MarkCount, ...]:
        """Count annotations per severity and case attributes, each once; `seen_by` is as in `submitted_after`."""
        row = AnnotationRow
        facts = (row.severity, row.model, row.thinking_budget_tokens, row.force_rounds, row.is_correct)
        query = select(*facts, func.count()).where(COUNTS, is_seen_by(seen_by)).group_by(*facts)
        return tuple(MarkCount(*each) for each in self._session.execute(query))

    def ratings(self) -> tuple[Rating, ...]:
        """Submitted assessments of cases that several annotators have submitted, with their annotations."""
        several = (
            select(AssessmentRow.case_id)
            .where(AssessmentRow.is_submitted)
            .group_by(AssessmentRow.case_id)
            .having(func.count() > 1)
        ).scalar_subquery()
        pairs = select(AssessmentRow.case_id, AssessmentRow.annotator).where(
            AssessmentRow.is_submitted, AssessmentRow.case_id.in_(several)
        )
        marked: dict[tuple[str, str], list[Annotation]] = defaultdict(list)
        # Adjudication overrides both annotators; agreement uses what each said before it.
        said = select(AnnotationRow).where(
            AnnotationRow.case_id.in_(several),
            AnnotationRow.state.not_in((AnnotationState.DRAFT, AnnotationState.WITHDRAWN)),
        )
        for row in self._session.scalars(said):
            marked[row.case_id, row.annotator].append(as_annotation(row))
        found = self._session.execute(pairs.order_by(AssessmentRow.case_id, AssessmentRow.annotator))
        return tuple(
            Rating(case_id=case, annotator=who, annotations=tuple(sorted(marked[case, who], key=_place)))
            for case, who in found
        )

    def _insert(self, made: Annotation, case: Case) -> None:
        facts = {
            "model": case.model,
            "thinking_budget_tokens": case.thinking_budget_tokens,
            "force_rounds": case.force_rounds,
            "is_correct": case.is_correct,
        }
        self._session.execute(insert(AnnotationRow).values(_columns(made) | facts))
        self._insert_labels(made)

    def _insert_labels(self, made: Annotation) -> None:
        rows = [{"annotation_id": made.id, "label": label} for label in dict.fromkeys(made.labels)]
        if rows:
            self._session.execute(insert(AnnotationLabelRow), rows)

    def _record(self, made: Annotation, by: str, action: AnnotationAction, reason: str) -> None:
        self._session.execute(insert(AnnotationRevisionRow).values(_revision_values(made, by, action, reason)))


def is_seen_by(annotator: str | None) -> ColumnElement[bool]:
    """Whether the double blind lets an annotator see an annotation; None sees all."""
    if annotator is None:
        return true()
    row, own = AnnotationRow, AssessmentRow
    has_submitted = exists().where(own.case_id == row.case_id, own.annotator == annotator, own.is_submitted)
    return (row.annotator == annotator) | has_submitted


def as_annotation(row: AnnotationRow) -> Annotation:
    """Convert a row to its record."""
    selector = None
    if row.start is not None:
        selector = TextSelector(**{name: getattr(row, name) for name in _SELECTOR_COLUMNS})
    return Annotation(
        **{name: getattr(row, name) for name in _PLAIN_COLUMNS},
        selector=selector,
        evidence=tuple(Evidence(EvidenceKind(kind), value) for kind, value in row.evidence),
    )


def _columns(made: Annotation) -> dict[str, Any]:
    selector = made.selector
    return (
        {name: getattr(made, name) for name in _PLAIN_COLUMNS}
        | {name: getattr(selector, name) if selector else None for name in _SELECTOR_COLUMNS}
        | {"evidence": [(each.kind.value, each.value) for each in made.evidence]}
    )


def _revision_values(made: Annotation, by: str, action: AnnotationAction, reason: str) -> dict[str, Any]:
    return {
        "annotation_id": made.id,
        "revision": made.revision,
        "made_at": made.updated_at,
        "made_by": by,
        "action": action,
        "reason": reason,
        "document": as_document(made),
    }


def _as_revision(row: AnnotationRevisionRow) -> AnnotationRevision:
    return AnnotationRevision(**{name: getattr(row, name) for name in AnnotationRevision.__slots__})


def _place(annotation: Annotation) -> tuple[str, int, int, datetime, str]:
    selector = annotation.selector
    start, end = (selector.start, selector.end) if selector else (-1, -1)
    # "thinking" before "answer" before "whole", as they are read.
    return {"thinking": "0", "answer": "1"}.get(annotation.part, "2"), start, end, annotation.created_at, annotation.id
