"""What the queue of cases selects from: probes and answers of sweeps, each with the conditions of a filter."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session

from storage.annotations.records import AnnotationState, CaseFilter, CaseOrder
from storage.annotations.repository import COUNTS, is_seen_by
from storage.annotations.tables import AnnotationLabelRow, AnnotationRow, AssessmentRow
from storage.annotations.work import is_annotated
from storage.benchmarks.tables import BenchmarkItemRow
from storage.columns import replace_unstorable
from storage.questions.tables import QuestionRow
from storage.search import question_matches
from storage.strategies.tables import StrategyRequestRow, StrategyResultRow
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
        """The given columns of every case of this kind.

        A trace that did not come to its answer says nothing of the model: it is a case only if somebody has worked on
        it.
        """
        query = select(*columns).select_from(TraceRow)
        if self.is_probe:
            is_worked_on = and_(TraceRow.state != TraceState.RUNNING, is_annotated())
            return query.where(TraceRow.sweep_id.is_(None), or_(TraceRow.state == TraceState.COMPLETED, is_worked_on))
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


Conditions = dict[Any, list[ColumnElement[bool]]]
"""Conditions on cases, by the id of their kind."""
Groups = dict[Any, dict[str, str]]
"""What each of some cases has in common with the others of its group (see `Kind`), by the id of their kind."""


def conditions(session: Session, wanted: CaseFilter, seen_by: str | None, differing: Groups) -> Conditions:
    """The conditions of a filter on cases, without what an annotator has submitted; see `left_to`.

    `seen_by` limits the annotations that the filter looks at, as in `AnnotationRepository.submitted_after`.
    `differing` are the cases of the order by disagreement.
    """
    of_order = _of_order(session, wanted, differing)
    return {kind.id: [*of_order[kind.id], *_on_kind(session, kind, wanted, seen_by)] for kind in KINDS}


def _on_kind(session: Session, kind: Kind, wanted: CaseFilter, seen_by: str | None) -> list[ColumnElement[bool]]:
    given = _of_answer(kind, wanted)
    if wanted.model:
        given.append(TraceRow.model == replace_unstorable(wanted.model))
    if wanted.sweep_id:
        wanted_id = replace_unstorable(wanted.sweep_id)
        of_run = select(BenchmarkItemRow.id).where(BenchmarkItemRow.run_id == wanted_id)
        given.append((TraceRow.sweep_id == wanted_id) | TraceRow.sweep_id.in_(of_run))
    if wanted.text.strip():
        matching = select(QuestionRow.id).where(question_matches(session, wanted.text))
        given.append(TraceRow.question_id.in_(matching))
    if marked := _marked(wanted):
        given.append(kind.id.in_(select(AnnotationRow.case_id).where(*marked, is_seen_by(seen_by))))
    return given


def left_to(kind: Kind, annotator: str) -> list[ColumnElement[bool]]:
    """The condition that an annotator has not submitted a case; none without a name."""
    return [kind.id.not_in(_submitted(annotator))] if annotator else []


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


def asking_strategy() -> Any:
    """The strategy that asked for a trace, as written; null for others."""
    asked, result = StrategyRequestRow, StrategyResultRow
    query = select(result.choice).join(
        asked, (asked.run_id == result.run_id) & (asked.result_position == result.position)
    )
    first = query.where(asked.trace_id == TraceRow.id).order_by(result.run_id, result.position).limit(1)
    return first.correlate(TraceRow).scalar_subquery()


def _of_answer(kind: Kind, wanted: CaseFilter) -> list[ColumnElement[bool]]:
    given: list[ColumnElement[bool]] = []
    if wanted.is_correct is not None:
        given.append(kind.is_correct.is_(wanted.is_correct))
    if wanted.is_unscored:
        given.append(kind.is_correct.is_(None))
    if wanted.is_flipped:
        given.append(_NO_PROBE if kind.is_probe else CheckpointRow.is_after_right.is_(True))
    return given


def _of_order(session: Session, wanted: CaseFilter, differing: Groups) -> Conditions:
    if wanted.order is CaseOrder.FLIP:
        return {PROBES.id: [_NO_PROBE], ANSWERS.id: [CheckpointRow.is_flip.is_(True)]}
    if wanted.order is CaseOrder.DISAGREEMENT:
        return {kind.id: [kind.id.in_(listed(session, differing[kind.id]))] for kind in KINDS}
    return {kind.id: [] for kind in KINDS}


def listed(session: Session, ids: Iterable[str]) -> Select[Any]:
    """Ids as rows: there may be more than a statement may have parameters."""
    text = literal(json.dumps(sorted(ids)), Text)
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    rows = func.json_array_elements_text(cast(text, JSON)) if is_postgresql else func.json_each(text)
    return select(rows.table_valued("value").c.value)


def differing_cases(session: Session, seen_by: str | None) -> Groups:
    """The cases on which passes or annotators differ, looked up once for all statements of a page.

    Whoever may not see others' marks on a case does not learn here that they differ; `seen_by` is as in `conditions`.
    """
    found: Groups = {kind.id: {} for kind in KINDS}
    for row in session.execute(_rated_differently(seen_by)):
        found[ANSWERS.id if row.checkpoint_id else PROBES.id][row.case_id] = row.sweep_id or row.question_id
    found[ANSWERS.id] |= {row.id: row.sweep_id for row in session.execute(_last_of_differing())}
    return found


def _rated_differently(seen_by: str | None) -> Select[Any]:
    """Case and checkpoint of what several annotators have submitted with different labels, with their groups."""
    row: Any = AssessmentRow
    one: ColumnElement[int] = literal_column("1")
    whole = (func.max(each).label(each.key) for each in (row.checkpoint_id, row.trace_id))
    submitted = (
        select(row.case_id, *whole, func.count().label("annotators"))
        .where(row.is_submitted)
        .group_by(row.case_id)
        # Without parameters: PostgreSQL takes what it does not know for rare, and then compares each row with each.
        .having(func.count() > one)
        .subquery()
    )
    own = select(row.case_id).where(row.is_submitted, row.annotator == seen_by)
    said = (
        select(AnnotationRow.case_id, func.count(AnnotationRow.annotator.distinct()).label("annotators"))
        .join(AnnotationLabelRow, AnnotationLabelRow.annotation_id == AnnotationRow.id)
        .where(COUNTS)
        .group_by(AnnotationRow.case_id, AnnotationLabelRow.label)
        .subquery()
    )
    of_group = (TraceRow.sweep_id, TraceRow.question_id)
    query = select(submitted.c.case_id, submitted.c.checkpoint_id, *of_group)
    query = query.join(said, said.c.case_id == submitted.c.case_id)
    query = query.join(TraceRow, TraceRow.id == submitted.c.trace_id)
    query = query.join(CheckpointRow, CheckpointRow.id == submitted.c.checkpoint_id, isouter=True)
    is_case = or_(HAS_ANSWER, and_(submitted.c.checkpoint_id.is_(None), TraceRow.sweep_id.is_(None)))
    is_seen = true() if seen_by is None else submitted.c.case_id.in_(own)
    return query.where(said.c.annotators < submitted.c.annotators, is_case, is_seen).distinct()


def _last_of_differing() -> Select[Any]:
    """The last answers of passes that end with different letters in their sweep, with the sweeps."""
    letter = func.coalesce(CheckpointRow.letter, "")
    lowest, highest = (of(letter).over(partition_by=TraceRow.sweep_id) for of in (func.min, func.max))
    last = select(CheckpointRow.id, TraceRow.sweep_id, lowest.label("lowest"), highest.label("highest"))
    last = last.join(TraceRow, TraceRow.id == CheckpointRow.trace_id).where(CheckpointRow.is_last)
    each = last.where(TraceRow.sweep_id.is_not(None)).subquery()
    return select(each.c.id, each.c.sweep_id).where(each.c.lowest != each.c.highest)


def _marked(wanted: CaseFilter) -> list[ColumnElement[bool]]:
    """Conditions that a single annotation of the case must meet."""
    given: list[ColumnElement[bool]] = []
    if wanted.label:
        row = AnnotationLabelRow
        labelled = select(row.annotation_id).where(row.label == replace_unstorable(wanted.label))
        given.append(AnnotationRow.id.in_(labelled))
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
