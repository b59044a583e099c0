"""Benchmark runs in the database, for callers on the event loop: each call is one transaction in a thread."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from m1app.benchmark.errors import RunNotFound
from m1app.runs.owners import may_be_alive, this_process
from storage.benchmarks.records import (
    BenchmarkItem,
    BenchmarkResult,
    BenchmarkRun,
    ItemState,
    NewBenchmarkRun,
    RunState,
)
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.benchmarks.results import BenchmarkResultRepository
from storage.database import Database, Session
from storage.errors import RecordNotFound
from storage.questions.records import Question
from storage.questions.repository import QuestionRepository, utc_now

_T = TypeVar("_T")
_SILENCE_SECONDS = 60.0
"""After which a process on another machine counts as gone; one on this machine can be looked for."""


class BenchmarkStore:
    """The app's benchmark runs. Every method raises `storage.errors.StorageError`; those with an id RunNotFound."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, run: NewBenchmarkRun, items: Iterable[PlannedItem]) -> BenchmarkRun:
        """Plan a run."""
        return await self.write(lambda s: BenchmarkRepository(s).add(run, items))

    async def get(self, run_id: str) -> BenchmarkRun:
        """The run with that id."""
        return await self.read(lambda s: BenchmarkRepository(s).get(run_id))

    async def claim(self, run_id: str) -> bool:
        """Make the run this process's; its failed items wait again. False when another process runs it."""

        def store(session: Session) -> bool:
            runs = BenchmarkRepository(session)
            is_ours = runs.claim(run_id, this_process(), _is_alive)
            if is_ours:
                runs.reopen_failed(run_id)
            return is_ours

        return await self.write(store)

    async def heartbeat(self, run_id: str, seconds: float) -> bool:
        """False when the run is not this process's any more, or was deleted."""
        return await self.write(lambda s: BenchmarkRepository(s).heartbeat(run_id, this_process(), seconds))

    async def end(self, run_id: str, state: RunState, error: str, seconds: float) -> None:
        """How the run ended."""
        await self.write(lambda s: BenchmarkRepository(s).end(run_id, this_process(), state, error, seconds))

    async def waiting(self, run_id: str, after: int) -> Sequence[BenchmarkItem]:
        """The next items to ask, some hundred at most."""
        return await self.read(lambda s: BenchmarkRepository(s).waiting(run_id, after))

    async def question(self, question_id: str) -> Question:
        """The question of an item."""
        return await self.read(lambda s: QuestionRepository(s).get(question_id))

    async def finish(
        self,
        item: BenchmarkItem,
        state: ItemState,
        results: Sequence[BenchmarkResult],
        *,
        tokens_generated: int,
        tokens_if_separate: int,
        attempts: int,
        error: str = "",
    ) -> bool:
        """Keep what came of an item, once; False when it was finished before."""
        return await self.write(
            lambda s: BenchmarkRepository(s).finish(
                item.id,
                state,
                results,
                tokens_generated=tokens_generated,
                tokens_if_separate=tokens_if_separate,
                attempts=attempts,
                error=error,
            )
        )

    async def right_so_far(self, run: BenchmarkRun) -> tuple[int, int]:
        """Right results and all of them in the run's largest cell, by the strict rule."""
        counts = await self.read(lambda s: BenchmarkResultRepository(s).cell_counts([run.id]))
        largest = (max(run.budgets), max(run.force_rounds))
        in_cell = [each for each in counts if (each.budget_tokens, each.force_rounds) == largest]
        return sum(each.correct for each in in_cell), sum(each.n for each in in_cell)

    def mark_interrupted(self) -> int:
        """Mark running runs whose process is gone; gives how many."""
        with self._database.session() as session:
            return BenchmarkRepository(session).mark_interrupted(_is_alive)

    async def read(self, use: Callable[[Session], _T]) -> _T:
        """`use` in a transaction that only reads."""
        return await asyncio.to_thread(self._in_session, use, True)

    async def write(self, use: Callable[[Session], _T]) -> _T:
        """`use` in a transaction."""
        return await asyncio.to_thread(self._in_session, use, False)

    def _in_session(self, use: Callable[[Session], _T], is_read_only: bool) -> _T:
        try:
            with self._database.session(is_read_only=is_read_only) as session:
                return use(session)
        except RecordNotFound as exc:
            raise RunNotFound(str(exc)) from exc


def _is_alive(owner: str, heard_at: datetime) -> bool:
    if owner.rpartition(":")[0] == this_process().rpartition(":")[0]:
        return may_be_alive(owner)
    return utc_now() - heard_at < timedelta(seconds=_SILENCE_SECONDS)
