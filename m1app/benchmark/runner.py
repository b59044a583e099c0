"""A benchmark run while it runs: questions are asked, some at once, and their results kept as they come.

Each item is one sweep, kept by the item's own id. So whatever was killed, starting again finds for each item that is
not finished either no sweep, one to go on with at its last cut, or a complete one whose results were not kept yet.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress

from m1app.background import Rounds
from m1app.benchmark.item_results import all_unanswered, missing_cells, results_of
from m1app.benchmark.recipe import MAX_IN_FLIGHT, recipe_of
from m1app.benchmark.run_progress import RunProgress
from m1app.engines.service import EngineService
from m1app.errors import AppError
from m1app.question.errors import QuestionError
from m1app.runs.errors import ProbeRefused
from m1app.runs.owners import this_process
from m1app.runs.sweep_reading import SweepSnapshot
from m1app.runs.sweeps import SweepService
from models.engine.protocol import EngineKind
from models.errors import ContextOverflow, ModelsError, RateLimited
from models.profiles import Profiles
from storage.benchmarks.records import BenchmarkItem, BenchmarkRun, ItemState, RunState
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.results import BenchmarkResultRepository
from storage.database import Database, Session
from storage.errors import RecordNotFound, StorageError
from storage.jobs.records import JobProgress
from storage.questions.records import Question
from storage.questions.repository import QuestionRepository
from storage.traces.records import TraceState

_log = logging.getLogger(__name__)

_IN_FLIGHT_OF_A_BATCHING_SERVER = 128
"""vLLM and its like schedule as many as fit; this keeps their queue short and their batch full."""
MAX_ATTEMPTS = 3
"""Failures of a question, the engine being there, before it is recorded as failed."""
_MAX_OUTAGES = 10
"""Outages of the engine during one question before it is held to be their cause."""
_PATIENCE_SECONDS = 1800.0
"""How long an engine may be away before the run ends and waits to be gone on with."""
_RETRY_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0
_HEARTBEAT_SECONDS = 2.0
_SAVE_TRIES = 6


class RunLost(AppError):
    """The run was deleted, or another process has taken it over."""


class BenchmarkRunner:
    """Runs one claimed run to its end, or until it is told to stop."""

    def __init__(
        self,
        run: BenchmarkRun,
        sweeps: SweepService,
        engines: EngineService,
        profiles: Profiles,
        database: Database,
        on_progress: Callable[[JobProgress], None],
        is_stopping: asyncio.Event,
    ) -> None:
        self._run = run
        self._recipe = recipe_of(run)
        self._sweeps = sweeps
        self._engines = engines
        self._profiles = profiles
        self._database = database
        self._on_progress = on_progress
        self._is_stopping = is_stopping
        self._began_at = time.monotonic()
        self._progress = RunProgress(run)

    @property
    def seconds(self) -> float:
        """Wall-clock time of the run, earlier stretches included."""
        return self._run.seconds + time.monotonic() - self._began_at

    async def work(self) -> RunState:
        """Ask every item that waits.

        Gives completed, or stopped when `is_stopping` was set. Raises ModelsError when the engine stays away,
        StorageError when results cannot be kept, RunLost when the run is not this process's any more.
        """
        self._progress.begin(*await self._database.read(self._right_so_far))
        room = await self._room()
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
                askers = [group.create_task(ask_on()) for _ in range(room)]
                stopper = group.create_task(self._stop_sweeps())
                await asyncio.gather(*askers)
                keeper.cancel()
                stopper.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await items.aclose()
        self._report()
        return RunState.COMPLETED if self._progress.is_complete else RunState.STOPPED

    def _report(self) -> None:
        self._on_progress(self._progress.report())

    async def _room(self) -> int:
        """How many questions to ask at once, once the engines are there: a worker's own may still be loading.

        llama.cpp gets no more than it has slots: a pass that lost its slot to another would be computed anew.
        """
        rooms = []
        for model in self._run.models:
            await self._waited_for_engine(model)
            if self._is_stopping.is_set():
                return 1
            info = await self._engines.engine(model).describe()
            slots = info.parallel_requests
            wanted = self._run.in_flight or slots or _IN_FLIGHT_OF_A_BATCHING_SERVER
            rooms.append(min(wanted, slots) if slots and info.kind is EngineKind.LLAMA_CPP else wanted)
        return min(max(rooms), MAX_IN_FLIGHT, max(1, self._run.items))

    async def _waiting(self) -> AsyncGenerator[BenchmarkItem, None]:
        after = -1
        while items := await self._waiting_after(after):
            for item in items:
                yield item
            after = items[-1].position

    async def _waiting_after(self, position: int) -> Sequence[BenchmarkItem]:
        return await self._database.read(lambda s: BenchmarkRepository(s).waiting(self._run.id, position))

    def _right_so_far(self, session: Session) -> tuple[int, int]:
        """Right results and all of them in the run's largest cell, by the strict rule."""
        counts = BenchmarkResultRepository(session).cell_counts([self._run.id])
        largest = (max(self._run.budgets), max(self._run.force_rounds))
        in_cell = [each for each in counts if (each.budget_tokens, each.force_rounds) == largest]
        return sum(each.correct for each in in_cell), sum(each.n for each in in_cell)

    def _heartbeat(self, session: Session) -> bool:
        return BenchmarkRepository(session).heartbeat(self._run.id, this_process(), self.seconds)

    async def _keep_alive(self) -> None:
        rounds = Rounds(f"the heartbeat of run {self._run.id}", _HEARTBEAT_SECONDS)
        is_ours = True
        while is_ours:
            with rounds.round():
                self._report()
                is_ours = await self._database.write(self._heartbeat)
            await asyncio.sleep(rounds.pause_seconds if is_ours else 0)
        raise RunLost("This run was deleted, or another process runs it now.")

    async def _stop_sweeps(self) -> None:
        """Once told to stop: end what is being asked; it keeps what it has."""
        await self._is_stopping.wait()
        while True:
            self._sweeps.stop_all()
            await asyncio.sleep(0.1)

    async def _ask(self, item: BenchmarkItem) -> None:
        """Ask one item until it is finished, or the run is to stop."""
        question = await self._database.read(lambda s: QuestionRepository(s).get(item.question_id))
        attempts, outages, refusals, snapshot = 0, 0, 0, None
        while not self._is_stopping.is_set():
            is_refused = False
            try:
                snapshot = await self._sweep(item, question)
                error, is_refused = _trouble(snapshot), snapshot.was_rate_limited
            except (QuestionError, ProbeRefused, ContextOverflow) as exc:
                await self._finish(item, None, attempts + 1, str(exc))
                return
            except (ModelsError, AppError, RecordNotFound) as exc:
                error, is_refused = str(exc), isinstance(exc, RateLimited)
            if self._is_stopping.is_set() and error:
                return
            if snapshot is not None and not error:
                await self._finish(item, snapshot, attempts + 1)
                return
            _log.info("item %s: %s", item.position, error)
            if is_refused:
                refusals += 1
                await self._wait_politely(refusals)
            elif outages < _MAX_OUTAGES and await self._waited_for_engine(item.model):
                outages += 1
            else:
                attempts += 1
                if attempts >= MAX_ATTEMPTS:
                    await self._finish(item, snapshot, attempts, error)
                    return
                await self._pause(_RETRY_SECONDS * 4 ** (attempts - 1))

    async def _sweep(self, item: BenchmarkItem, question: Question) -> SweepSnapshot:
        """The item's sweep, begun, gone on with, or found complete; gives it when it is over."""
        try:
            kept = await self._sweeps.get(item.id)
        except RecordNotFound:
            await self._sweeps.start(self._recipe.sweep(item.model).asking(question), item.id)
            return await self._sweeps.finished(item.id)
        if not kept.is_over:
            await asyncio.to_thread(self._sweeps.mark_interrupted, is_at_start=False)
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
                self._progress.message = f"The engine is not responding; waiting for it. {exc}"
                self._report()
                if time.monotonic() - began > _PATIENCE_SECONDS:
                    raise
                await self._pause(2.0)
            else:
                break
        self._progress.message = ""
        return was_away

    async def _wait_politely(self, refusals: int) -> None:
        """The engine asked to wait; longer each time, up to a minute. It is never held against a question."""
        self._progress.message = "The engine is handling too many requests; continuing in a moment."
        await self._pause(min(_RETRY_SECONDS * 2 ** min(refusals, 10), _LONGEST_WAIT_SECONDS))
        self._progress.message = ""

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until the run is to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_stopping.wait(), seconds)

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

        def finish(session: Session) -> bool:
            return BenchmarkRepository(session).finish(
                item.id,
                state,
                results,
                tokens_generated=generated,
                tokens_if_separate=separate,
                attempts=attempts,
                error=error,
            )

        for tries in range(1, _SAVE_TRIES + 1):
            try:
                is_new = await self._database.write(finish)
                break
            except StorageError as exc:
                _log.warning("results of item %s not saved: %s", item.position, exc)
                if tries == _SAVE_TRIES:
                    raise
                self._progress.message = f"Results cannot be saved at the moment; trying again. {exc}"
                await asyncio.sleep(2.0**tries)
        self._progress.message = ""
        if is_new:
            self._progress.count(state, results, generated)
            self._report()


def _trouble(snapshot: SweepSnapshot) -> str:
    """Why a sweep that is over has not answered every cell; empty when it has."""
    if snapshot.sweep.state is TraceState.COMPLETED and not missing_cells(snapshot):
        return snapshot.save_error
    errors = [kept.error for each in snapshot.passes for kept in each.checkpoints if kept.error]
    of_passes = [each.trace.error for each in snapshot.passes if each.trace.error]
    return (
        next(filter(None, (snapshot.sweep.error, *of_passes, *errors)), "") or "The sweep ended before its last cell."
    )
