"""Traces: started, saved about once a second while they stream, closed once, and read."""

import hashlib
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import CursorResult, case, delete, exists, func, insert, or_, select, tuple_, update
from sqlalchemy.orm import Session, joinedload, selectinload

from storage.branches.tables import BranchRow
from storage.columns import replace_unstorable
from storage.errors import InvalidRecord, RecordNotFound, StorageError, not_found
from storage.naming import Naming
from storage.questions.repository import as_question, utc_now
from storage.questions.tables import QuestionRow
from storage.search import index_trace
from storage.traces.listing import Page, RunOrder, TraceFilter, count_traces, read_page
from storage.traces.records import (
    COUNTED_AS_THINKING,
    Checkpoint,
    MeasuredLength,
    MeasuredRate,
    NewCheckpoint,
    NewTrace,
    Progress,
    Segment,
    ThinkingFinishReason,
    Trace,
    TraceOutcome,
    TraceState,
)
from storage.traces.tables import CheckpointRow, SegmentRow, TraceRow
from storage.traces.turns import mark_turns
from storage.trash.tables import WITH_TRASH

_OPEN_STATES = (TraceState.RUNNING, TraceState.INTERRUPTED)
"""An interrupted trace is only presumed dead: a suspended process may continue it."""

_PARTS = 2**20
"""The position of a segment's first row is its number in the trace. A growing segment has further rows, its parts, at
positions from (number + 1) * _PARTS + 1. Their counts are those of the segment so far."""

_SEGMENT_FIELDS = [column.name for column in fields(Segment)]
_TRACE_FIELDS = [column.name for column in fields(Trace) if column.name not in ("question", "segments")]
_CHECKPOINT_FIELDS = [column.name for column in fields(Checkpoint)]


@dataclass(frozen=True, slots=True)
class _Mark:
    """How much of a segment has been stored."""

    part: int
    """Number of its last part; 0 if it has none."""
    token_count: int
    character_count: int
    finish_reason: str | None

    def differs_from(self, segment: Segment) -> bool:
        """Whether the stored segment is a different one."""
        stored = (self.token_count, self.character_count, self.finish_reason)
        return stored != (segment.token_count, len(segment.text), segment.finish_reason)

    def can_grow_to(self, segment: Segment) -> bool:
        """Whether appending one part to the stored segment gives `segment`, which is still open."""
        has_all_ids = segment.token_count == len(segment.token_ids)
        is_longer = segment.token_count >= self.token_count and len(segment.text) >= self.character_count
        is_open = self.finish_reason is None and segment.finish_reason is None
        return is_open and has_all_ids and is_longer and self.differs_from(segment)

    def next_part(self, key: tuple[str, int], segment: Segment) -> dict[str, Any]:
        """Return the row with what is new in `segment`."""
        rest = replace(
            segment, text=segment.text[self.character_count :], token_ids=segment.token_ids[self.token_count :]
        )
        position = (key[1] + 1) * _PARTS + self.part + 1
        return _segment_values(key, rest) | {"position": position, "character_count": len(segment.text)}


