"""Cases: answers from probes and sweeps, read individually or as a queue."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from storage.annotations.assessments import AssessmentRepository
from storage.annotations.records import AnnotationState, Case, CaseFilter, CasePage, CaseSummary
from storage.annotations.repository import COUNTS, is_seen_by
from storage.annotations.tables import AnnotationLabelRow, AnnotationRow, AssessmentRow
from storage.benchmarks.tables import BenchmarkItemRow
from storage.columns import JsonTuple, replace_unstorable
from storage.errors import InvalidRecord, RecordNotFound, not_found
from storage.questions.tables import QuestionRow
from storage.search import question_matches
from storage.traces.listing import STEM_CHARACTERS
from storage.traces.records import COUNTED_AS_THINKING, Segment, SegmentKind, Trace, TraceState
from storage.traces.repository import as_trace
from storage.traces.tables import CheckpointRow, TraceRow

_MAX_PAGE_SIZE = 500


def _cases() -> Any:
    """Every case as one table: id, trace, checkpoint, sweep, time, question, settings, answer."""
    probes = select(
        TraceRow.id.label("id"),
        TraceRow.id.label("trace_id"),
        null().label("checkpoint_id"),
        null().label("sweep_id"),
        TraceRow.created_at.label("created_at"),
        TraceRow.question_id.label("question_id"),
        TraceRow.model.label("model"),
        TraceRow.thinking_budget_tokens.label("thinking_budget_tokens"),
        TraceRow.force_rounds.label("force_rounds"),
        type_coerce(null(), JsonTuple()).label("cells"),
        literal(0).label("cut_tokens"),
        TraceRow.answer_letter.label("letter"),
        TraceRow.is_correct.label("is_correct"),
    ).where(TraceRow.sweep_id.is_(None), TraceRow.state != TraceState.RUNNING)
    answers = (
        select(
            CheckpointRow.id,
            CheckpointRow.trace_id,
            CheckpointRow.id,
            TraceRow.sweep_id,
            CheckpointRow.created_at,
            TraceRow.question_id,
            TraceRow.model,
            TraceRow.thinking_budget_tokens,
            TraceRow.force_rounds,
            CheckpointRow.cells,
            CheckpointRow.cut_tokens,
            CheckpointRow.letter,
            CheckpointRow.is_correct,
        )
        .join(TraceRow, TraceRow.id == CheckpointRow.trace_id)
        .where(CheckpointRow.error == "")
    )
    return union_all(probes, answers).subquery("cases")


_CASES = _cases()
_C = _CASES.c


class CaseRepository:
    """Cases in the session's database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, case_id: str) -> Case:
        """Return the case with this id.

        Raises:
            RecordNotFound: no such case, or its trace is still running.
        """
        checkpoint = self._session.get(CheckpointRow, case_id) if case_id.isalnum() else None
        wanted = checkpoint.trace_id if checkpoint else case_id
        loaded = select(TraceRow).options(joinedload(TraceRow.question), selectinload(TraceRow.segments))
        row = self._session.scalar(loaded.where(TraceRow.id == wanted)) if wanted.isalnum() else None
        if row is None or (checkpoint is None and row.sweep_id is not None):
            raise not_found("case", case_id)
        trace = as_trace(row)
        if checkpoint is None and trace.state is TraceState.RUNNING:
            raise RecordNotFound("This trace is still running. Annotate it when it has finished.")
        return _probe_case(trace) if checkpoint is None else _sweep_case(trace, checkpoint)

    def page(
        self, wanted: CaseFilter, annotator: str, limit: int, cursor: str | None, seen_by: str | None = None
    ) -> CasePage:
        """Return one page of the queue, newest first.

        `seen_by` limits the annotations that the filter looks at, as in `AnnotationRepository.submitted_after`.

        Raises:
            InvalidRecord: the cursor did not come from a page.
        """
        size = max(1, min(limit, _MAX_PAGE_SIZE))
        conditions = self._conditions(wanted, seen_by)
        query: Select[Any] = select(
            *_C, QuestionRow.stem, QuestionRow.target, _is_submitted(annotator).label("is_submitted")
        )
        query = _joined(query).where(*conditions)
        if cursor is not None:
            query = query.where(_before(*_read_cursor(cursor)))
        rows = self._session.execute(query.order_by(_C.created_at.desc(), _C.id.desc()).limit(size + 1)).all()
        counts = AssessmentRepository(self._session).count_submitted([row.id for row in rows[:size]])
        items = tuple(_summary(row, counts.get(row.id, 0)) for row in rows[:size])
        total = self._session.scalar(_joined(select(func.count())).where(*conditions)) or 0
        done = _joined(select(func.count())).where(*conditions, _is_submitted(annotator).is_(True))
        last = f"{items[-1].created_at.isoformat()}|{items[-1].id}" if len(rows) > size else None
        submitted = (self._session.scalar(done) or 0) if annotator else 0
        return CasePage(items=items, total=total, submitted=submitted, next_cursor=last)

    def neighbours(self, wanted: CaseFilter, case_id: str, seen_by: str | None = None) -> tuple[str | None, str | None]:
        """Ids of the previous and next case in the queue; the case itself may no longer be in it.

        `seen_by` is as in `page`.
        """
        here = self._session.execute(select(_C.created_at, _C.id).where(_C.id == case_id)).first()
        if here is None:
            return None, None
        query = _joined(select(_C.id)).where(*self._conditions(wanted, seen_by)).limit(1)
        newer = query.where(_after(here.created_at, here.id)).order_by(_C.created_at, _C.id)
        older = query.where(_before(here.created_at, here.id)).order_by(_C.created_at.desc(), _C.id.desc())
        return self._session.scalar(newer), self._session.scalar(older)

    def first(self, wanted: CaseFilter, seen_by: str | None = None) -> str | None:
        """Id of the first case in the queue; None if it is empty. `seen_by` is as in `page`."""
        page = self.page(wanted, "", 1, None, seen_by)
        return page.items[0].id if page.items else None

    def models(self) -> tuple[str, ...]:
        """Names of the models that produced cases, sorted."""
        return tuple(self._session.scalars(select(TraceRow.model).distinct().order_by(TraceRow.model)))

    def _conditions(self, wanted: CaseFilter, seen_by: str | None) -> list[ColumnElement[bool]]:
        given: list[ColumnElement[bool]] = []
        if wanted.is_correct is not None:
            given.append(_C.is_correct.is_(wanted.is_correct))
        if wanted.is_unscored:
            given.append(_C.is_correct.is_(None))
        if wanted.is_flipped:
            given.append(_flipped())
        if wanted.model:
            given.append(_C.model == replace_unstorable(wanted.model))
        if wanted.sweep_id:
            wanted_id = replace_unstorable(wanted.sweep_id)
            of_run = select(BenchmarkItemRow.id).where(BenchmarkItemRow.run_id == wanted_id)
            given.append((_C.sweep_id == wanted_id) | _C.sweep_id.in_(of_run))
        if wanted.not_assessed_by:
            given.append(~_submitted_by(wanted.not_assessed_by))
        if wanted.text.strip():
            given.append(question_matches(self._session, wanted.text))
        if marked := _marked(wanted):
            given.append(exists().where(AnnotationRow.case_id == _C.id, *marked, is_seen_by(seen_by)))
        return given


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


