"""A running run of strategies: each is driven by itself, side by side."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from m1app.background import start_task
from m1app.errors import AppError
from m1app.runs.live_run import Changes, LiveRun
from m1app.runs.live_strategy import LiveStrategy, Saved
from m1app.runs.owners import this_process
from m1app.runs.pass_plan import PassPlan
from m1app.runs.stored_passes import StoredPass, StoredPasses
from m1app.runs.strategy_snapshots import KeptStrategy, StrategyRunSnapshot
from m1app.strategies.catalogue import Choice
from m1app.strategies.drivers.searching import PassageFinder
from m1app.strategies.drivers.served_models import Models
from m1app.strategies.protocol import Task
from storage.database import Database, Session
from storage.strategies.records import StrategyRun, StrategyRunState
from storage.strategies.repository import StrategyRepository
from storage.traces.records import TraceState

MOST_THINKINGS = 64
"""Thinkings of a run that an engine is asked for at once; more wait."""


class LiveStrategyRun(LiveRun[StrategyRunSnapshot]):
    """A running run."""

    def __init__(
        self,
        run: StrategyRun,
        choices: Sequence[Choice],
        kept: Sequence[KeptStrategy],
        plan: PassPlan,
        task: Task,
        models: Models,
        database: Database,
        stored: Sequence[StoredPass] = (),
        finder: PassageFinder | None = None,
    ) -> None:
        """Args:
        run: as stored.
        choices: its strategies.
        kept: what is stored of each.
        plan: of a pass of the question.
        task: given to each strategy.
        models: finds the models that they ask.
        database: stores everything.
        stored: passes of the question that need not be sampled again.
        finder: finds passages; None where there are no corpora.
        """
        super().__init__(run.id, Changes())
        self._run = run
        self._task = task
        self._models = models
        self._database = database
        self._began_at = time.monotonic()
        self._kept = list(kept)
        self._strategies = [
            LiveStrategy(
                position, choice, each, run, plan, self.changes, _shared_with(choice, stored, task, plan), finder
            )
            for position, (choice, each) in enumerate(zip(choices, kept, strict=True))
        ]
        self._ended: StrategyRunState | None = None

    @property
    def tokens_per_second(self) -> float:
        """Of all passes together."""
        return sum(each.tokens_per_second for each in self._strategies)

    @property
    def tokens_generated(self) -> int:
        """Of all strategies, in this process."""
        return sum(each.tokens_generated for each in self._strategies)

    @property
    def first_token_seconds(self) -> Sequence[float]:
        """Times to the first tokens of the passes."""
        return [seconds for each in self._strategies for seconds in each.first_token_seconds]

    def snapshot(self) -> StrategyRunSnapshot:
        """Return the current state of the run."""
        state = self._state()
        strategies = tuple(each.snapshot() for each in self._strategies)
        run = replace(
            self._run,
            state=state.state,
            error=state.error,
            seconds=state.seconds,
            results=tuple(each.result for each in strategies),
        )
        traces = {trace_id: trace for each in self._strategies for trace_id, trace in each.traces().items()}
        was_rate_limited = any(each.was_rate_limited for each in self._strategies)
        return StrategyRunSnapshot(run, strategies, traces, self.unsaved, was_rate_limited)

    def _state(self) -> StrategyRunState:
        if self._ended is not None:
            return self._ended
        seconds = self._run.seconds + time.monotonic() - self._began_at
        return StrategyRunState(state=TraceState.RUNNING, seconds=seconds)

    async def work(self) -> None:
        """Drive all strategies that have not ended."""
        room = asyncio.Semaphore(MOST_THINKINGS)
        tasks = [
            start_task(each.run(self._task, self._models, room), f"strategy-{self.id}-{each.position}")
            for each in self._strategies
            if not each.is_over
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        errors = [each.snapshot().result.error for each in self._strategies]
        if all(errors):
            is_one = len(set(errors)) == 1
            raise AppError(errors[0] if is_one else "All strategies failed. The reasons are shown below.")

    def answer_now(self) -> bool:
        """Strategies decide by themselves when they answer."""
        return False

    def end(self, state: TraceState, error: str) -> None:
        """Set the final state."""
        for each in self._strategies:
            each.stop(state)
        is_stop = state in (TraceState.STOPPED, TraceState.INTERRUPTED)
        if is_stop and all(each.is_complete for each in self._strategies):
            state = TraceState.COMPLETED  # The stop came too late: nothing is left to go on with.
        seconds = self._run.seconds + time.monotonic() - self._began_at
        self._ended = StrategyRunState(state=state, error=error, seconds=seconds)

    async def save_end(self) -> None:
        """Store the final state and all that is not stored yet."""
        await self.save()

    async def save(self) -> None:
        """Store what has changed; raises what the database raises."""
        state = self._state()

        def store(session: Session) -> list[Saved]:
            StrategyRepository(session).save(self.id, state, this_process())
            return [each.save(session, self.id) for each in self._strategies]

        for saved in await self._database.write(store):
            saved.of.note_saved(saved)


def _shared_with(choice: Choice, stored: Sequence[StoredPass], task: Task, plan: PassPlan) -> StoredPasses | None:
    """The stored passes, for a strategy that chooses among several.

    One over a single pass follows it as it grows, and may end it early: it is asked.
    """
    alike = [each for each in stored if each.prompt_ids == plan.prompt.token_ids]
    return StoredPasses(alike, task, plan.markers.opening.token_ids) if alike and choice.passes > 1 else None
