"""Runs a benchmark: asks questions, some concurrently, and stores results as they arrive.

Each item is one sweep, stored under the item's id. So after any crash, a restart finds for each unfinished item either
no sweep, one to resume at its last cut, or a complete one whose results were not stored yet. When the sweep is
complete, the run's strategies follow; see `item_strategies`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from m1app.background import Rounds
from m1app.benchmark.item_results import all_unanswered, missing_cells, results_of
from m1app.benchmark.item_strategies import ItemStrategies, StrategyOutcome, unasked
from m1app.benchmark.recipe import MAX_IN_FLIGHT, recipe_of
from m1app.benchmark.run_progress import RunProgress
from m1app.engines.service import EngineService
from m1app.errors import AppError, log_words
from m1app.judging.service import JudgingService, SweepAnswer
from m1app.privacy.errors import IdentifiersFound
from m1app.question.errors import QuestionError
from m1app.runs.errors import ProbeRefused
from m1app.runs.owners import this_process
from m1app.runs.strategies import StrategyService
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
"""vLLM and similar servers schedule as many as fit; this keeps their queue short and their batch full."""
MAX_ATTEMPTS = 3
"""Failures of a question while the engine is up, before it is recorded as failed."""
_MAX_OUTAGES = 10
"""Engine outages during one question before the question is considered their cause."""
_PATIENCE_SECONDS = 1800.0
"""How long an engine may be down before the run ends, to be resumed later."""
_RETRY_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0
_HEARTBEAT_SECONDS = 2.0
_SAVE_TRIES = 6


class RunLost(AppError):
    """The run was deleted, or another process has taken it over."""


class BenchmarkRunner:
    """Runs one claimed run to its end, or until told to stop."""

    def __init__(
        self,
        run: BenchmarkRun,
        sweeps: SweepService,
        strategies: StrategyService,
        judging: JudgingService,
        engines: EngineService,
        profiles: Profiles,
        database: Database,
        on_progress: Callable[[JobProgress], None],
        is_stopping: asyncio.Event,
    ) -> None:
        self._run = run
        self._recipe = recipe_of(run)
        self._sweeps = sweeps
        self._strategies = strategies
        self._judging = judging
        self._of_item = ItemStrategies(self._recipe, strategies, profiles)
        self._engines = engines
        self._profiles = profiles
        self._database = database
        self._on_progress = on_progress
        self._is_stopping = is_stopping
        self._began_at = time.monotonic()
        self._progress = RunProgress(run)

    @property
    def seconds(self) -> float:
        """Total wall-clock time of the run, including earlier attempts."""
        return self._run.seconds + time.monotonic() - self._began_at

    async def work(self) -> RunState:
        """Ask all waiting items.

        Returns completed, or stopped if `is_stopping` was set. Raises ModelsError if the engine stays down,
        StorageError if results cannot be stored, RunLost if the run no longer belongs to this process.
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
                stopper = group.create_task(self._stop_runs())
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
        """Number of questions to ask concurrently; waits for the engines, since a worker's own may still be loading.

        llama.cpp gets at most one per slot: a pass that lost its slot would be recomputed.
        """
        rooms = []
        for model in self._run.models:
            await self._waited_for_engine(model)
            if self._is_stopping.is_set():
                return 1
            info = await self._engines.engine(model).describe()
            slots = info.parallel_requests
            wanted = self._run.in_flight or slots or _IN_FLIGHT_OF_A_BATCHING_SERVER * self._engines.servers
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
        """Right results and all results in the run's largest cell, by the strict rule."""
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

    async def _stop_runs(self) -> None:
        """Stop running sweeps and strategies; their results are kept."""
        await self._is_stopping.wait()
        while True:
            self._sweeps.stop_all()
            self._strategies.stop_all()
            await asyncio.sleep(0.1)

    async def _ask(self, item: BenchmarkItem) -> None:
        """Ask one item until it is finished, or the run should stop."""
        question = await self._database.read(lambda s: QuestionRepository(s).get(item.question_id))
        attempts, outages, refusals, snapshot = 0, 0, 0, None
        outcome = StrategyOutcome()
        while not self._is_stopping.is_set():
            is_refused = False
            try:
                snapshot = await self._sweep(item, question)
                error, is_refused = _trouble(snapshot), snapshot.was_rate_limited
                said = "its sweep did not answer every cell"
                if not error:
                    outcome = await self._answer_by_strategies(item, question, snapshot)
                    error, is_refused = outcome.error, outcome.was_rate_limited
                    said = "its strategies were not all answered"
            except (QuestionError, ProbeRefused, ContextOverflow, IdentifiersFound) as exc:
                await self._finish(item, snapshot, outcome, attempts + 1, str(exc))
                return
            except (ModelsError, AppError, RecordNotFound) as exc:
                error, said, is_refused = str(exc), log_words(exc), isinstance(exc, RateLimited)
            if self._is_stopping.is_set() and error:
                return
            if snapshot is not None and not error:
                await self._finish(item, snapshot, outcome, attempts + 1)
                return
            _log.info("item %s: %s", item.position, said)
            if is_refused:
                refusals += 1
                await self._wait_politely(refusals)
            elif outages < _MAX_OUTAGES and await self._waited_for_engine(item.model):
                outages += 1
            else:
                attempts += 1
                if attempts >= MAX_ATTEMPTS:
                    await self._finish(item, snapshot, outcome, attempts, error)
                    return
                await self._pause(_RETRY_SECONDS * 4 ** (attempts - 1))

    async def _answer_by_strategies(
        self, item: BenchmarkItem, question: Question, sweep: SweepSnapshot
    ) -> StrategyOutcome:
        """Answer the item by the run's strategies; until what was asked is saved, or the run should stop."""
        if not question.options:
            return await self._judged(item, question, sweep)
        outcome = await self._of_item.answer(item, question, sweep)
        while self._of_item.waits_to_be_saved(item.id) and not self._is_stopping.is_set():
            await self._wait_for_storage(outcome.save_error)
            outcome = await self._of_item.answer(item, question, sweep)
        return outcome

    async def _judged(self, item: BenchmarkItem, question: Question, sweep: SweepSnapshot) -> StrategyOutcome:
        """Have the run's judge read the item's answers to an open question; strategies say that they are not asked."""
        answers = [
            SweepAnswer(each.trace.id, kept.id, kept.text)
            for each in sweep.passes
            for kept in each.checkpoints
            if not kept.error
        ]
        outcome = await self._of_item.answer(item, question, sweep)
        tokens = await self._judging.judge_checkpoints(question, answers, self._run.judge or item.model)
        return replace(outcome, judge_tokens=tokens)

    async def _wait_for_storage(self, error: str) -> None:
        self._progress.message = f"Results cannot be saved at the moment; trying again. {error}"
        self._report()
        await self._pause(_RETRY_SECONDS)
        self._progress.message = ""

    async def _sweep(self, item: BenchmarkItem, question: Question) -> SweepSnapshot:
        """Start, resume or find the item's sweep; return it when it is over."""
        try:
            kept = await self._sweeps.get(item.id)
        except RecordNotFound:
            asked = self._recipe.sweep(item.model).asking(question)
            await self._sweeps.start(asked, item.id, allows_identifiers=True)
            return await self._ended(item)
        if not kept.is_over:
            await asyncio.to_thread(self._sweeps.mark_interrupted, is_at_start=False)
            kept = await self._sweeps.get(item.id)
        if kept.sweep.state is TraceState.COMPLETED and not missing_cells(kept):
            return kept
        await self._sweeps.resume(item.id)
        return await self._ended(item)

    async def _ended(self, item: BenchmarkItem) -> SweepSnapshot:
        """Wait for the item's sweep to end, and until the end is saved or the run should stop."""
        snapshot = await self._sweeps.finished(item.id)
        while self._sweeps.waits_to_be_saved(item.id) and not self._is_stopping.is_set():
            await self._wait_for_storage(snapshot.save_error)
            snapshot = await self._sweeps.finished(item.id)
        return snapshot

    async def _waited_for_engine(self, model: str) -> bool:
        """Wait until the engine is up; return whether it was down. Raises ModelsError if it stays down."""
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
        """Back off after rate limiting, longer each time, up to a minute. It never counts as a failure."""
        self._progress.message = "The engine is handling too many requests; continuing in a moment."
        await self._pause(min(_RETRY_SECONDS * 2 ** min(refusals, 10), _LONGEST_WAIT_SECONDS))
        self._progress.message = ""

    async def _pause(self, seconds: float) -> None:
        """Wait, or return early if the run should stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_stopping.wait()

    async def _finish(
        self,
        item: BenchmarkItem,
        snapshot: SweepSnapshot | None,
        outcome: StrategyOutcome,
        attempts: int,
        error: str = "",
    ) -> None:
        run = self._run
        if snapshot is None:
            question = await self._database.read(lambda s: QuestionRepository(s).get(item.question_id))
            results = all_unanswered(item.id, run.budgets, run.force_rounds, run.passes, question)
        else:
            results = results_of(item.id, snapshot, self._profiles)
        state = ItemState.FAILED if error else ItemState.DONE
        generated = outcome.generated + (snapshot.sweep.tokens_generated if snapshot else 0)
        separate = outcome.if_separate + (snapshot.sweep.tokens_if_separate if snapshot else 0)
        by_strategies = outcome.results or tuple(unasked(item.id, each, error) for each in run.strategies)

        def finish(session: Session) -> bool:
            return BenchmarkRepository(session).finish(
                item.id,
                state,
                results,
                by_strategies,
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
    """Why a finished sweep did not answer every cell; empty if it did."""
    if snapshot.sweep.state is TraceState.COMPLETED and not missing_cells(snapshot):
        return snapshot.save_error
    errors = [kept.error for each in snapshot.passes for kept in each.checkpoints if kept.error]
    of_passes = [each.trace.error for each in snapshot.passes if each.trace.error]
    return (
        next(filter(None, (snapshot.sweep.error, *of_passes, *errors)), "") or "The sweep ended before its last cell."
    )