def _flipped() -> ColumnElement[bool]:
    earlier = aliased(CheckpointRow)
    is_earlier = and_(earlier.trace_id == _C.trace_id, earlier.cut_tokens < _C.cut_tokens, earlier.is_correct.is_(True))
    return and_(_C.checkpoint_id.is_not(None), _C.is_correct.is_(False), exists().where(is_earlier))


def _submitted_by(annotator: str) -> ColumnElement[bool]:
    who = replace_unstorable(annotator)
    return exists().where(AssessmentRow.case_id == _C.id, AssessmentRow.annotator == who, AssessmentRow.is_submitted)


def _is_submitted(annotator: str) -> Any:
    mine = (AssessmentRow.case_id == _C.id) & (AssessmentRow.annotator == replace_unstorable(annotator))
    return select(AssessmentRow.is_submitted).where(mine).correlate(_CASES).scalar_subquery()


def _joined(query: Select[Any]) -> Select[Any]:
    return query.select_from(_CASES).join(QuestionRow, QuestionRow.id == _C.question_id)


def _before(created_at: datetime, case_id: str) -> ColumnElement[bool]:
    return or_(_C.created_at < created_at, and_(_C.created_at == created_at, _C.id < case_id))


def _after(created_at: datetime, case_id: str) -> ColumnElement[bool]:
    return or_(_C.created_at > created_at, and_(_C.created_at == created_at, _C.id > case_id))


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    moment, _, case_id = cursor.partition("|")
    try:
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None or not case_id.isalnum():
            raise ValueError(cursor)
    except ValueError as exc:
        raise InvalidRecord("The queue cannot continue from this position. Start again from the first page.") from exc
    return created_at, case_id


