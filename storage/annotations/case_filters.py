"""What the queue of cases selects from: probes and answers of sweeps, each with the conditions of a filter."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ColumnElement, Select, Text, cast, exists, func, literal, literal_column, null, select
from sqlalchemy.orm import Session, aliased

from storage.annotations.records import AnnotationState, CaseFilter, CaseOrder
from storage.annotations.repository import COUNTS, is_seen_by
from storage.annotations.tables import AnnotationLabelRow, AnnotationRow, AssessmentRow
from storage.benchmarks.tables import BenchmarkItemRow
from storage.columns import replace_unstorable
from storage.questions.tables import QuestionRow
from storage.search import question_matches
from storage.traces.records import TraceState
from storage.traces.tables import CheckpointRow, TraceRow

HAS_ANSWER = CheckpointRow.error == literal_column("''")
"""The value is written into the statement, because SQLite uses no partial index for a parameter."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two kinds of case, with the columns in which they differ."""

    id: Any
    created_at: Any
    group: Any
    """What a group of cases has in common: its question for a probe, its sweep for an answer."""
    is_correct: Any
    letter: Any
    cells: Any
    is_after_right: Any
    is_flip: Any
    place: tuple[Any, ...]
    """What the cases of a group are ordered by: probes by time, the newest first, answers by pass and cut."""

    @property
    def is_probe(self) -> bool:
        """Whether a case is a whole trace."""
        return self.id is TraceRow.id

    def order(self, *, is_backward: bool = False) -> tuple[Any, ...]:
        """Order of the cases of a group."""
        return tuple(column.desc() for column in self.place) if is_backward != self.is_probe else self.place

    def cases(self, *columns: Any) -> Select[Any]:
        """The given columns of every case of this kind."""
        query = select(*columns).select_from(TraceRow)
        if self.is_probe:
            return query.where(TraceRow.sweep_id.is_(None), TraceRow.state != TraceState.RUNNING)
        return query.join(CheckpointRow, CheckpointRow.trace_id == TraceRow.id).where(HAS_ANSWER)


PROBES = Kind(
    id=TraceRow.id,
    created_at=TraceRow.created_at,
    group=TraceRow.question_id,
    is_correct=TraceRow.is_correct,
    letter=TraceRow.answer_letter,
    cells=null(),
    is_after_right=literal(False),
    is_flip=literal(False),
    place=(TraceRow.created_at, TraceRow.id),
)
ANSWERS = Kind(
    id=CheckpointRow.id,
    created_at=CheckpointRow.created_at,
    group=TraceRow.sweep_id,
    is_correct=CheckpointRow.is_correct,
    letter=CheckpointRow.letter,
    cells=CheckpointRow.cells,
    is_after_right=CheckpointRow.is_after_right,
    is_flip=CheckpointRow.is_flip,
    place=(TraceRow.model, TraceRow.pass_number, CheckpointRow.cut_tokens, CheckpointRow.id),
)
KINDS = (PROBES, ANSWERS)
_NO_PROBE = TraceRow.sweep_id.is_not(None)
"""Leaves no probe; a constant would leave out the condition on the trash with the table."""


def conditions(session: Session, kind: Kind, wanted: CaseFilter, seen_by: str | None) -> list[ColumnElement[bool]]:
    """The conditions of a filter on cases of one kind.

    `seen_by` limits the annotations that the filter looks at, as in `AnnotationRepository.submitted_after`.
    """
    given: list[ColumnElement[bool]] = [*_of_answer(kind, wanted), *_of_order(session, kind, wanted, seen_by)]
    if wanted.model:
        given.append(TraceRow.model == replace_unstorable(wanted.model))
    if wanted.sweep_id:
        wanted_id = replace_unstorable(wanted.sweep_id)
        of_run = select(BenchmarkItemRow.id).where(BenchmarkItemRow.run_id == wanted_id)
        given.append((TraceRow.sweep_id == wanted_id) | TraceRow.sweep_id.in_(of_run))
    if wanted.not_assessed_by:
        given.append(kind.id.not_in(_submitted(wanted.not_assessed_by)))
    if wanted.text.strip():
        matching = select(QuestionRow.id).where(question_matches(session, wanted.text))
        given.append(TraceRow.question_id.in_(matching))
    if marked := _marked(wanted):
        given.append(kind.id.in_(select(AnnotationRow.case_id).where(*marked, is_seen_by(seen_by))))
    return given


def is_selective(wanted: CaseFilter) -> bool:
    """Whether a filter leaves few cases, so that these are looked up first."""
    return bool(_marked(wanted)) or wanted.order is CaseOrder.DISAGREEMENT or bool(wanted.text.strip())


def submitted_by(kind: Kind, annotator: str) -> ColumnElement[bool]:
    """Whether an annotator has submitted a case."""
    return kind.id.in_(_submitted(annotator))  # type: ignore[no-any-return]


