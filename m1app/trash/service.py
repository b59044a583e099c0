"""The trash: deletions wait there for M1_TRASH_DAYS, and are then removed for good.

What is deleted together is one entry. Runs, sets and jobs are put here by their own services, which refuse runs and
jobs that are not over; traces and sweeps by this one.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from m1app.access.audit import record
from m1app.access.discarding import discard
from m1app.access.person import THE_APP, Permission, acting_as, needs, require
from m1app.background import Rounds, reported
from m1app.errors import AppError
from m1app.question_sets.import_journal import no_import_storing
from m1app.runs.naming import require_own
from m1app.wording import counted
from storage.database import Database, Session
from storage.errors import RecordNotFound
from storage.strategies.repository import StrategyRepository
from storage.sweeps.repository import SweepRepository
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository
from storage.trash.records import Deletion, Extent, TrashKind
from storage.trash.repository import TrashRepository

_UPKEEP_SECONDS = 3600.0
_ROWS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class TrashedItem:
    """Something in the trash."""

    deletion: Deletion
    removed_at: datetime
    """When it is removed for good. Aware, UTC."""


class TrashService:
    """Deletes traces, sweeps and strategy runs, and restores and removes what was deleted. May raise StorageError."""

    def __init__(
        self,
        database: Database,
        days: float,
        remove_files: Callable[[Deletion], None],
        home: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Args:
        database: migrated.
        days: how long deletions can be undone.
        remove_files: removes the files of something that is removed for good; blocks. May raise OSError.
        home: M1_HOME.
        now: the present, in UTC.
        """
        self._database = database
        self.days = days
        self._remove_files = remove_files
        self._home = home
        self._now = now

    @needs(Permission.READ)
    async def extent(self, kind: TrashKind, subject_id: str) -> Extent:
        """What deleting this would remove and leave; raises RecordNotFound."""
        return await self._database.read(lambda s: TrashRepository(s).extent(kind, subject_id))

    @needs(Permission.ASK)
    async def discard_trace(self, trace_id: str) -> Deletion:
        """Delete a trace that has ended; others' traces only as an admin.

        Raises:
            RecordNotFound: no such trace.
            InvalidRecord: it is annotated.
            AccessRefused: somebody else has asked for it.
            AppError: it is running.
        """

        def store(session: Session) -> Deletion:
            trace = TraceRepository(session).get(trace_id)
            _check(trace.asked_by, trace.state)
            return discard(session, TrashKind.TRACE, trace_id)

        return await self._database.write(store)

    @needs(Permission.ASK)
    async def discard_sweep(self, sweep_id: str) -> tuple[Deletion, Extent]:
        """Delete a sweep that has ended, except its annotated traces; raises like `discard_trace`."""

        def store(session: Session) -> tuple[Deletion, Extent]:
            sweep = SweepRepository(session).get(sweep_id).sweep
            _check(sweep.asked_by, sweep.state)
            if SweepRepository(session).is_of_run(sweep_id):
                raise AppError("This sweep belongs to a benchmark run. Delete the run instead.")
            extent = TrashRepository(session).extent(TrashKind.SWEEP, sweep_id)
            return discard(session, TrashKind.SWEEP, sweep_id), extent

        return await self._database.write(store)

    @needs(Permission.ASK)
    async def discard_strategy_run(self, run_id: str) -> tuple[Deletion, Extent]:
        """Delete a strategy run that has ended, except its annotated traces; raises like `discard_trace`."""

        def store(session: Session) -> tuple[Deletion, Extent]:
            strategies = StrategyRepository(session)
            run = strategies.get(run_id)
            _check(run.asked_by, run.state)
            if strategies.is_of_benchmark(run_id):
                raise AppError("This strategy run belongs to a benchmark run. Delete that run instead.")
            extent = TrashRepository(session).extent(TrashKind.STRATEGY_RUN, run_id)
            return discard(session, TrashKind.STRATEGY_RUN, run_id), extent

        return await self._database.write(store)

    @needs(Permission.READ)
    async def all(self) -> Sequence[TrashedItem]:
        """Everything in the trash, newest first."""
        found = await self._database.read(lambda s: TrashRepository(s).all())
        return tuple(TrashedItem(each, each.deleted_at + timedelta(days=self.days)) for each in found)

    @needs(Permission.ASK)
    async def restore(self, deletion_id: str) -> Deletion:
        """Undo a deletion: one's own, or any as an admin.

        Raises:
            RecordNotFound: it is no longer in the trash.
            InvalidRecord: another question set has its name by now.
        """

        def store(session: Session) -> Deletion:
            _check_own(TrashRepository(session).get(deletion_id).deleted_by)
            restored = TrashRepository(session).restore(deletion_id)
            record(session, f"{restored.kind.value}.restore", restored.subject_id)
            return restored

        return await self._database.write(store)

    @needs(Permission.MANAGE)
    async def remove(self, deletion_id: str) -> None:
        """Remove one deletion for good.

        Raises:
            RecordNotFound: it is no longer in the trash.
            AppError: its files cannot be removed, or an import may need its questions; it can be tried again.
        """
        await self._purge(await self._database.read(lambda s: TrashRepository(s).get(deletion_id)))

    async def remove_expired(self) -> int:
        """Remove for good what has been here for long enough, and what was half removed; return how many that were.

        Raises:
            AppError: some could not be removed; all others are.
        """
        oldest = self._now() - timedelta(days=self.days)
        expired = await self._database.read(lambda s: TrashRepository(s).expired(oldest))
        problems: list[str] = []
        for each in expired:
            with reported("removing a deletion for good", problems.append):
                await self._purge(each)
        if problems:
            raise AppError(f"{counted(len(problems), 'deletion')} could not be removed for good yet. {problems[0]}")
        return len(expired)

    async def run_upkeep(self) -> None:
        """`remove_expired` once an hour, until cancelled."""
        rounds = Rounds("trash", _UPKEEP_SECONDS)
        while True:
            with rounds.round(), acting_as(THE_APP):
                await self.remove_expired()
            await asyncio.sleep(rounds.pause_seconds)

    async def _purge(self, deletion: Deletion) -> None:
        if deletion.kind is TrashKind.QUESTION_SET:
            # An import may count on questions that only its set will refer to.
            async with no_import_storing(self._home):
                await self._purge_now(deletion)
        else:
            await self._purge_now(deletion)

    async def _purge_now(self, deletion: Deletion) -> None:
        """Remove the files before the last record of them; another process may be doing the same."""

        def step(session: Session) -> bool:
            is_done = TrashRepository(session).purge(deletion.id, _ROWS_AT_ONCE)
            if is_done:
                record(session, f"{deletion.kind.value}.remove", deletion.subject_id)
            return is_done

        with suppress(RecordNotFound):
            await self._database.write(lambda s: TrashRepository(s).begin_removal(deletion.id))
            await asyncio.to_thread(self._remove_files_of, deletion)
            while not await self._database.write(step):
                pass

    def _remove_files_of(self, deletion: Deletion) -> None:
        try:
            self._remove_files(deletion)
        except OSError as exc:
            raise AppError(
                f"The files of a deleted {deletion.kind.value.replace('_', ' ')} cannot be removed ({exc.strerror}). "
                "Check who owns the files in M1_HOME, then try again."
            ) from exc


def _check(asked_by: str, state: TraceState) -> None:
    require_own(asked_by)
    if state is TraceState.RUNNING:
        raise AppError("This is still running. Stop it first, then delete it.")


def _check_own(deleted_by: str) -> None:
    if deleted_by != require(Permission.ASK).id:
        require(Permission.MANAGE)
