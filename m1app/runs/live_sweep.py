"""A sweep while it runs: its passes, each with its answers, and what they come to together."""

import asyncio
import time
from dataclasses import replace

from m1app.background import start_task
from m1app.runs.changes import Changes
from m1app.runs.closing import to_the_end
from m1app.runs.live_pass import LivePass
from m1app.runs.live_trace import LiveTrace
from m1app.runs.pass_plan import PassPlan
from m1app.runs.sweep_reading import PassSnapshot, SweepSnapshot
from m1app.runs.sweep_store import SweepStore
from storage.sweeps.records import SweepWithPasses
from storage.traces.records import Trace, TraceState


class LiveSweep:
    """A sweep while it runs."""

    def __init__(self, kept: SweepWithPasses, plans: dict[tuple[str, int], PassPlan], store: SweepStore) -> None:
        """Args:
        kept: the sweep with its passes as stored.
        plans: of the passes that are to run, by model and number; the others are complete.
        """
        self.changes = Changes()
        self.save_error = ""
        self.error = ""
        self.is_over = False
        self._sweep = kept.sweep
        self._seconds_before = kept.sweep.seconds
        self._began_at = time.monotonic()
        before = stored_snapshot(kept)
        # Answers that were cancelled or failed have gone; their tokens were generated all the same.
        self._tokens_lost = max(0, kept.sweep.tokens_generated - sum(map(_generated, before.passes)))
        cells = before.cells
        self._passes: list[LivePass | PassSnapshot] = []
        for each in kept.passes:
            plan = plans.get((each.trace.model, each.trace.pass_number))
            if plan is None:
                self._passes.append(PassSnapshot(each.trace, each.checkpoints))
                continue
            live = LiveTrace(each.trace, self._began_at - (each.trace.seconds or 0.0))
            self._passes.append(LivePass(plan, cells, live, each.checkpoints, store, self.changes))

    @property
    def id(self) -> str:
        """Id of the sweep."""
        return self._sweep.id

    @property
    def passes(self) -> list[LivePass]:
        """The passes that run."""
        return [each for each in self._passes if isinstance(each, LivePass)]

    def running_traces(self) -> list[Trace]:
        """Traces of the passes that are not over."""
        return [each.live.snapshot() for each in self.passes if not each.live.is_over]

    def snapshot(self) -> SweepSnapshot:
        """The sweep as it stands."""
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
        problems = [self.save_error, *(each.save_error for each in self.passes)]
        was_rate_limited = any(each.was_rate_limited for each in self.passes)
        return SweepSnapshot(sweep, passes, next(filter(None, problems), ""), was_rate_limited)

    async def run(self) -> None:
        """Run every pass to its end, so many at once as the engine has room for."""
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
            for each in self.passes:
                if not each.live.is_over:
                    await to_the_end(each.close_unstarted())
        runs = [each.snapshot() for each in self.passes]
        errors = (error for run in runs for error in (run.trace.error, *(kept.error for kept in run.checkpoints)))
        self.error = next(filter(None, errors), "")

    def fail(self, error: str) -> None:
        """An error outside of its passes ended it."""
        self.error = error

    def end(self, state: TraceState) -> None:
        """It is over; its numbers are final."""
        self._sweep = replace(self.snapshot().sweep, state=state, error=self.error)

    def mark_over(self) -> None:
        """It was saved, or could not be."""
        self.is_over = True
        self.changes.note()


def stored_snapshot(kept: SweepWithPasses) -> SweepSnapshot:
    """A sweep that does not run here."""
    return SweepSnapshot(kept.sweep, tuple(PassSnapshot(each.trace, each.checkpoints) for each in kept.passes))


def _generated(run: PassSnapshot) -> int:
    return run.trace.tokens_generated + sum(kept.tokens_generated for kept in run.checkpoints)


def _if_separate(run: PassSnapshot) -> int:
    return sum(kept.tokens_if_separate * len(kept.cells) for kept in run.checkpoints if not kept.error)
