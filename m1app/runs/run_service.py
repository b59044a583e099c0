"""What the services of probes, sweeps and strategy runs share: counters of their runs, and how these are followed,
stopped, resumed and ended.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from m1app.access.person import Permission, needs
from m1app.access.quota import Quota
from m1app.errors import AppError
from m1app.runs.live_run import LiveRun, SnapshotT
from m1app.runs.live_runs import LiveRuns
from m1app.runs.owners import STALE_SECONDS, is_abandoned, is_alive_at_start, may_be_alive
from m1app.runs.totals import RunTotals
from storage.database import Database, Session
from storage.strategies.records import StrategyRun
from storage.sweeps.records import Sweep
from storage.traces.records import Trace

RunT = TypeVar("RunT", bound=LiveRun[Any])


class Listed(Protocol):
    """A running record in a list."""

    @property
    def owner(self) -> str:
        """The process that runs it."""

    @property
    def updated_at(self) -> datetime:
        """Its last heartbeat."""


ListedT = TypeVar("ListedT", bound=Listed)


class RunService(ABC, Generic[RunT, SnapshotT]):
    """Follows, stops and ends the runs of one kind, which its subclass starts."""

    _going_on: str
    """What a run that cannot be resumed does, as a sentence without its full stop."""

    def __init__(
        self,
        database: Database,
        kind: str,
        max_running: int,
        record_of: Callable[[SnapshotT], Trace | Sweep | StrategyRun],
        quota: Quota | None,
    ) -> None:
        """See `LiveRuns`."""
        self._database = database
        self._runs: LiveRuns[RunT, SnapshotT] = LiveRuns(
            kind,
            max_running,
            save=self._save,
            read=self._stored,
            record_of=record_of,
            mark_interrupted=self._mark_abandoned,
            quota=quota,
        )
        self._resuming: set[str] = set()

    @property
    def running(self) -> int:
        """Number of runs that go on in this process."""
        return self._runs.running

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second of all of them together."""
        return self._runs.tokens_per_second

    @property
    def totals(self) -> RunTotals:
        """What the runs have done since the process started."""
        return self._runs.totals

    @needs(Permission.READ)
    async def get(self, run_id: str) -> SnapshotT:
        """Return the current state of a run; raises RecordNotFound."""
        return await self._runs.get(run_id)

    @needs(Permission.READ)
    def follow(self, run_id: str) -> AsyncGenerator[SnapshotT, None]:
        """Yield snapshots of a run until it is over, see `LiveRuns.follow`; raises RecordNotFound."""
        return self._runs.follow(run_id)

    @needs(Permission.ASK)
    def stop(self, run_id: str) -> bool:
        """Stop a run and keep its results; see `LiveRuns.stop_for_person`."""
        return self._runs.stop_for_person(run_id)

    async def aclose(self) -> None:
        """End all runs as interrupted; each keeps its results."""
        await self._runs.aclose()

    def mark_interrupted(self, *, is_at_start: bool = True) -> int:
        """Mark running records whose process is gone and return their number; blocks.

        Args:
            is_at_start: True before this process runs any, when one with its own id must be a predecessor's.
        """
        is_alive = is_alive_at_start if is_at_start else may_be_alive
        return self._database.write_now(lambda session: self._mark_stored(session, is_alive, STALE_SECONDS))

    async def _mark_abandoned(self) -> None:
        await asyncio.to_thread(self.mark_interrupted, is_at_start=False)

    async def _without_abandoned(self, read: Callable[[], Awaitable[Sequence[ListedT]]]) -> Sequence[ListedT]:
        """Running records; those whose process is gone are marked and left out."""
        found = await read()
        if any(is_abandoned(each.owner, each.updated_at) for each in found):
            await self._mark_abandoned()
            found = await read()
        return found

    @asynccontextmanager
    async def _place_to_resume(self, run_id: str) -> AsyncIterator[None]:
        """Keep a place for the run that the block resumes, and others from resuming it meanwhile.

        Raises:
            AppError: it is running here.
            NoRoom, QuotaReached: there is no place.
        """
        problem = f"{self._going_on}; stop it first."
        if run_id in self._resuming:
            raise AppError(problem)
        self._resuming.add(run_id)
        try:
            if not await self._runs.has_ended(run_id):
                raise AppError(problem)
            with self._runs.place():
                yield
        finally:
            self._resuming.discard(run_id)

    @abstractmethod
    def _mark_stored(
        self, session: Session, is_owner_alive: Callable[[str], bool], stale_after_seconds: float
    ) -> int: ...

    @abstractmethod
    async def _stored(self, run_id: str) -> SnapshotT:
        """Read a stored run; raises RecordNotFound."""

    @abstractmethod
    async def _save(self, runs: Sequence[RunT]) -> None:
        """Store the progress of all running runs."""


class JobRunService(RunService[RunT, SnapshotT]):
    """One whose runs a job may start too, and wait for."""

    async def finished(self, run_id: str) -> SnapshotT:
        """Wait for a run of this process to end; see `LiveRuns.finished`."""
        return await self._runs.finished(run_id)

    def waits_to_be_saved(self, run_id: str) -> bool:
        """Whether the run has ended and its end could not be saved yet."""
        return self._runs.waits_to_be_saved(run_id)

    def stop_all(self) -> None:
        """Stop all runs; each keeps its results."""
        self._runs.stop_all()