class TraceRepository:
    """Traces in the session's database, with their segments and checkpoints."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, trace: NewTrace, *, trace_id: str = "") -> Trace:
        """Start a trace: running, without segments; an empty `trace_id` generates one.

        Raises:
            RecordNotFound: its question is not stored.
        """
        asked = self._session.get(QuestionRow, trace.question_id) if trace.question_id.isalnum() else None
        if asked is None:
            raise RecordNotFound(f"Question {trace.question_id[:40]!r} not found. Save the question before its trace.")
        moment = self._now()
        row = TraceRow(
            **_values(trace, NewTrace),
            **_values(TraceOutcome(state=TraceState.RUNNING), TraceOutcome),
            id=trace_id or uuid4().hex,
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

    def save_all(self, progress: Sequence[Progress]) -> Set[str]:
        """Save progress and update the heartbeats, in few statements; writes only what is new.

        Closed and deleted traces are skipped.

        Returns:
            Ids of the saved traces.
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
        """Close a trace and index its text for search.

        Args:
            trace_id: a running (or interrupted) trace.
            outcome: how it ended.
            segments: all segments; None keeps those last saved.

        Raises:
            RecordNotFound: no such trace.
            InvalidRecord: it is already closed, or the outcome's state is running.
        """
        if outcome.state is TraceState.RUNNING:
            raise InvalidRecord("A trace cannot be closed as running. Close it as completed, stopped or failed.")
        values = _values(outcome, TraceOutcome)
        if segments is not None:
            values["thinking_tokens"] = _thinking_tokens(segments)
        self._update_open(trace_id, values)
        self._save_segments({trace_id: self.get(trace_id).segments if segments is None else segments}, is_final=True)
        self._index(trace_id)

    def exists(self, trace_id: str) -> bool:
        """Whether there is a trace with this id, in the trash or not."""
        query = select(TraceRow.id).where(TraceRow.id == trace_id).execution_options(**{WITH_TRASH: True})
        return self._session.scalar(query) is not None

    def get(self, trace_id: str) -> Trace:
        """Return the trace with its question and segments.

        Raises:
            RecordNotFound: no record has that id.
        """
        query = select(TraceRow).where(TraceRow.id == trace_id).execution_options(populate_existing=True)
        loaded = query.options(joinedload(TraceRow.question), selectinload(TraceRow.segments))
        row = self._session.scalar(loaded) if trace_id.isalnum() else None
        if row is None:
            raise not_found("trace", trace_id)
        return as_trace(row)

    def list(
        self,
        wanted: TraceFilter | None = None,
        limit: int = 50,
        cursor: str | None = None,
        order: RunOrder = RunOrder.NEWEST,
    ) -> Page:
        """Return summaries of traces.

        Args:
            wanted: filter; None matches all.
            limit: maximum items per page, 1-500.
            cursor: `next_cursor` of the previous page; None for the first page.
            order: their order.

        Raises:
            InvalidRecord: the cursor did not come from a page.
        """
        return read_page(self._session, wanted or TraceFilter(), limit, cursor, order)

    def count(self, wanted: TraceFilter | None = None) -> int:
        """Count the matching traces; None counts all."""
        return count_traces(self._session, wanted or TraceFilter())

    def set_naming(self, trace_id: str, naming: Naming) -> None:
        """Name and tag a trace, and index it with them; raises RecordNotFound."""
        changed = update(TraceRow).where(TraceRow.id == trace_id).values(name=naming.name, tags=naming.tags)
        if not trace_id.isalnum() or self._affected(changed.execution_options(synchronize_session=False)) != 1:
            raise not_found("trace", trace_id)
        self._index(trace_id)

    def models(self) -> tuple[str, ...]:
        """Sorted ids of the models that produced traces."""
        return tuple(self._session.scalars(select(TraceRow.model).distinct().order_by(TraceRow.model)))

    def recent_rates(self, limit: int) -> Sequence[MeasuredRate]:
        """Rates of the latest completed traces that have one, newest first; at most `limit`."""
        columns = (
            *(TraceRow.model, TraceRow.engine_name, TraceRow.sweep_id, TraceRow.tokens_per_second),
            *(TraceRow.thinking_tokens, TraceRow.tokens_generated, TraceRow.force_rounds),
            TraceRow.thinking_finish_reason,
        )
        # The thinking of a branch was not all generated for it.
        is_branch = exists().where(BranchRow.trace_id == TraceRow.id)
        is_known = (TraceRow.state == TraceState.COMPLETED, TraceRow.tokens_per_second > 0, ~is_branch)
        known = select(*columns).where(*is_known)
        rows = self._session.execute(known.order_by(TraceRow.created_at.desc(), TraceRow.id).limit(limit))
        return [
            MeasuredRate(
                row.model, row.engine_name, row.sweep_id is not None, row.tokens_per_second or 0.0, _length_of(row)
            )
            for row in rows
        ]

    def mark_interrupted(self, is_owner_alive: Callable[[str], bool], stale_after_seconds: float) -> int:
        """Mark running traces whose process is gone; their text is kept and indexed for search.

        Args:
            is_owner_alive: whether an owner's process ("host:pid") is still running; called once per owner.
            stale_after_seconds: a trace with an older heartbeat is marked whoever owns it.

        Returns:
            Number of traces marked.
        """
        running = select(TraceRow.id, TraceRow.owner, TraceRow.updated_at).where(TraceRow.state == TraceState.RUNNING)
        oldest = self._now() - timedelta(seconds=stale_after_seconds)
        rows = self._session.execute(running).all()
        alive = {owner: is_owner_alive(owner) for owner in {row.owner for row in rows}}
        abandoned = [row for row in rows if row.updated_at < oldest or not alive[row.owner]]
        return sum(self._interrupt(row.id, row.updated_at) for row in abandoned)

    def reopen(self, trace_id: str, owner: str, *, only_from: Collection[TraceState] = tuple(TraceState)) -> None:
        """Reopen a closed trace, possibly in another process; its failed checkpoints are deleted.

        Args:
            trace_id: the trace.
            owner: who goes on with it.
            only_from: states that it may be in; of several that try, one finds it in them.

        Raises:
            RecordNotFound: no such trace, or not in one of these states.
        """
        opened = update(TraceRow).where(TraceRow.id == trace_id, TraceRow.state.in_(only_from))
        values = {"state": TraceState.RUNNING, "error": "", "owner": owner, "updated_at": self._now()}
        if self._affected(opened.values(values).execution_options(synchronize_session=False)) != 1:
            raise not_found("trace", trace_id)
        failed = delete(CheckpointRow).where(CheckpointRow.trace_id == trace_id, CheckpointRow.error != "")
        self._session.execute(failed.execution_options(synchronize_session=False))

    def add_checkpoint(self, checkpoint: NewCheckpoint) -> Checkpoint:
        """Store an answer forked from a trace.

        Raises:
            RecordNotFound: no such trace.
        """
        if not checkpoint.trace_id.isalnum() or self._session.get(TraceRow, checkpoint.trace_id) is None:
            raise not_found("trace", checkpoint.trace_id)
        row = CheckpointRow(**_values(checkpoint, NewCheckpoint), id=uuid4().hex, created_at=self._now())
        self._session.add(row)
        self._session.flush()
        mark_turns(self._session, checkpoint.trace_id)
        return replace(as_checkpoint(row), text=replace_unstorable(row.text))

    def list_checkpoints(self, trace_id: str) -> Sequence[Checkpoint]:
        """Checkpoints of a trace, ordered by cut; empty for an unknown trace."""
        order = (CheckpointRow.cut_tokens, CheckpointRow.thinking_finish_reason, CheckpointRow.created_at)
        query = select(CheckpointRow).join(TraceRow, TraceRow.id == CheckpointRow.trace_id)
        query = query.where(CheckpointRow.trace_id == trace_id).order_by(*order)
        rows = self._session.scalars(query) if trace_id.isalnum() else ()
        return tuple(as_checkpoint(row) for row in rows)

    def _update_open(self, trace_id: str, values: dict[str, Any]) -> None:
        if not trace_id.isalnum():
            raise not_found("trace", trace_id)
        is_open = (TraceRow.id == trace_id) & TraceRow.state.in_(_OPEN_STATES)
        changed = update(TraceRow).where(is_open).values(**values, updated_at=self._now())
        if self._affected(changed.execution_options(synchronize_session=False)) != 1:
            raise self._not_open(trace_id)

    def _not_open(self, trace_id: str) -> StorageError:
        if not trace_id.isalnum():
            return not_found("trace", trace_id)
        state = self._session.scalar(select(TraceRow.state).where(TraceRow.id == trace_id))
        if state is None:
            return not_found("trace", trace_id)
        return InvalidRecord(f"Trace {trace_id} is closed ({state.value}) and cannot be changed. Start another trace.")

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

    def _save_segments(self, segments_of: Mapping[str, Sequence[Segment]], *, is_final: bool = False) -> None:
        """Write what is new: a growing segment gets one more part, a finished one becomes one row.

        So each token is written about twice, however often the run is saved.
        """
        saved = self._saved_marks(segments_of)
        given = {(id_, number): part for id_, parts in segments_of.items() for number, part in enumerate(parts)}
        new, whole = [], []
        for key, segment in given.items():
            mark = saved.get(key)
            if mark is None:
                new.append(_segment_values(key, segment))
            elif mark.can_grow_to(segment) and not is_final:
                new.append(mark.next_part(key, segment))
            elif mark.differs_from(segment) or (is_final and mark.part):
                whole.append((key, segment))
        self._delete_segments(saved.keys() - given.keys(), has_first_row=True)
        self._delete_segments([key for key, _ in whole if saved[key].part], has_first_row=False)
        if whole:
            self._session.execute(update(SegmentRow), [_segment_values(*each) for each in whole])
        if new:
            self._session.execute(insert(SegmentRow), new)

    def _saved_marks(self, trace_ids: Collection[str]) -> dict[tuple[str, int], _Mark]:
        """The last row of each segment, by trace and the segment's number."""
        row = SegmentRow
        number = case((row.position < _PARTS, row.position), else_=row.position // _PARTS - 1)
        last = select(row.trace_id, func.max(row.position)).where(row.trace_id.in_(trace_ids))
        marks = select(row.trace_id, row.position, row.token_count, row.character_count, row.finish_reason)
        found = self._session.execute(
            marks.where(tuple_(row.trace_id, row.position).in_(last.group_by(row.trace_id, number)))
        )
        return {
            (each.trace_id, _number_of(each.position)): _Mark(
                each.position % _PARTS if each.position >= _PARTS else 0,
                each.token_count,
                each.character_count,
                each.finish_reason,
            )
            for each in found
        }

    def _delete_segments(self, keys: Collection[tuple[str, int]], *, has_first_row: bool) -> None:
        """Delete the parts of segments, with or without their first rows."""
        for trace_id, number in keys:
            first_part = (number + 1) * _PARTS
            is_part = SegmentRow.position.between(first_part, first_part + _PARTS - 1)
            doomed = or_(is_part, SegmentRow.position == number) if has_first_row else is_part
            surplus = delete(SegmentRow).where(SegmentRow.trace_id == trace_id, doomed)
            self._session.execute(surplus.execution_options(synchronize_session=False))

    def _interrupt(self, trace_id: str, seen_heartbeat: datetime) -> bool:
        """Mark one trace, unless it has had a heartbeat since it was read."""
        still = (TraceRow.state == TraceState.RUNNING) & (TraceRow.updated_at == seen_heartbeat)
        marked = update(TraceRow).where(TraceRow.id == trace_id, still).values(state=TraceState.INTERRUPTED)
        if self._affected(marked.execution_options(synchronize_session=False)) == 0:
            return False
        self._save_segments({trace_id: self.get(trace_id).segments}, is_final=True)
        self._index(trace_id)
        return True

    def _index(self, trace_id: str) -> None:
        trace = self.get(trace_id)
        asked = (trace.question.stem, *trace.question.options.values())
        named = (trace.name, *trace.tags)
        index_trace(self._session, trace_id, (*named, *asked, trace.thinking_text, trace.answer_text))


def _length_of(row: Any) -> MeasuredLength | None:
    """The length of a trace that the model or its budget has ended."""
    reason = row.thinking_finish_reason
    if reason not in (ThinkingFinishReason.NATURAL, ThinkingFinishReason.BUDGET):
        return None
    answer = None if row.sweep_id is not None else max(0, row.tokens_generated - row.thinking_tokens)
    return MeasuredLength(row.thinking_tokens, row.force_rounds, reason is ThinkingFinishReason.NATURAL, answer)


def _values(record: object, kind: type[Any]) -> dict[str, Any]:
    """The fields of `kind` in `record`; mappings become dicts, for JSON."""
    given = {column.name: getattr(record, column.name) for column in fields(kind)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in given.items()}


def _thinking_tokens(segments: Sequence[Segment]) -> int:
    return sum(segment.token_count for segment in segments if segment.kind in COUNTED_AS_THINKING)


def _segment_values(key: tuple[str, int], segment: Segment) -> dict[str, Any]:
    values = {name: getattr(segment, name) for name in _SEGMENT_FIELDS}
    return values | {"trace_id": key[0], "position": key[1], "character_count": len(segment.text)}


def _number_of(position: int) -> int:
    """Return the number of the segment that a row belongs to."""
    return position if position < _PARTS else position // _PARTS - 1


def as_trace(row: TraceRow) -> Trace:
    """Convert a row with its question and segments loaded to a record."""
    values = {name: getattr(row, name) for name in _TRACE_FIELDS}
    rows: dict[int, list[SegmentRow]] = {}
    for part in row.segments:
        rows.setdefault(_number_of(part.position), []).append(part)
    segments = tuple(_as_segment(rows[number]) for number in sorted(rows))
    return Trace(**values, question=as_question(row.question), segments=segments)


def _as_segment(rows: Sequence[SegmentRow]) -> Segment:
    """Combine a segment's rows, in order, into a record."""
    values = {name: getattr(rows[0], name) for name in _SEGMENT_FIELDS}
    if len(rows) > 1:
        values["text"] = "".join(part.text for part in rows)
        values["token_ids"] = tuple(itertools.chain.from_iterable(part.token_ids for part in rows))
        values["token_count"] = rows[-1].token_count
    return Segment(**values)


def as_checkpoint(row: CheckpointRow) -> Checkpoint:
    """Convert a row to its record."""
    return Checkpoint(**{name: getattr(row, name) for name in _CHECKPOINT_FIELDS})
