"""Sweeps in the database, for callers on the event loop: each call is one transaction in a thread."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from m1app.runs.errors import SweepNotFound
from m1app.runs.pass_plan import PassPlan
from m1app.runs.trace_store import STALE_SECONDS, may_be_alive, this_process
from storage.database import Database
from storage.errors import RecordNotFound
from storage.questions.records import NewQuestion, Question
from storage.questions.repository import QuestionRepository
from storage.sweeps.records import NewSweep, Sweep, SweepOutcome, SweepWithPasses
from storage.sweeps.repository import SweepRepository, SweepSummary
from storage.traces.records import Checkpoint, NewCheckpoint, Progress, Segment, Trace, TraceOutcome
from storage.traces.repository import TraceRepository

_T = TypeVar("_T")


class SweepStore:
    """The app's sweeps. Every method raises `storage.errors.StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self,
        question: NewQuestion,
        sweep_of: Callable[[Question], NewSweep],
        plans: Sequence[tuple[PassPlan, int]],
        sweep_id: str = "",
    ) -> SweepWithPasses:
        """Store a sweep that begins, with a trace for each plan and its number: in one transaction."""

        def store(session: Any) -> SweepWithPasses:
            asked = QuestionRepository(session).upsert(question)
            sweeps = SweepRepository(session)
            sweep = sweeps.add(sweep_of(asked), sweep_id)
            for plan, number in plans:
                TraceRepository(session).add(plan.new_trace(asked, sweep_id=sweep.id, pass_number=number))
            return sweeps.get(sweep.id)

        return await self._run(store)

    async def get(self, sweep_id: str) -> SweepWithPasses:
        """The sweep with that id; raises SweepNotFound."""
        try:
            return await self._run(lambda s: SweepRepository(s).get(sweep_id), is_read_only=True)
        except RecordNotFound as exc:
            raise SweepNotFound(
                f"There is no sweep {sweep_id[:40]!r} here. It was deleted, or the link is another machine's."
            ) from exc

    async def recent(self, limit: int, text: str) -> Sequence[SweepSummary]:
        """Newest first."""
        return await self._run(lambda s: SweepRepository(s).recent(limit, text), is_read_only=True)

    async def save_all(self, sweeps: Sequence[tuple[Sweep, Sequence[Trace]]]) -> None:
        """Store how running sweeps and their passes stand, in one transaction; also the heartbeat."""

        def store(session: Any) -> None:
            for sweep, _ in sweeps:
                SweepRepository(session).heartbeat(sweep.id, _outcome(sweep), this_process())
            TraceRepository(session).save_all([_progress(trace) for _, traces in sweeps for trace in traces])

        await self._run(store)

    async def end(self, sweep: Sweep) -> None:
        """Store how a sweep ended."""
        await self._run(lambda s: SweepRepository(s).save(sweep.id, _outcome(sweep), this_process()))

    async def end_pass(self, trace_id: str, outcome: TraceOutcome, segments: Sequence[Segment]) -> None:
        """Store how a pass ended, with all of its thinking."""
        await self._run(lambda s: TraceRepository(s).close(trace_id, outcome, segments))

    async def reopen(self, sweep: Sweep, trace_ids: Sequence[str]) -> SweepWithPasses:
        """A sweep that is over runs again; these passes of it go on, and their failed answers are forgotten."""

        def store(session: Any) -> SweepWithPasses:
            traces = TraceRepository(session)
            for trace_id in trace_ids:
                traces.reopen(trace_id, this_process())
            SweepRepository(session).save(sweep.id, _outcome(sweep), this_process())
            return SweepRepository(session).get(sweep.id)

        return await self._run(store)

    async def add_checkpoint(self, checkpoint: NewCheckpoint, trace: Trace) -> Checkpoint:
        """Store an answer and the thinking that it was given: in one transaction, so that none is without the other."""

        def store(session: Any) -> Checkpoint:
            traces = TraceRepository(session)
            traces.save_all([_progress(trace)])
            return traces.add_checkpoint(checkpoint)

        return await self._run(store)

    def mark_interrupted(self, *, is_at_start: bool = False) -> int:
        """Mark running sweeps whose process is gone; see `TraceStore.mark_interrupted`."""

        def is_alive(owner: str) -> bool:
            return not is_at_start if owner == this_process() else may_be_alive(owner)

        with self._database.session() as session:
            return SweepRepository(session).mark_interrupted(is_alive, STALE_SECONDS)

    async def _run(self, use: Callable[[Any], _T], *, is_read_only: bool = False) -> _T:
        def run() -> _T:
            with self._database.session(is_read_only=is_read_only) as session:
                return use(session)

        return await asyncio.to_thread(run)


def _progress(trace: Trace) -> Progress:
    return Progress(trace.id, trace.segments, trace.tokens_generated, trace.time_to_first_token_seconds)


def _outcome(sweep: Sweep) -> SweepOutcome:
    return SweepOutcome(
        state=sweep.state,
        error=sweep.error,
        tokens_generated=sweep.tokens_generated,
        tokens_if_separate=sweep.tokens_if_separate,
        seconds=sweep.seconds,
    )
