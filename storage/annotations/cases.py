"""Cases: answers from probes and sweeps, one by one; the queue of all is in `queue.py`."""

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from storage.annotations.queue_rows import smallest
from storage.annotations.records import Case
from storage.annotations.work import is_annotated
from storage.errors import RecordNotFound, not_found
from storage.traces.records import COUNTED_AS_THINKING, Segment, SegmentKind, Trace, TraceState
from storage.traces.repository import as_trace
from storage.traces.tables import CheckpointRow, TraceRow


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

    def is_annotated(self, trace_id: str) -> bool:
        """Whether somebody has annotated a trace, or has begun to."""
        found = select(TraceRow.id).where(TraceRow.id == trace_id, is_annotated())
        return trace_id.isalnum() and self._session.scalar(found) is not None

    def models(self) -> tuple[str, ...]:
        """Names of the models that produced cases, sorted."""
        return tuple(self._session.scalars(select(TraceRow.model).distinct().order_by(TraceRow.model)))


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
        waits=_inserted(trace.segments, SegmentKind.WAIT, len(trace.thinking_text)),
        edits=_inserted(trace.segments, SegmentKind.EDIT, len(trace.thinking_text)),
        answer_text=trace.answer_text,
        letter=trace.answer_letter,
        is_correct=trace.is_correct,
        created_at=trace.created_at,
    )


def _sweep_case(trace: Trace, kept: CheckpointRow) -> Case:
    budget, rounds = smallest(kept.cells) or (trace.thinking_budget_tokens, trace.force_rounds)
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
        waits=_inserted(trace.segments, SegmentKind.WAIT, kept.cut_characters),
        answer_text=kept.text,
        letter=kept.letter,
        is_correct=kept.is_correct,
        created_at=kept.created_at,
    )


def _inserted(segments: tuple[Segment, ...], kind: SegmentKind, end: int) -> tuple[tuple[int, int], ...]:
    found, at = [], 0
    for segment in segments:
        if segment.kind not in COUNTED_AS_THINKING:
            continue
        after = min(at + len(segment.text), end)
        if segment.kind is kind and at < after:
            found.append((at, after))
        at += len(segment.text)
    return tuple(found)
