"""The runs of this process: started, followed, saved every second, stopped, and closed once.

A run belongs to the service, not to the browser tab that started it: closing a tab loses nothing, and any page with the
link can follow the run. Each `LiveRuns` manages one kind of run, such as probes or sweeps; the kind defines what a run
does and how it is stored.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Generic, TypeVar

from m1app.access.person import Permission, current_person, require
from m1app.access.quota import Quota
from m1app.background import Rounds, explained, reported, start_task
from m1app.log_lines import about_run
from m1app.runs.errors import NoRoom
from m1app.runs.live_run import LiveRun, SnapshotT, to_the_end
from m1app.runs.owners import is_abandoned
from m1app.runs.totals import FirstTokens, RunTotals
from storage.errors import InvalidRecord, RecordNotFound, StorageError
from storage.strategies.records import StrategyRun
from storage.sweeps.records import Sweep
from storage.traces.records import Trace, TraceState

_log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
"""Interval between saves of running runs; the most that a power failure can lose."""
_FRAME_SECONDS = 0.1
"""Shortest interval between two snapshots for a follower."""
_LONGEST_PAUSE_SECONDS = 0.3
"""Longest interval between them on a busy machine, besides what sending takes."""
_HEARTBEAT_SECONDS = 1.0
"""Longest interval between two snapshots, so that closed pages are noticed."""
_POLL_SECONDS = 1.0
"""Interval between reads of a run that belongs to another process."""
_LAST_SAVES_SECONDS = 20.0
"""How long stopping the app waits for a database that does not take the ends of its runs, besides the last try."""
_MOST_REMEMBERED = 300
"""Finished runs in memory; beyond that, the one that ended first is dropped."""


RunT = TypeVar("RunT", bound=LiveRun[Any])


class LiveRuns(Generic[RunT, SnapshotT]):
    """The runs of one kind."""

    def __init__(
        self,
        kind: str,
        max_running: int,
        *,
        save: Callable[[Sequence[RunT]], Awaitable[None]],
        read: Callable[[str], Awaitable[SnapshotT]],
        record_of: Callable[[SnapshotT], Trace | Sweep | StrategyRun],
        mark_interrupted: Callable[[], Awaitable[object]],
        quota: Quota | None = None,
    ) -> None:
        """Args:
        kind: singular noun for messages, such as "question".
        max_running: maximum number of concurrent runs.
        save: stores the progress of all running runs in one transaction.
        read: reads a stored run; raises if there is none.
        record_of: returns the record with state, owner and heartbeat from a snapshot.
        mark_interrupted: marks stored runs whose process is gone.
        quota: how many runs a person may have at once, unless they manage the app; None for any number.
        """
        self._kind = kind
        self._max_running = max_running
        self._save = save
        self._read = read
        self._record_of = record_of
        self._mark_interrupted = mark_interrupted
        self._quota = quota
        self._starting = 0
        """Runs that have a place and are not running yet."""
        self._live: dict[str, RunT] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping: set[str] = set()
        """Running runs that were told to stop."""
        self._unsaved: dict[str, RunT] = {}
        """Runs that have ended and could not be saved yet."""
        self._remembered: dict[str, asyncio.TimerHandle] = {}
        """Ended runs that are still in memory, with what drops each, in the order in which they ended."""
        self._refused_at = -math.inf
        """When the database last took no end, in seconds of the monotonic clock."""
        self._refusal = ""
        """Why, in words for users."""
        self._saver: asyncio.Task[None] | None = None
        self._saving = asyncio.Lock()
        """Serializes saving progress and ending, so that older progress is never stored after the end."""
        self._is_closing = False
        self._tokens_of_ended = 0
        self._first_tokens = FirstTokens()

    @property
    def totals(self) -> RunTotals:
        """What the runs have done since the process started."""
        counted = (run for run_id in self._tasks if not (run := self._live[run_id]).is_counted)
        tokens = self._tokens_of_ended + sum(run.tokens_generated for run in counted)
        return RunTotals(self.running, len(self._unsaved), tokens, self._first_tokens)

    @property
    def running(self) -> int:
        """Number of running runs."""
        return len(self._tasks)

    @property
    def tokens_per_second(self) -> float:
        """Total tokens per second of all runs."""
        return sum(self._live[run_id].tokens_per_second for run_id in self._tasks)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Keep a place for the run that the block prepares and starts; raises NoRoom or QuotaReached."""
        self._check_room()
        is_bounded = self._quota is not None and not current_person().may(Permission.MANAGE)
        with self._quota.place() if self._quota and is_bounded else nullcontext():
            self._starting += 1
            try:
                yield
            finally:
                self._starting -= 1

    def _check_room(self) -> None:
        taken = len(self._tasks) + self._starting
        if taken >= self._max_running:
            raise NoRoom(f"{self._max_running} {self._kind}s are already running. Wait until one ends, or stop one.")
        if taken + len(self._unsaved) >= self._max_running:
            problem = next(iter(self._unsaved.values())).unsaved
            raise NoRoom(f"{len(self._unsaved)} finished {self._kind}s are waiting to be saved. {problem}")

    def start(self, run: RunT) -> None:
        """Start `run` and save it every second until it ends."""
        self._forget(run.id)
        self._live[run.id] = run
        task = start_task(self._run(run), f"{self._kind}-{run.id}")
        self._tasks[run.id] = task
        task.add_done_callback(lambda _: self._drop_task(run.id))
        if self._quota:
            release = self._quota.hold()
            task.add_done_callback(lambda _: release())
        self._start_saver()

    def _drop_task(self, run_id: str) -> None:
        self._tasks.pop(run_id, None)
        self._stopping.discard(run_id)

    def live(self, run_id: str) -> RunT | None:
        """The run with this id in this process, running or just ended."""
        return self._live.get(run_id)

    async def get(self, run_id: str) -> SnapshotT:
        """Return the current state of the run, live or stored; raises like `read`."""
        live = self._live.get(run_id)
        return live.snapshot() if live else await self._read(run_id)

    async def follow(self, run_id: str) -> AsyncGenerator[SnapshotT, None]:
        """Yield snapshots of a run until it is over; the last one is final.

        Yields on every change, at most ten times a second, and otherwise once a second, so that closed pages are
        noticed. A run of another process is followed by polling the database once a second. Raises like `read`.
        """
        live = self._live.get(run_id)
        if live is None:
            async for snapshot in self._follow_stored(run_id):
                yield snapshot
            return
        while not live.is_over:
            version, sent_at = live.changes.version, time.monotonic()
            yield live.snapshot()
            # The first token is shown at once; later ones in batches, which are larger where sending takes long.
            if live.tokens_per_second:
                await asyncio.sleep(min(max(_FRAME_SECONDS, time.monotonic() - sent_at), _LONGEST_PAUSE_SECONDS))
            await live.changes.wait(version, _HEARTBEAT_SECONDS)
        yield live.snapshot()

    async def finished(self, run_id: str) -> SnapshotT:
        """Wait for a run of this process to end, and drop it unless it could not be saved; raises like `read`."""
        task = self._tasks.get(run_id)
        if task is not None:
            await asyncio.wait([task])
        live = self._live.get(run_id)
        if live is None:
            return await self._read(run_id)
        if not live.unsaved:
            self._forget(run_id)
        snapshot: SnapshotT = live.snapshot()
        return snapshot

    def waits_to_be_saved(self, run_id: str) -> bool:
        """Whether the run has ended and its end could not be saved yet; saving is tried again by itself."""
        return run_id in self._unsaved

    async def has_ended(self, run_id: str) -> bool:
        """Whether the run is not running in this process; waits for one that is about to end."""
        task = self._tasks.get(run_id)
        if task is not None and self._live[run_id].is_over:
            await asyncio.wait([task])
        return run_id not in self._tasks

    def stop(self, run_id: str) -> bool:
        """Stop a run and keep its results; False if it is not running in this process."""
        task = self._tasks.get(run_id)
        if task is None or run_id in self._stopping:
            return task is not None
        # Not `task.cancelling()`: who has it answer now has cancelled it too, for a moment.
        self._stopping.add(run_id)
        # Not at once: a task that is cancelled before its first step would never end its run.
        asyncio.get_running_loop().call_soon(task.cancel)
        return True

    def stop_for_person(self, run_id: str) -> bool:
        """`stop` for the current person; raises AccessRefused for somebody else's run unless they are an admin."""
        self._require_own(run_id)
        return self.stop(run_id)

    def answer_now_for_person(self, run_id: str) -> bool:
        """End the thinking of a run, which then answers; False if it is not thinking in this process.

        Raises like `stop_for_person`.
        """
        self._require_own(run_id)
        return run_id in self._tasks and self._live[run_id].answer_now()

    def _require_own(self, run_id: str) -> None:
        person, live = require(Permission.ASK), self.live(run_id)
        if live is not None and self._record_of(live.snapshot()).asked_by != person.account_id:
            require(Permission.MANAGE)

    def stop_all(self) -> None:
        """Stop all runs; each keeps its results."""
        for run_id in list(self._tasks):
            self.stop(run_id)

    async def aclose(self) -> None:
        """End all runs as interrupted; each keeps its results."""
        self._is_closing = True
        tasks = list(self._tasks.values())
        self.stop_all()
        await asyncio.gather(*tasks, return_exceptions=True)
        deadline = time.monotonic() + _LAST_SAVES_SECONDS
        while self._unsaved and time.monotonic() < deadline:
            await asyncio.sleep(SAVE_SECONDS / 4)
            await self._save_ends()
        for run in self._unsaved.values():
            _log.error("%s %s could not be saved and is lost: %s", self._kind, run.id, run.unsaved)

    async def _run(self, run: RunT) -> None:
        with about_run(run.id):
            await self._run_to_end(run)

    async def _run_to_end(self, run: RunT) -> None:
        state, errors = TraceState.FAILED, list[str]()
        try:
            with reported(f"{self._kind} {run.id}", errors.append):
                await run.work()
                state = TraceState.COMPLETED
        except asyncio.CancelledError:
            state = TraceState.INTERRUPTED if self._is_closing else TraceState.STOPPED
        finally:
            await to_the_end(self._end(run, state, "".join(errors)))

    async def _end(self, run: RunT, state: TraceState, error: str) -> None:
        problems: list[str] = []
        with reported(f"ending {self._kind} {run.id}", problems.append):
            run.end(state, error)
        self._tokens_of_ended += run.tokens_generated
        self._first_tokens.add(run.first_token_seconds)
        run.is_counted = True
        run.save_error = "".join(problems)
        if problems:
            self._remember(run)
        else:
            self._unsaved[run.id] = run
            await self._save_end(run)
        run.mark_over()
        self._start_saver()

    async def _save_end(self, run: RunT) -> None:
        """Store the end of a run, or leave it among the unsaved with the reason."""
        asked_at = time.monotonic()
        try:
            async with self._saving:
                if run.id not in self._unsaved:
                    return  # Saved while this waited.
                if self._refused_at >= asked_at:
                    # Each try may take ten seconds: those that waited meanwhile need none of their own.
                    run.save_error = self._refusal
                    return
                await run.save_end()
        except (RecordNotFound, InvalidRecord) as exc:
            # Deleted or closed by someone else: no later try would do better.
            run.save_error = str(exc)
        except Exception as exc:  # noqa: BLE001 - the worker loop
            run.save_error = explained(f"saving {self._kind} {run.id}", exc, run.save_error)
            if isinstance(exc, StorageError):
                self._refused_at, self._refusal = time.monotonic(), run.save_error
            return
        else:
            run.save_error = ""
        self._unsaved.pop(run.id, None)
        run.changes.note()
        self._remember(run)

    async def _save_ends(self) -> None:
        """Try to save the ends of all runs, until the database refuses one."""
        began_at = time.monotonic()
        for run in list(self._unsaved.values()):
            if self._refused_at >= began_at:
                return
            with about_run(run.id):
                await self._save_end(run)

    def _start_saver(self) -> None:
        if (self._tasks or self._unsaved) and (self._saver is None or self._saver.done()):
            self._saver = start_task(self._save_regularly(), f"{self._kind}-saver")

    def _remember(self, run: RunT) -> None:
        """Keep an ended run in memory for a while, unless it has been resumed."""
        if self._live.get(run.id) is not run:
            return
        timer = asyncio.get_running_loop().call_later(run.remembered_seconds, self._forget, run.id)
        self._remembered[run.id] = timer
        while len(self._remembered) > _MOST_REMEMBERED:
            self._forget(next(iter(self._remembered)))

    def _forget(self, run_id: str) -> None:
        """Drop an ended run, if it is still in memory."""
        timer = self._remembered.pop(run_id, None)
        if timer is not None:
            timer.cancel()  # Else it would hold the run's memory until its time.
            del self._live[run_id]

    async def _save_regularly(self) -> None:
        """Save all running runs once a second, in one transaction, and the ends of others, while there are any."""
        rounds = Rounds(f"saving running {self._kind}s", SAVE_SECONDS)
        while self._tasks or self._unsaved:
            await asyncio.sleep(rounds.pause_seconds)
            await self._save_ends()
            async with self._saving:
                runs = [run for run_id in self._tasks if not (run := self._live[run_id]).is_over]
                with rounds.round():
                    await self._save(runs)
            for run in runs:
                # A run that has ended meanwhile tracks by itself whether it was saved.
                if not run.is_over:
                    run.save_error = rounds.problem

    async def _follow_stored(self, run_id: str) -> AsyncGenerator[SnapshotT, None]:
        while True:
            snapshot = await self._read(run_id)
            yield snapshot
            record = self._record_of(snapshot)
            if record.state is not TraceState.RUNNING:
                return
            # Marking takes the database's write lock, so only do it if there is something to mark.
            if is_abandoned(record.owner, record.updated_at):
                await self._mark_interrupted()
            await asyncio.sleep(_POLL_SECONDS)
