"""A running sweep: its passes, their answers, and their totals."""

import asyncio
import math
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace

from m1app.background import start_task
from m1app.runs.errors import PassFailed
from m1app.runs.live_pass import LivePass
from m1app.runs.live_run import Changes, LiveRun, to_the_end
from m1app.runs.live_trace import LiveTrace
from m1app.runs.owners import STALE_SECONDS, this_process
from m1app.runs.pass_plan import PassPlan
from m1app.runs.sweep_reading import PassSnapshot, SweepSnapshot
from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.naming import Naming
from storage.sweeps.records import Sweep, SweepOutcome, SweepWithPasses
from storage.sweeps.repository import SweepRepository
from storage.traces.records import Progress, TraceState

_SIGN_OF_LIFE_SECONDS = STALE_SECONDS / 3


class LiveSweep(LiveRun[SweepSnapshot]):
    """A running sweep."""

    def __init__(self, kept: SweepWithPasses, plans: dict[tuple[str, int], PassPlan], database: Database) -> None:
        """Args:
        kept: the sweep with its passes as stored.
        plans: plans of the passes to run, by model and number; all others are complete.
        database: stores its answers and outcome.
        """
        super().__init__(kept.sweep.id, Changes())
        self._database = database
        self._sweep = kept.sweep
        self._seconds_before = kept.sweep.seconds
        self._began_at = time.monotonic()
        before = stored_snapshot(kept)
        # Cancelled and failed answers are dropped, but their tokens still count.
        self._tokens_lost = max(0, kept.sweep.tokens_generated - sum(map(_generated, before.passes)))
        cells = before.cells
        self._passes: list[LivePass | PassSnapshot] = []
        for each in kept.passes:
            plan = plans.get((each.trace.model, each.trace.pass_number))
            if plan is None:
                self._passes.append(PassSnapshot(each.trace, each.checkpoints))
                continue
            live = LiveTrace(each.trace, self._began_at - (each.trace.seconds or 0.0))
            self._passes.append(LivePass(plan, cells, live, each.checkpoints, database, self.changes))
        self._tokens_before = sum(each.tokens_generated for each in self.passes)
        self._saved_version, self._saved_at = -1, -math.inf

    @property
    def passes(self) -> list[LivePass]:
        """The running passes."""
        return [each for each in self._passes if isinstance(each, LivePass)]

    @property
    def tokens_per_second(self) -> float:
        """Thinking tokens per second of all passes together."""
        return sum(each.live.tokens_per_second or 0.0 for each in self.passes)

    @property
    def tokens_generated(self) -> int:
        """Tokens of the running passes and their answers, without those of earlier attempts."""
        return sum(each.tokens_generated for each in self.passes) - self._tokens_before

    @property
    def first_token_seconds(self) -> Sequence[float]:
        """Times to the first tokens of the running passes."""
        return [seconds for each in self.passes for seconds in each.live.first_token_seconds]

    @property
    def unsaved(self) -> str:
        """User-readable reason why the sweep or an answer could not be saved; empty if all is saved."""
        return next(filter(None, (self.save_error, *(each.save_error for each in self.passes))), "")

    @property
    def is_due(self) -> bool:
        """Whether it has changed since it was saved, or needs a sign of life."""
        is_quiet = self.changes.version == self._saved_version
        return not is_quiet or time.monotonic() - self._saved_at >= _SIGN_OF_LIFE_SECONDS

    def mark_saved(self, version: int) -> None:
        """Note that it is saved as it was at this version of its changes."""
        self._saved_version, self._saved_at = version, time.monotonic()

    def progress(self) -> list[Progress]:
        """Progress of the running passes, to be saved."""
        return [each.live.progress() for each in self.passes if not each.live.is_over]

    def snapshot(self) -> SweepSnapshot:
        """Return the current state of the sweep."""
        passes = tuple(each.snapshot() if isinstance(each, LivePass) else each for each in self._passes)
        finished = [each for each in self._passes if isinstance(each, PassSnapshot)]
        sweep = self._sweep
        if not self.is_over:
            sweep = replace(
                sweep,
                tokens_generated=self._tokens_lost
                + sum(each.tokens_generated for each in self.passes)
                + sum(map(_generated, finished)),
                tokens_if_separate=sum(each.tokens_if_separate for each in self.passes)
                + sum(map(_if_separate, finished)),
                seconds=self._seconds_before + time.monotonic() - self._began_at,
            )
        was_rate_limited = any(each.was_rate_limited for each in self.passes)
        return SweepSnapshot(sweep, passes, self.unsaved, was_rate_limited)

    async def work(self) -> None:
        """Run every pass to its end, as many concurrently as the engine has room for.

        Raises:
            PassFailed: a pass or an answer failed.
        """
        rooms = {each.model: asyncio.Semaphore(each.room) for each in self.passes}

        async def run(each: LivePass) -> None:
            async with rooms[each.model]:
                await each.run()

        tasks = [start_task(run(each), f"pass-{each.live.id}") for each in self.passes]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            unstarted = [each for each in self.passes if not each.live.is_over]
            await to_the_end(_all(each.close_unstarted() for each in unstarted))
        runs = [each.snapshot() for each in self.passes]
        errors = (error for run in runs for error in (run.trace.error, *(kept.error for kept in run.checkpoints)))
        if error := next(filter(None, errors), ""):
            raise PassFailed(error)

    def set_naming(self, naming: Naming) -> None:
        """Note a name and tags that have been stored."""
        self._sweep = replace(self._sweep, name=naming.name, tags=naming.tags)
        self.changes.note()

    def answer_now(self) -> bool:
        """End the thinking of every running pass, whose open cells are answered where it ends."""
        # All of them, also after the first that does.
        return sum(each.answer_now() for each in self.passes) > 0

    def end(self, state: TraceState, error: str) -> None:
        """Set the final state and numbers."""
        self._sweep = replace(self.snapshot().sweep, state=state, error=error)

    async def save_end(self) -> None:
        """Store state and numbers, and of the passes what could not be stored when they ended."""
        for each in self.passes:
            try:
                await each.save_end()
            except (RecordNotFound, InvalidRecord) as exc:
                # No later try would do better, but the others can be saved.
                each.save_error = str(exc)
        sweep = self._sweep
        await self._database.write(lambda s: SweepRepository(s).save(sweep.id, outcome_of(sweep), this_process()))


async def _all(works: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*works)


def outcome_of(sweep: Sweep) -> SweepOutcome:
    """Return the fields of a sweep that change while it runs."""
    return SweepOutcome(
        state=sweep.state,
        error=sweep.error,
        tokens_generated=sweep.tokens_generated,
        tokens_if_separate=sweep.tokens_if_separate,
        seconds=sweep.seconds,
    )


def stored_snapshot(kept: SweepWithPasses) -> SweepSnapshot:
    """Return the snapshot of a stored sweep that is not running here."""
    return SweepSnapshot(kept.sweep, tuple(PassSnapshot(each.trace, each.checkpoints) for each in kept.passes))


def _generated(run: PassSnapshot) -> int:
    return run.trace.tokens_generated + sum(kept.tokens_generated for kept in run.checkpoints)


def _if_separate(run: PassSnapshot) -> int:
    return sum(kept.tokens_if_separate * len(kept.cells) for kept in run.checkpoints if not kept.error)
