"""Sweeps: started, kept alive while they run, closed, resumed, and read with their passes."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, CursorResult, Text, cast, select, update
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload

from storage.benchmarks.tables import BenchmarkItemRow
from storage.errors import RecordNotFound, not_found
from storage.naming import Naming
from storage.questions.repository import as_question, utc_now
from storage.questions.tables import QuestionRow
from storage.search import index_sweep, sweep_matches
from storage.sweeps.records import NewSweep, Sweep, SweepOutcome, SweepPass, SweepWithPasses
from storage.sweeps.tables import SweepRow
from storage.traces.listing import RunOrder, beginning, called
from storage.traces.records import TraceState
from storage.traces.repository import as_checkpoint, as_trace
from storage.traces.tables import CheckpointRow, TraceRow

_NEW_FIELDS = [column.name for column in fields(NewSweep)]
_FIELDS = [column.name for column in fields(Sweep) if column.name != "question"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSummary:
    """A sweep as shown in lists."""

    id: str
    created_at: datetime
    """Aware, UTC."""
    stem: str
    """The first 160 characters of the question."""
    name: str
    tags: tuple[str, ...]
    budgets: tuple[int, ...]
    force_rounds: tuple[int, ...]
    models: tuple[str, ...]
    passes: int
    state: TraceState
    tokens_generated: int
    tokens_if_separate: int
    owner: str
    """"host:pid" of the process that runs it, or ran it."""
    updated_at: datetime
    """Time of the last save, aware, UTC."""
    asked_by: str
    """Id of the account that asked; empty for a person without one."""

    @property
    def cells(self) -> int:
        """Cells of all passes."""
        return len(self.budgets) * len(self.force_rounds) * len(self.models) * self.passes


class SweepRepository:
    """Sweeps in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, sweep: NewSweep, sweep_id: str = "") -> Sweep:
        """Start a sweep: running, without passes.

        Args:
            sweep: the new sweep.
            sweep_id: 32 hexadecimal digits; empty generates one.

        Raises:
            RecordNotFound: its question is not stored.
        """
        asked = self._session.get(QuestionRow, sweep.question_id) if sweep.question_id.isalnum() else None
        if asked is None:
            raise RecordNotFound(f"Question {sweep.question_id[:40]!r} not found. Save the question before its sweep.")
        moment = self._now()
        values = {name: getattr(sweep, name) for name in _NEW_FIELDS}
        row = SweepRow(
            **values,
            **asdict(SweepOutcome(state=TraceState.RUNNING)),
            id=sweep_id or uuid4().hex,
            created_at=moment,
            updated_at=moment,
            question=asked,
        )
        self._session.add(row)
        self._session.flush()
        return _as_sweep(row)

    def save(self, sweep_id: str, outcome: SweepOutcome, owner: str) -> None:
        """Update the sweep's state: it has ended, or is running again.

        Raises:
            RecordNotFound: no such sweep.
        """
        if not sweep_id.isalnum() or not self._update(SweepRow.id == sweep_id, outcome, owner):
            raise not_found("sweep", sweep_id)

    def reopen(self, sweep_id: str, seen: TraceState) -> bool:
        """Have an ended sweep go on; False if it is no longer in the state that was seen.

        Of several that try, one succeeds, also if it has ended again before the others try.
        """
        has_ended = (SweepRow.id == sweep_id) & (SweepRow.state == seen) & (SweepRow.state != TraceState.RUNNING)
        changed = update(SweepRow).where(has_ended).values(state=TraceState.RUNNING)
        result = self._session.execute(changed.execution_options(synchronize_session=False))
        return isinstance(result, CursorResult) and result.rowcount == 1

    def heartbeat(self, outcomes: Mapping[str, SweepOutcome], owner: str) -> None:
        """Update running sweeps, by id, in few statements; those that have ended meanwhile are left unchanged."""
        is_open = SweepRow.id.in_(outcomes) & SweepRow.state.in_((TraceState.RUNNING, TraceState.INTERRUPTED))
        found = self._session.scalars(select(SweepRow.id).where(is_open).with_for_update())
        now = {"updated_at": self._now(), "owner": owner}
        if values := [{"id": each, **asdict(outcomes[each]), **now} for each in found]:
            self._session.execute(update(SweepRow), values)

    def _update(self, which: ColumnElement[bool], outcome: SweepOutcome, owner: str) -> bool:
        values = asdict(outcome) | {"updated_at": self._now(), "owner": owner}
        changed = update(SweepRow).where(which).values(values).execution_options(synchronize_session=False)
        result = self._session.execute(changed)
        return isinstance(result, CursorResult) and result.rowcount == 1

    def asked_by(self, sweep_id: str) -> str:
        """Id of the account that asked, empty without one; raises RecordNotFound."""
        query = select(SweepRow.asked_by).where(SweepRow.id == sweep_id)
        found = self._session.scalar(query) if sweep_id.isalnum() else None
        if found is None:
            raise not_found("sweep", sweep_id)
        return found

    def set_naming(self, sweep_id: str, naming: Naming) -> None:
        """Name and tag a sweep, and index it with them; raises RecordNotFound."""
        row = (
            self._session.get(SweepRow, sweep_id, options=[joinedload(SweepRow.question)])
            if sweep_id.isalnum()
            else None
        )
        if row is None:
            raise not_found("sweep", sweep_id)
        row.name, row.tags = naming.name, naming.tags
        asked = (row.question.stem, *row.question.options.values())
        index_sweep(self._session, sweep_id, (*naming.texts, *asked))

    def get(self, sweep_id: str) -> SweepWithPasses:
        """Return the sweep with its passes and their checkpoints.

        Raises:
            RecordNotFound: no record has that id.
        """
        query = select(SweepRow).where(SweepRow.id == sweep_id).options(joinedload(SweepRow.question))
        row = self._session.scalar(query) if sweep_id.isalnum() else None
        if row is None:
            raise not_found("sweep", sweep_id)
        sweep = _as_sweep(row)
        loaded = select(TraceRow).options(joinedload(TraceRow.question), selectinload(TraceRow.segments))
        order = {model: place for place, model in enumerate(sweep.models)}
        traces = sorted(
            map(as_trace, self._session.scalars(loaded.where(TraceRow.sweep_id == sweep_id))),
            key=lambda trace: (order.get(trace.model, len(order)), trace.pass_number),
        )
        cuts = select(CheckpointRow).where(CheckpointRow.trace_id.in_([trace.id for trace in traces]))
        checkpoints = [
            as_checkpoint(each)
            for each in self._session.scalars(
                cuts.order_by(CheckpointRow.cut_tokens, CheckpointRow.thinking_finish_reason, CheckpointRow.created_at)
            )
        ]
        passes = (
            SweepPass(trace, tuple(each for each in checkpoints if each.trace_id == trace.id)) for trace in traces
        )
        return SweepWithPasses(sweep, tuple(passes))

    def recent(
        self,
        limit: int = 25,
        text: str = "",
        *,
        is_running: bool | None = None,
        order: RunOrder = RunOrder.NEWEST,
    ) -> Sequence[SweepSummary]:
        """Sweeps started by users; those of benchmark runs are left out.

        Args:
            limit: maximum number of results.
            is_running: True: only those that run; False: only those that have ended.
            order: their order.
            text: words to find in question, name and tags, the last one as a prefix; blank matches everything.
        """
        of_run = select(BenchmarkItemRow.id).where(BenchmarkItemRow.id == SweepRow.id).exists()
        query = select(SweepRow).join(SweepRow.question).options(contains_eager(SweepRow.question)).where(~of_run)
        if text.strip():
            query = query.where(sweep_matches(self._session, text))
        if is_running is not None:
            has_ended = SweepRow.state != TraceState.RUNNING
            query = query.where(~has_ended if is_running else has_ended)
        first = query.order_by(*_ordered(order)).limit(max(1, limit))
        return tuple(_summary(row) for row in self._session.scalars(first))

    def cells_answered(self, sweep_ids: Collection[str]) -> Mapping[str, int]:
        """Number of answered cells by sweep; sweeps without one are left out."""
        rows = (
            select(TraceRow.sweep_id, CheckpointRow.cells)
            .join(TraceRow, TraceRow.id == CheckpointRow.trace_id)
            .where(TraceRow.sweep_id.in_(sweep_ids), CheckpointRow.error == "")
        )
        found: Counter[str] = Counter()
        for sweep_id, cells in self._session.execute(rows):
            found[str(sweep_id)] += len(cells)
        return found

    def is_of_run(self, sweep_id: str) -> bool:
        """Whether a sweep belongs to a benchmark run."""
        item = select(BenchmarkItemRow.id).where(BenchmarkItemRow.id == sweep_id)
        return self._session.scalar(item) is not None

    def mark_interrupted(self, is_owner_alive: Callable[[str], bool], stale_after_seconds: float) -> int:
        """Mark running sweeps whose process is gone; their results are kept and they can be resumed.

        Args:
            is_owner_alive: whether an owner's process ("host:pid") is still running.
            stale_after_seconds: a sweep with an older heartbeat is marked whoever owns it.

        Returns:
            Number of sweeps marked.
        """
        oldest = self._now() - timedelta(seconds=stale_after_seconds)
        running = self._session.scalars(select(SweepRow).where(SweepRow.state == TraceState.RUNNING)).all()
        abandoned = [row for row in running if row.updated_at < oldest or not is_owner_alive(row.owner)]
        for row in abandoned:
            row.state = TraceState.INTERRUPTED
        return len(abandoned)


def _ordered(order: RunOrder) -> tuple[ColumnElement[Any], ...]:
    newest = (SweepRow.created_at.desc(), SweepRow.id.desc())
    match order:
        case RunOrder.OLDEST:
            return SweepRow.created_at.asc(), SweepRow.id.asc()
        case RunOrder.NAME:
            return called(SweepRow.name), *newest
        case RunOrder.MODEL:
            return cast(SweepRow.models, Text).asc(), *newest
        case RunOrder.NEWEST | RunOrder.VERDICT:
            return newest


def _as_sweep(row: SweepRow) -> Sweep:
    return Sweep(**{name: getattr(row, name) for name in _FIELDS}, question=as_question(row.question))


def _summary(row: SweepRow) -> SweepSummary:
    values = {name: getattr(row, name) for name in SweepSummary.__slots__ if name != "stem"}
    return SweepSummary(**values, stem=beginning(row.question.stem))
