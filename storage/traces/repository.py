"""Traces: begun, saved about once a second while they stream, closed once, and read."""

import hashlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from storage.columns import replace_unstorable
from storage.errors import InvalidRecord, RecordNotFound, StorageError
from storage.questions.repository import as_question, utc_now
from storage.questions.tables import QuestionRow
from storage.search import index_trace
from storage.traces.listing import Page, TraceFilter, count_traces, read_page
from storage.traces.records import (
    COUNTED_AS_THINKING,
    Checkpoint,
    NewCheckpoint,
    NewTrace,
    Progress,
    Segment,
    Trace,
    TraceOutcome,
    TraceState,
)
from storage.traces.tables import CheckpointRow, SegmentRow, TraceRow

_OPEN_STATES = (TraceState.RUNNING, TraceState.INTERRUPTED)
"""An interrupted trace is only thought dead: a process that was asleep may go on with it."""

_SEGMENT_FIELDS = [column.name for column in fields(Segment)]
_TRACE_FIELDS = [column.name for column in fields(Trace) if column.name not in ("question", "segments")]
_CHECKPOINT_FIELDS = [column.name for column in fields(Checkpoint)]


class TraceRepository:
    """Traces of the session's database, with their segments and checkpoints."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, trace: NewTrace) -> Trace:
        """Begin a trace: running, without segments.

        Raises:
            RecordNotFound: its question is not kept.
        """
        asked = self._session.get(QuestionRow, trace.question_id) if trace.question_id.isalnum() else None
        if asked is None:
            raise RecordNotFound(
                f"There is no question {trace.question_id!r} to begin a trace of. Save the question first."
            )
        moment = self._now()
        row = TraceRow(
            **_values(trace, NewTrace),
            **_values(TraceOutcome(state=TraceState.RUNNING), TraceOutcome),
            id=uuid4().hex,
            created_at=moment,
            updated_at=moment,
            thinking_tokens=0,
            prompt_sha256=hashlib.sha256(trace.prompt_text.encode(errors="replace")).hexdigest(),
            question=asked,
            segments=[],
        )
        self._session.add(row)
        self._session.flush()
        return as_trace(row)

    def save_progress(
        self,
        trace_id: str,
        segments: Sequence[Segment],
        tokens_generated: int,
        time_to_first_token_seconds: float | None = None,
    ) -> None:
        """Keep what has come so far, and give the heartbeat. Writes only the segments that changed.

        Args:
            trace_id: a running trace; one marked interrupted runs again.
            segments: all of the trace so far, in order.
            tokens_generated: every token that the engine produced for it so far.
            time_to_first_token_seconds: from the request to the first token; None before there is one.

        Raises:
            RecordNotFound: there is no such trace.
            InvalidRecord: it is closed.
        """
        progress = Progress(trace_id, segments, tokens_generated, time_to_first_token_seconds)
        if trace_id not in self.save_all([progress]):
            raise self._not_open(trace_id)

    def save_all(self, progress: Sequence[Progress]) -> Set[str]:
        """Keep what has come so far of many traces, in few statements; closed or deleted ones are passed over.

        Returns:
            Ids of the traces that were saved.
        """
        wanted = [each.trace_id for each in progress if each.trace_id.isalnum()]
        is_open = TraceRow.id.in_(wanted) & TraceRow.state.in_(_OPEN_STATES)
        found = set(self._session.scalars(select(TraceRow.id).where(is_open).with_for_update()))
        kept = [each for each in progress if each.trace_id in found]
        if kept:
            self._session.execute(update(TraceRow), [self._progress_values(each) for each in kept])
        self._save_segments({each.trace_id: each.segments for each in kept})
        return found

    def close(self, trace_id: str, outcome: TraceOutcome, segments: Sequence[Segment] | None = None) -> None:
        """End a trace and make its text findable.

        Args:
            trace_id: a running (or interrupted) trace.
            outcome: how it ended.
            segments: all of the trace; None keeps those saved last.

        Raises:
            RecordNotFound: there is no such trace.
            InvalidRecord: it is closed already, or the outcome says that it runs.
        """
        if outcome.state is TraceState.RUNNING:
            raise InvalidRecord("A trace cannot be closed as running. Close it as completed, stopped or failed.")
        values = _values(outcome, TraceOutcome)
        if segments is not None:
            values["thinking_tokens"] = _thinking_tokens(segments)
        self._update_open(trace_id, values)
        if segments is not None:
            self._save_segments({trace_id: segments})
        self._index(trace_id)

    def get(self, trace_id: str) -> Trace:
        """The trace with its question and segments.

        Raises:
            RecordNotFound: there is none with that id.
        """
        query = select(TraceRow).where(TraceRow.id == trace_id).execution_options(populate_existing=True)
        loaded = query.options(joinedload(TraceRow.question), selectinload(TraceRow.segments))
        row = self._session.scalar(loaded) if trace_id.isalnum() else None
        if row is None:
            raise _no_trace(trace_id)
        return as_trace(row)

    def list(self, wanted: TraceFilter | None = None, limit: int = 50, cursor: str | None = None) -> Page:
        """Summaries of traces, newest first.

        Args:
            wanted: which; None is all.
            limit: most items of the page, 1-500.
            cursor: `next_cursor` of the page before; None for the first page.

        Raises:
            InvalidRecord: the cursor is none that a page gave.
        """
        return read_page(self._session, wanted or TraceFilter(), limit, cursor)

    def count(self, wanted: TraceFilter | None = None) -> int:
        """How many traces there are; None counts all."""
        return count_traces(self._session, wanted or TraceFilter())

    def models(self) -> tuple[str, ...]:
        """Ids of the models that traces were made with, in order."""
        return tuple(self._session.scalars(select(TraceRow.model).distinct().order_by(TraceRow.model)))

    def delete(self, trace_id: str) -> None:
        """Delete a trace with its segments and checkpoints; its question stays.

        Raises:
            RecordNotFound: there is none with that id.
        """
        doomed = delete(TraceRow).where(TraceRow.id == trace_id).execution_options(synchronize_session=False)
        if not trace_id.isalnum() or self._affected(doomed) == 0:
            raise _no_trace(trace_id)

    def mark_interrupted(self, is_owner_alive: Callable[[str], bool], stale_after_seconds: float) -> int:
        """End the running traces that nobody runs any more; their text stays and becomes findable.

        Args:
            is_owner_alive: whether the process of an owner ("host:pid") still runs; asked once for each owner.
            stale_after_seconds: a heartbeat older than this ends a trace whoever owns it.

        Returns:
            How many were marked.
        """
        running = select(TraceRow.id, TraceRow.owner, TraceRow.updated_at).where(TraceRow.state == TraceState.RUNNING)
        oldest = self._now() - timedelta(seconds=stale_after_seconds)
        rows = self._session.execute(running).all()
        alive = {owner: is_owner_alive(owner) for owner in {row.owner for row in rows}}
        abandoned = [row for row in rows if row.updated_at < oldest or not alive[row.owner]]
        return sum(self._interrupt(row.id, row.updated_at) for row in abandoned)

    def reopen(self, trace_id: str, owner: str) -> None:
        """A closed trace runs again, in another process perhaps; its failed checkpoints are forgotten.

        Raises:
            RecordNotFound: there is no such trace.
        """
        opened = update(TraceRow).where(TraceRow.id == trace_id)
        values = {"state": TraceState.RUNNING, "error": "", "owner": owner, "updated_at": self._now()}
        if self._affected(opened.values(values).execution_options(synchronize_session=False)) != 1:
            raise _no_trace(trace_id)
        failed = delete(CheckpointRow).where(CheckpointRow.trace_id == trace_id, CheckpointRow.error != "")
        self._session.execute(failed.execution_options(synchronize_session=False))

    def add_checkpoint(self, checkpoint: NewCheckpoint) -> Checkpoint:
        """Keep an answer forked from a trace.

        Raises:
            RecordNotFound: there is no such trace.
        """
        if not checkpoint.trace_id.isalnum() or self._session.get(TraceRow, checkpoint.trace_id) is None:
            raise _no_trace(checkpoint.trace_id)
        row = CheckpointRow(**_values(checkpoint, NewCheckpoint), id=uuid4().hex, created_at=self._now())
        self._session.add(row)
        self._session.flush()
        return replace(as_checkpoint(row), text=replace_unstorable(row.text))

    def list_checkpoints(self, trace_id: str) -> Sequence[Checkpoint]:
        """Checkpoints of a trace by cut; none when there is no such trace."""
        order = (CheckpointRow.cut_tokens, CheckpointRow.thinking_finish_reason, CheckpointRow.created_at)
        query = select(CheckpointRow).where(CheckpointRow.trace_id == trace_id).order_by(*order)
        rows = self._session.scalars(query) if trace_id.isalnum() else ()
        return tuple(as_checkpoint(row) for row in rows)

    def _update_open(self, trace_id: str, values: dict[str, Any]) -> None:
        if not trace_id.isalnum():
            raise _no_trace(trace_id)
        is_open = (TraceRow.id == trace_id) & TraceRow.state.in_(_OPEN_STATES)
        changed = update(TraceRow).where(is_open).values(**values, updated_at=self._now())
        if self._affected(changed.execution_options(synchronize_session=False)) != 1:
            raise self._not_open(trace_id)

    def _not_open(self, trace_id: str) -> StorageError:
        if not trace_id.isalnum():
            return _no_trace(trace_id)
        state = self._session.scalar(select(TraceRow.state).where(TraceRow.id == trace_id))
        if state is None:
            return _no_trace(trace_id)
        return InvalidRecord(f"Trace {trace_id} is closed ({state.value}) and stays as it is. Begin another trace.")

    def _affected(self, statement: Any) -> int:
        result = self._session.execute(statement)
        return result.rowcount if isinstance(result, CursorResult) else 0

    def _progress_values(self, progress: Progress) -> dict[str, Any]:
        return {
            "id": progress.trace_id,
            "state": TraceState.RUNNING,
            "updated_at": self._now(),
            "thinking_tokens": _thinking_tokens(progress.segments),
            "tokens_generated": progress.tokens_generated,
            "time_to_first_token_seconds": progress.time_to_first_token_seconds,
        }

    def _save_segments(self, segments_of: Mapping[str, Sequence[Segment]]) -> None:
        """Write the segments that changed."""
        marks = select(
            SegmentRow.trace_id,
            SegmentRow.position,
            SegmentRow.token_count,
            SegmentRow.character_count,
            SegmentRow.finish_reason,
        ).where(SegmentRow.trace_id.in_(segments_of))
        saved = {tuple(row)[:2]: tuple(row)[2:] for row in self._session.execute(marks)}
        given = {(id_, at): segment for id_, parts in segments_of.items() for at, segment in enumerate(parts)}
        new = [key for key in given if key not in saved]
        changed = [key for key, segment in given.items() if key in saved and saved[key] != _mark(segment)]
        if changed:
            self._session.execute(update(SegmentRow), [_segment_values(key, given[key]) for key in changed])
        if new:
            self._session.execute(insert(SegmentRow), [_segment_values(key, given[key]) for key in new])
        for trace_id, position in saved.keys() - given.keys():
            surplus = delete(SegmentRow).where(SegmentRow.trace_id == trace_id, SegmentRow.position == position)
            self._session.execute(surplus.execution_options(synchronize_session=False))

    def _interrupt(self, trace_id: str, seen_heartbeat: datetime) -> bool:
        """Mark one trace, unless it has beaten since it was looked at."""
        still = (TraceRow.state == TraceState.RUNNING) & (TraceRow.updated_at == seen_heartbeat)
        marked = update(TraceRow).where(TraceRow.id == trace_id, still).values(state=TraceState.INTERRUPTED)
        if self._affected(marked.execution_options(synchronize_session=False)) == 0:
            return False
        self._index(trace_id)
        return True

    def _index(self, trace_id: str) -> None:
        trace = self.get(trace_id)
        asked = (trace.question.stem, *trace.question.options.values())
        index_trace(self._session, trace_id, (*asked, trace.thinking_text, trace.answer_text))


def _no_trace(trace_id: str) -> RecordNotFound:
    return RecordNotFound(f"There is no trace {trace_id!r}. It may have been deleted; choose another from History.")


def _values(record: object, kind: type[Any]) -> dict[str, Any]:
    """The fields of `kind` in `record`; any mapping as the dict that JSON takes."""
    given = {column.name: getattr(record, column.name) for column in fields(kind)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in given.items()}


def _thinking_tokens(segments: Sequence[Segment]) -> int:
    return sum(segment.token_count for segment in segments if segment.kind in COUNTED_AS_THINKING)


def _segment_values(key: tuple[str, int], segment: Segment) -> dict[str, Any]:
    values = {name: getattr(segment, name) for name in _SEGMENT_FIELDS}
    return values | {"trace_id": key[0], "position": key[1], "character_count": len(segment.text)}


def _mark(segment: Segment) -> tuple[Any, ...]:
    """Differs when a segment that was saved has changed."""
    return segment.token_count, len(segment.text), segment.finish_reason


def as_trace(row: TraceRow) -> Trace:
    """The record of a row whose question and segments are loaded."""
    values = {name: getattr(row, name) for name in _TRACE_FIELDS}
    segments = tuple(Segment(**{name: getattr(part, name) for name in _SEGMENT_FIELDS}) for part in row.segments)
    return Trace(**values, question=as_question(row.question), segments=segments)


def as_checkpoint(row: CheckpointRow) -> Checkpoint:
    """The record of a row."""
    return Checkpoint(**{name: getattr(row, name) for name in _CHECKPOINT_FIELDS})
