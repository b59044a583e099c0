"""Sweep one question over a grid of thinking budgets and force rounds, and keep the sweep as it comes.

Like a probe, a sweep belongs to the service and not to the tab that started it. It is saved every second and closed
in `finally`; one that was stopped, failed or lost its process can be resumed where it was left.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, replace

from m1app.background import Rounds, reported, start_task
from m1app.errors import AppError
from m1app.runs import pace
from m1app.runs.closing import to_the_end
from m1app.runs.live_sweep import LiveSweep, stored_snapshot
from m1app.runs.pass_plan import PassPlan, PassPlanner, new_question
from m1app.runs.sweep_reading import SweepSnapshot
from m1app.runs.sweep_request import SweepRequest, check_sweep, request_of_sweep
from m1app.runs.sweep_store import SweepStore
from m1app.runs.trace_store import this_process
from models.thinking.sweep import Cell
from storage.questions.records import Question
from storage.sweeps.records import NewSweep, SweepPass, SweepWithPasses
from storage.sweeps.repository import SweepSummary
from storage.traces.records import TraceState

MAX_RUNNING = 64


@dataclass(frozen=True, slots=True)
class SweepEstimate:
    """What a sweep may cost at most; models often stop earlier."""

    tokens_at_most: int
    """Tokens generated for all passes and answers."""
    tokens_if_separate_at_most: int
    """Tokens that separate runs of every cell would generate."""


class SweepService:
    """Runs sweeps and lets any number of pages follow them."""

    def __init__(self, planner: PassPlanner, store: SweepStore, max_running: int = MAX_RUNNING) -> None:
        self._planner = planner
        self._store = store
        self._max_running = max_running
        self._live: dict[str, LiveSweep] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._resuming: set[str] = set()
        self._saver: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        """One write at a time: what the saver saw while a sweep went on must not land after its end."""
        self._is_closing = False

    @property
    def running(self) -> int:
        """How many sweeps run now."""
        return len(self._tasks)

    @property
    def tokens_per_second(self) -> float:
        """Tokens of thinking that all running sweeps generate per second together."""
        return sum(each.live.tokens_per_second or 0.0 for id_ in self._tasks for each in self._live[id_].passes)

    @staticmethod
    def estimate(request: SweepRequest) -> SweepEstimate:
        """What `request` may cost at most; raises SweepRefused for a grid that cannot be run."""
        request = check_sweep(replace(request, stem=request.stem.strip() or "?"))
        runs = request.passes * max(1, len(request.models))
        answers = len(request.cells) * (request.answer_cap_tokens + bool(request.options))
        separate = sum(cell.budget_tokens for cell in request.cells)
        return SweepEstimate(runs * (max(request.budgets) + answers), runs * (separate + answers))

    async def start(self, request: SweepRequest, sweep_id: str = "") -> SweepSnapshot:
        """Begin a sweep; gives it as it stands before the first token.

        Args:
            request: what to sweep.
            sweep_id: 32 hexadecimal digits to keep it by; empty makes one.

        Raises:
            InvalidQuestion, ProbeRefused: the request is refused; nothing was stored.
            ModelsError: an engine cannot be reached or does not serve a model.
            StorageError: the sweep could not be stored.
        """
        request = check_sweep(request)
        self._check_room()
        first = [await self._planner.plan(request.probe(model)) for model in request.models or ("",)]
        seed = first[0].settings.seed
        seeded = replace(request, seed=seed, models=tuple(dict.fromkeys(plan.model for plan in first)))
        plans = [(_numbered(plan, seed, number), number) for plan in first for number in range(request.passes)]
        kept = await self._store.begin(
            new_question(request.probe("")), lambda asked: _new_sweep(seeded, asked), plans, sweep_id
        )
        return self._run_live(kept, {(plan.model, number): plan for plan, number in plans})

    async def resume(self, sweep_id: str) -> SweepSnapshot:
        """Go on with a sweep that is over but not complete; gives it as it stands.

        Raises:
            SweepNotFound: there is none with that id.
            AppError: it runs, or is complete.
            ModelsError, StorageError: as `start`.
        """
        task = self._tasks.get(sweep_id)
        if task is not None and self._live[sweep_id].is_over:
            await asyncio.wait([task])  # a moment: it was followed to its end
        if sweep_id in self._tasks or sweep_id in self._resuming:
            raise AppError("This sweep is running; stop it first.")
        self._resuming.add(sweep_id)
        try:
            return await self._resume(sweep_id)
        finally:
            self._resuming.discard(sweep_id)

    async def _resume(self, sweep_id: str) -> SweepSnapshot:
        kept = await self._store.get(sweep_id)
        if kept.sweep.state is TraceState.RUNNING:
            raise AppError("This sweep is running in another process.")
        self._check_room()
        request = request_of_sweep(kept.sweep)
        unfinished = [each.trace for each in kept.passes if not _is_complete(each, request.cells)]
        if not unfinished:
            raise AppError("This sweep is complete; use Run again for a new one.")
        plans: dict[tuple[str, int], PassPlan] = {}
        for trace in unfinished:
            plan = await self._planner.plan(request.probe(trace.model, trace.pass_number))
            if plan.prompt.token_ids != trace.prompt_token_ids:
                raise AppError(
                    "The engine now makes another prompt of this question than when the sweep began; run it again."
                )
            plans[trace.model, trace.pass_number] = plan
        running = replace(kept.sweep, state=TraceState.RUNNING, error="")
        kept = await self._store.reopen(running, [trace.id for trace in unfinished])
        return self._run_live(kept, plans)

    async def follow(self, sweep_id: str) -> AsyncGenerator[SweepSnapshot, None]:
        """Snapshots of a sweep from now until it is over; the last one is final.

        Yields at every change, at most ten times a second, and once a second without one. A sweep that another
        process runs is followed through the database. Raises SweepNotFound and StorageError.
        """
        live = self._live.get(sweep_id)
        if live is None:
            async for snapshot in self._follow_stored(sweep_id):
                yield snapshot
            return
        while not live.is_over:
            version = live.changes.version
            yield live.snapshot()
            await asyncio.sleep(pace.FRAME_SECONDS)
            await live.changes.wait(version, pace.HEARTBEAT_SECONDS)
        yield live.snapshot()

    async def get(self, sweep_id: str) -> SweepSnapshot:
        """The sweep as it is now; raises SweepNotFound and StorageError."""
        live = self._live.get(sweep_id)
        return live.snapshot() if live else stored_snapshot(await self._store.get(sweep_id))

    async def recent(self, limit: int, text: str = "") -> Sequence[SweepSummary]:
        """Sweeps with the words of `text` in their question, newest first."""
        return await self._store.recent(limit, text)

    async def finished(self, sweep_id: str) -> SweepSnapshot:
        """Wait for a sweep of this process to end; gives it then, and forgets it unless it could not be saved.

        Raises SweepNotFound and StorageError.
        """
        task = self._tasks.get(sweep_id)
        if task is not None:
            await asyncio.wait([task])
        snapshot = await self.get(sweep_id)
        if not snapshot.save_error:
            self._live.pop(sweep_id, None)
        return snapshot

    def stop(self, sweep_id: str) -> bool:
        """End a sweep and keep what it has; False when it does not run here."""
        task = self._tasks.get(sweep_id)
        return task is not None and (task.cancelling() > 0 or task.cancel())

    def stop_all(self) -> None:
        """End every sweep of this process; each keeps what it has."""
        for sweep_id in list(self._tasks):
            self.stop(sweep_id)

    def mark_interrupted(self, *, is_at_start: bool = True) -> int:
        """Mark the sweeps whose process is gone; gives how many.

        Args:
            is_at_start: True before this process runs any, False also while it does.
        """
        return self._store.mark_interrupted(is_at_start=is_at_start)

    async def aclose(self) -> None:
        """Stop every sweep; what each has is kept, and can be gone on with."""
        self._is_closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check_room(self) -> None:
        if len(self._tasks) >= self._max_running:
            raise AppError(f"{self._max_running} sweeps are running already; wait for one to end or stop it.")

    def _run_live(self, kept: SweepWithPasses, plans: dict[tuple[str, int], PassPlan]) -> SweepSnapshot:
        live = LiveSweep(kept, plans, self._store)
        sweep_id = kept.sweep.id
        self._live[sweep_id] = live
        task = start_task(self._run(live), f"sweep-{sweep_id}")
        self._tasks[sweep_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(sweep_id, None))
        if self._saver is None or self._saver.done():
            self._saver = start_task(self._save_regularly(), "sweep-saver")
        return live.snapshot()

    async def _run(self, live: LiveSweep) -> None:
        state = TraceState.FAILED
        try:
            with reported(f"sweep {live.id}", live.fail):
                await live.run()
            state = TraceState.FAILED if live.error else TraceState.COMPLETED
        except asyncio.CancelledError:
            state = TraceState.INTERRUPTED if self._is_closing else TraceState.STOPPED
        finally:
            await to_the_end(self._end(live, state))

    async def _end(self, live: LiveSweep, state: TraceState) -> None:
        problems: list[str] = []
        with reported(f"saving sweep {live.id}", problems.append):
            live.end(state)
            async with self._writing:
                await self._store.end(live.snapshot().sweep)
        live.save_error = "".join(problems)
        live.mark_over()
        # A sweep that could not be saved stays in memory, the only place where it is.
        if not live.snapshot().save_error:
            asyncio.get_running_loop().call_later(pace.FORGET_SECONDS, self._forget, live)

    def _forget(self, live: LiveSweep) -> None:
        if self._live.get(live.id) is live:
            del self._live[live.id]

    async def _save_regularly(self) -> None:
        """Save every running sweep once a second, all in one transaction, for as long as there are any."""
        rounds = Rounds("saving running sweeps", pace.SAVE_SECONDS)
        while self._tasks:
            await asyncio.sleep(rounds.pause_seconds)
            async with self._writing:
                lives = [live for sweep_id in self._tasks if not (live := self._live[sweep_id]).is_over]
                with rounds.round():
                    await self._store.save_all([(live.snapshot().sweep, live.running_traces()) for live in lives])
            for live in lives:
                # A run that ended meanwhile knows itself whether it was saved.
                if not live.is_over:
                    live.save_error = rounds.problem

    async def _follow_stored(self, sweep_id: str) -> AsyncGenerator[SweepSnapshot, None]:
        while True:
            snapshot = stored_snapshot(await self._store.get(sweep_id))
            yield snapshot
            if snapshot.is_over:
                return
            await asyncio.to_thread(self._store.mark_interrupted)
            await asyncio.sleep(pace.OTHERS_POLL_SECONDS)


def _numbered(plan: PassPlan, seed: int | None, number: int) -> PassPlan:
    """The plan of pass `number`: the same with the next seed."""
    own = None if seed is None else seed + number
    return replace(plan, settings=replace(plan.settings, seed=own))


def _new_sweep(request: SweepRequest, asked: Question) -> NewSweep:
    return NewSweep(
        question_id=asked.id,
        budgets=request.budgets,
        force_rounds=request.force_rounds,
        models=request.models,
        passes=request.passes,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        answer_cap_tokens=request.answer_cap_tokens,
        system_prompt=request.system_prompt,
        profile=request.profile,
        owner=this_process(),
    )


def _is_complete(each: SweepPass, cells: Collection[Cell]) -> bool:
    answered = {Cell(*cell) for kept in each.checkpoints if not kept.error for cell in kept.cells}
    return each.trace.state is TraceState.COMPLETED and answered >= set(cells)
