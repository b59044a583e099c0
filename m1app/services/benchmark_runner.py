"""A benchmark run while it runs: questions are asked, some at once, and their results kept as they come.

Each item is one sweep, kept by the item's own id. So whatever was killed, starting again finds for each item that is
not finished either no sweep, one to go on with at its last cut, or a complete one whose results were not kept yet.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from m1app.benchmark.errors import BenchmarkError
from m1app.services.benchmark_recipe import recipe_of
from m1app.services.benchmark_results import all_unanswered, missing_cells, results_of
from m1app.services.benchmark_store import BenchmarkStore
from m1app.services.engines import EngineService
from m1app.services.errors import ProbeRefused, ServiceError, SweepNotFound
from m1app.services.sweep_reading import SweepSnapshot
from m1app.services.sweeps import SweepService
from models.errors import ContextOverflow, ModelsError
from models.profiles import Profiles
from storage.benchmark_records import BenchmarkItem, BenchmarkResult, BenchmarkRun, ItemState, RunState
from storage.errors import StorageError
from storage.job_records import JobProgress
from storage.records import Question, TraceState

_log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""Failures of a question, the engine being there, before it is recorded as failed."""
_MAX_OUTAGES = 10
"""Outages of the engine during one question before it is held to be their cause."""
_PATIENCE_SECONDS = 1800.0
"""How long an engine may be away before the run ends and waits to be gone on with."""
_RETRY_SECONDS = 1.0
_HEARTBEAT_SECONDS = 2.0
_RATE_WINDOW_SECONDS = 120.0
_SAVE_TRIES = 6


class RunLost(ServiceError):
    """The run was deleted, or another process has taken it over."""