def _submitted(annotator: str) -> Select[Any]:
    who = replace_unstorable(annotator)
    return select(AssessmentRow.case_id).where(AssessmentRow.annotator == who, AssessmentRow.is_submitted)


def is_submitted(kind: Kind, annotator: str) -> Any:
    """The state of an annotator's assessment of a case: null if there is none."""
    mine = (AssessmentRow.case_id == kind.id) & (AssessmentRow.annotator == replace_unstorable(annotator))
    return select(AssessmentRow.is_submitted).where(mine).correlate(TraceRow, CheckpointRow).scalar_subquery()


def _of_answer(kind: Kind, wanted: CaseFilter) -> list[ColumnElement[bool]]:
    given: list[ColumnElement[bool]] = []
    if wanted.is_correct is not None:
        given.append(kind.is_correct.is_(wanted.is_correct))
    if wanted.is_unscored:
        given.append(kind.is_correct.is_(None))
    if wanted.is_flipped:
        given.append(_NO_PROBE if kind.is_probe else CheckpointRow.is_after_right.is_(True))
    return given


def _of_order(session: Session, kind: Kind, wanted: CaseFilter, seen_by: str | None) -> list[ColumnElement[bool]]:
    if wanted.order is CaseOrder.FLIP:
        return [_NO_PROBE if kind.is_probe else CheckpointRow.is_flip.is_(True)]
    if wanted.order is CaseOrder.DISAGREEMENT:
        # Looked up here, once for all statements of a page.
        ids = set(session.scalars(_rated_differently(seen_by)))
        if not kind.is_probe:
            ids |= set(session.scalars(_last_of_differing()))
        return [kind.id.in_(_listed(session, ids))]
    return []


def _listed(session: Session, ids: Iterable[str]) -> Select[Any]:
    """Ids as rows: there may be more than a statement may have parameters."""
    text = literal(json.dumps(sorted(ids)), Text)
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    rows = func.json_array_elements_text(cast(text, JSON)) if is_postgresql else func.json_each(text)
    return select(rows.table_valued("value").c.value)


def _rated_differently(seen_by: str | None) -> Select[Any]:
    """Ids of cases that several annotators have submitted with different labels.

    Whoever may not see others' marks on a case does not learn here that they differ.
    """
    submitted = (
        select(AssessmentRow.case_id, func.count().label("annotators"))
        .where(AssessmentRow.is_submitted)
        .group_by(AssessmentRow.case_id)
        .having(func.count() > 1)
        .subquery()
    )
    said = (
        select(AnnotationRow.case_id, func.count(AnnotationRow.annotator.distinct()).label("annotators"))
        .join(AnnotationLabelRow, AnnotationLabelRow.annotation_id == AnnotationRow.id)
        .where(COUNTS)
        .group_by(AnnotationRow.case_id, AnnotationLabelRow.label)
        .subquery()
    )
    query = select(submitted.c.case_id).join(said, said.c.case_id == submitted.c.case_id)
    query = query.where(said.c.annotators < submitted.c.annotators)
    if seen_by is None:
        return query
    own = AssessmentRow
    return query.where(exists().where(own.case_id == submitted.c.case_id, own.annotator == seen_by, own.is_submitted))


def _last_of_differing() -> Select[Any]:
    """Ids of the last answers of passes that end with different letters in their sweep."""
    last, trace = aliased(CheckpointRow), aliased(TraceRow)
    letters = func.count(func.coalesce(last.letter, "").distinct())
    differing = select(trace.sweep_id).join(last, last.trace_id == trace.id).where(last.is_last)
    differing = differing.group_by(trace.sweep_id).having(letters > 1)
    query = select(CheckpointRow.id).join(TraceRow, TraceRow.id == CheckpointRow.trace_id)
    return query.where(CheckpointRow.is_last, TraceRow.sweep_id.in_(differing))


def _marked(wanted: CaseFilter) -> list[ColumnElement[bool]]:
    """Conditions that a single annotation of the case must meet."""
    given: list[ColumnElement[bool]] = []
    if wanted.label:
        labelled = AnnotationLabelRow.label == replace_unstorable(wanted.label)
        given.append(exists().where(AnnotationLabelRow.annotation_id == AnnotationRow.id, labelled))
    if wanted.severity:
        given.append(AnnotationRow.severity == replace_unstorable(wanted.severity))
    if wanted.annotator:
        given.append(AnnotationRow.annotator == replace_unstorable(wanted.annotator))
    if wanted.thinking_budget_tokens is not None:
        given.append(AnnotationRow.thinking_budget_tokens == wanted.thinking_budget_tokens)
    if wanted.force_rounds is not None:
        given.append(AnnotationRow.force_rounds == wanted.force_rounds)
    if wanted.is_disputed:
        given.append(AnnotationRow.state == AnnotationState.DISPUTED)
    return [*given, COUNTS] if given else []