def _summary(row: Row[Any], assessed_by: int) -> CaseSummary:
    budget, rounds = _smallest(row.cells) or (row.thinking_budget_tokens, row.force_rounds)
    return CaseSummary(
        id=row.id,
        trace_id=row.trace_id,
        checkpoint_id=row.checkpoint_id,
        sweep_id=row.sweep_id,
        created_at=row.created_at,
        stem=row.stem[:STEM_CHARACTERS],
        target=row.target,
        model=row.model,
        thinking_budget_tokens=budget,
        force_rounds=rounds,
        letter=row.letter,
        is_correct=row.is_correct,
        is_submitted=row.is_submitted,
        assessed_by=assessed_by,
    )


def _smallest(cells: tuple[tuple[int, int], ...] | None) -> tuple[int, int] | None:
    return min(cells) if cells else None


def _probe_case(trace: Trace) -> Case:
    return Case(
        id=trace.id,
        trace_id=trace.id,
        checkpoint_id=None,
        sweep_id=None,
        question=trace.question,
        model=trace.model,
        thinking_budget_tokens=trace.thinking_budget_tokens,
        force_rounds=trace.force_rounds,
        thinking_text=trace.thinking_text,
        waits=_waits(trace.segments, len(trace.thinking_text)),
        answer_text=trace.answer_text,
        letter=trace.answer_letter,
        is_correct=trace.is_correct,
        created_at=trace.created_at,
    )


def _sweep_case(trace: Trace, kept: CheckpointRow) -> Case:
    budget, rounds = _smallest(kept.cells) or (trace.thinking_budget_tokens, trace.force_rounds)
    return Case(
        id=kept.id,
        trace_id=trace.id,
        checkpoint_id=kept.id,
        sweep_id=trace.sweep_id,
        question=trace.question,
        model=trace.model,
        thinking_budget_tokens=budget,
        force_rounds=rounds,
        thinking_text=trace.thinking_text[: kept.cut_characters],
        waits=_waits(trace.segments, kept.cut_characters),
        answer_text=kept.text,
        letter=kept.letter,
        is_correct=kept.is_correct,
        created_at=kept.created_at,
    )


def _waits(segments: tuple[Segment, ...], end: int) -> tuple[tuple[int, int], ...]:
    found, at = [], 0
    for segment in segments:
        if segment.kind not in COUNTED_AS_THINKING:
            continue
        after = min(at + len(segment.text), end)
        if segment.kind is SegmentKind.WAIT and at < after:
            found.append((at, after))
        at += len(segment.text)
    return tuple(found)