class BenchmarkRunner:
    """Runs one claimed run to its end, or until it is told to stop."""

    def __init__(
        self,
        run: BenchmarkRun,
        in_flight: int,
        sweeps: SweepService,
        engines: EngineService,
        profiles: Profiles,
        store: BenchmarkStore,
        on_progress: Callable[[JobProgress], None],
        is_stopping: asyncio.Event,
    ) -> None:
        self._run = run
        self._recipe = recipe_of(run)
        self._in_flight = in_flight
        self._sweeps = sweeps
        self._engines = engines
        self._profiles = profiles
        self._store = store
        self._on_progress = on_progress
        self._is_stopping = is_stopping
        self._began_at = time.monotonic()
        self._done, self._failed = run.items_done, run.items_failed
        self._right, self._judged = 0, 0
        self._tokens = 0
        self._ends: deque[float] = deque()
        self._message = ""

    @property
    def seconds(self) -> float:
        """Wall-clock time of the run, earlier stretches included."""
        return self._run.seconds + time.monotonic() - self._began_at

    async def work(self) -> RunState:
        """Ask every item that waits.

        Gives completed, or stopped when `is_stopping` was set. Raises ModelsError when the engine stays away,
        StorageError when results cannot be kept, RunLost when the run is not this process's any more.
        """
        self._right, self._judged = await self._store.right_so_far(self._run)
        items = self._waiting()
        taking = asyncio.Lock()

        async def ask_on() -> None:
            while not self._is_stopping.is_set():
                async with taking:
                    item = await anext(items, None)
                if item is None:
                    return
                await self._ask(item)

        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(self._keep_alive())
                askers = [group.create_task(ask_on()) for _ in range(self._in_flight)]
                stopper = group.create_task(self._stop_sweeps())
                await asyncio.gather(*askers)
                keeper.cancel()
                stopper.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await items.aclose()
        self._report()
        is_complete = self._done + self._failed >= self._run.items
        return RunState.COMPLETED if is_complete else RunState.STOPPED

    async def _waiting(self) -> AsyncGenerator[BenchmarkItem, None]:
        after = -1
        while items := await self._store.waiting(self._run.id, after):
            for item in items:
                yield item
            after = items[-1].position

    async def _keep_alive(self) -> None:
        while True:
            self._report()
            try:
                is_ours = await self._store.heartbeat(self._run.id, self.seconds)
            except StorageError as exc:
                _log.warning("run %s: no heartbeat: %s", self._run.id, exc)
            else:
                if not is_ours:
                    raise RunLost("This run was deleted, or another process runs it now.")
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def _stop_sweeps(self) -> None:
        """Once told to stop: end what is being asked; it keeps what it has."""
        await self._is_stopping.wait()
        while True:
            self._sweeps.stop_all()
            await asyncio.sleep(0.1)

    async def _ask(self, item: BenchmarkItem) -> None:
        """Ask one item until it is finished, or the run is to stop."""
        question = await self._store.question(item.question_id)
        attempts, outages, snapshot = 0, 0, None
        while not self._is_stopping.is_set():
            try:
                snapshot = await self._sweep(item, question)
                error = _trouble(snapshot)
            except (BenchmarkError, ProbeRefused, ContextOverflow) as exc:
                await self._finish(item, None, attempts + 1, str(exc))
                return
            except (ModelsError, ServiceError) as exc:
                error = str(exc)
            if snapshot is not None and not error:
                await self._finish(item, snapshot, attempts + 1)
                return
            if self._is_stopping.is_set():
                return
            _log.info("item %s: %s", item.position, error)
            if outages < _MAX_OUTAGES and await self._waited_for_engine(item.model):
                outages += 1
                continue
            attempts += 1
            if attempts >= MAX_ATTEMPTS:
                await self._finish(item, snapshot, attempts, error)
                return
            await self._pause(_RETRY_SECONDS * 4 ** (attempts - 1))

    async def _sweep(self, item: BenchmarkItem, question: Question) -> SweepSnapshot:
        """The item's sweep, begun, gone on with, or found complete; gives it when it is over."""
        try:
            kept = await self._sweeps.get(item.id)
        except SweepNotFound:
            request = replace(
                self._recipe.sweep(item.model),
                stem=question.stem,
                options=dict(question.options),
                target=question.target,
                source=question.source,
                title=question.title,
            )
            await self._sweeps.start(request, item.id)
            return await self._sweeps.finished(item.id)
        if not kept.is_over:
            self._sweeps.mark_interrupted(is_at_start=False)
            kept = await self._sweeps.get(item.id)
        if kept.sweep.state is TraceState.COMPLETED and not missing_cells(kept):
            return kept
        await self._sweeps.resume(item.id)
        return await self._sweeps.finished(item.id)

    async def _waited_for_engine(self, model: str) -> bool:
        """Whether the engine was away; when it was, it is there again now. Raises ModelsError when it stays away."""
        began = time.monotonic()
        was_away = False
        while not self._is_stopping.is_set():
            try:
                await self._engines.engine(model).served_models()
            except ModelsError as exc:
                was_away = True
                self._message = f"The engine does not answer; waiting for it. {exc}"
                if time.monotonic() - began > _PATIENCE_SECONDS:
                    raise
                await self._pause(2.0)
            else:
                break
        self._message = ""
        return was_away

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until the run is to stop."""
        await asyncio.wait([asyncio.ensure_future(self._is_stopping.wait())], timeout=seconds)

    async def _finish(
        self, item: BenchmarkItem, snapshot: SweepSnapshot | None, attempts: int, error: str = ""
    ) -> None:
        run = self._run
        if snapshot is None:
            results = all_unanswered(item.id, run.budgets, run.force_rounds, run.passes)
        else:
            results = results_of(item.id, snapshot, self._profiles)
        state = ItemState.FAILED if error else ItemState.DONE
        generated = snapshot.sweep.tokens_generated if snapshot else 0
        separate = snapshot.sweep.tokens_if_separate if snapshot else 0
        for tries in range(1, _SAVE_TRIES + 1):
            try:
                is_new = await self._store.finish(
                    item,
                    state,
                    results,
                    tokens_generated=generated,
                    tokens_if_separate=separate,
                    attempts=attempts,
                    error=error,
                )
                break
            except StorageError as exc:
                _log.warning("results of item %s not kept: %s", item.position, exc)
                if tries == _SAVE_TRIES:
                    raise
                self._message = f"Results cannot be kept at the moment; trying again. {exc}"
                await asyncio.sleep(2.0**tries)
        self._message = ""
        if is_new:
            self._count(state, results, generated)

    def _count(self, state: ItemState, results: list[BenchmarkResult], tokens: int) -> None:
        self._done += state is ItemState.DONE
        self._failed += state is ItemState.FAILED
        self._tokens += tokens
        largest = (max(self._run.budgets), max(self._run.force_rounds))
        in_cell = [each for each in results if (each.budget_tokens, each.force_rounds) == largest]
        self._right += sum(each.is_correct for each in in_cell)
        self._judged += len(in_cell)
        self._ends.append(time.monotonic())
        self._report()

    def _report(self) -> None:
        now = time.monotonic()
        while self._ends and now - self._ends[0] > _RATE_WINDOW_SECONDS:
            self._ends.popleft()
        seconds = min(now - self._began_at, _RATE_WINDOW_SECONDS)
        rate = len(self._ends) / seconds if self._ends and seconds > 0 else None
        done = self._done + self._failed
        figures = {"failed": float(self._failed)}
        if self._judged:
            figures["accuracy"] = self._right / self._judged
        if self._tokens and now > self._began_at:
            figures["tokens_per_second"] = self._tokens / (now - self._began_at)
        self._on_progress(
            JobProgress(
                done=done,
                total=self._run.items,
                unit="questions",
                per_second=rate,
                seconds_left=(self._run.items - done) / rate if rate else None,
                message=self._message,
                figures=figures,
            )
        )


def _trouble(snapshot: SweepSnapshot) -> str:
    """Why a sweep that is over has not answered every cell; empty when it has."""
    if snapshot.sweep.state is TraceState.COMPLETED and not missing_cells(snapshot):
        return snapshot.save_error
    errors = [kept.error for each in snapshot.passes for kept in each.checkpoints if kept.error]
    of_passes = [each.trace.error for each in snapshot.passes if each.trace.error]
    return (
        next(filter(None, (snapshot.sweep.error, *of_passes, *errors)), "") or "The sweep ended before its last cell."
    )
