"""The runs of this process: started, followed, saved every second, stopped, and closed once.

A run belongs to the service, not to the browser tab that started it: closing a tab loses nothing, and any page with the
link can follow the run. Each `LiveRuns` manages one kind of run, such as probes or sweeps; the kind defines what a run
does and how it is stored.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from m1app.background import Rounds, reported, start_task
from m1app.errors import AppError
from m1app.runs.owners import is_abandoned
from storage.sweeps.records import Sweep
from storage.traces.records import Trace, TraceState

SAVE_SECONDS = 1.0
"""Interval between saves of running runs; the most that a power failure can lose."""
_FRAME_SECONDS = 0.1
"""Shortest interval between two snapshots for a follower."""
_HEARTBEAT_SECONDS = 1.0
"""Longest interval between two snapshots, so that closed pages are noticed."""
_POLL_SECONDS = 1.0
"""Interval between reads of a run that belongs to another process."""
_FORGET_SECONDS = 60.0
"""How long a finished run stays in memory; afterwards it is read from the database."""


class Changes:
    """A version counter that callers can wait on."""

    def __init__(self) -> None:
        self.version = 0
        self._changed = asyncio.Event()

    def note(self) -> None:
        """Record a change and wake all waiters."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, version: int, timeout_seconds: float) -> None:
        """Wait for a change newer than `version`, or for the timeout."""
        if self.version == version:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), timeout_seconds)


SnapshotT = TypeVar("SnapshotT")


class LiveRun(ABC, Generic[SnapshotT]):
    """One run of this process."""

    def __init__(self, run_id: str, changes: Changes) -> None:
        self.id = run_id
        self.changes = changes
        self.is_over = False
        """Whether it has ended and been saved, or failed to save."""
        self.save_error = ""

    @property
    def unsaved(self) -> str:
        """User-readable reason why part of it could not be saved; empty if all is saved."""
        return self.save_error

    @property
    @abstractmethod
    def tokens_per_second(self) -> float:
        """Tokens generated per second; 0 before the second token."""

    @abstractmethod
    def snapshot(self) -> SnapshotT:
        """Return the current state of the run."""

    @abstractmethod
    async def work(self) -> None:
        """Run to the end; an exception marks the run as failed."""

    @abstractmethod
    def end(self, state: TraceState, error: str) -> None:
        """Set the final state; `error` is shown to users."""

    @abstractmethod
    async def save_end(self) -> None:
        """Store the final state."""

    def mark_over(self) -> None:
        """Tell followers that the run is over."""
        self.is_over = True
        self.changes.note()


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
        record_of: Callable[[SnapshotT], Trace | Sweep],
        mark_interrupted: Callable[[], Awaitable[object]],
    ) -> None:
        """Args:
        kind: singular noun for messages, such as "question".
        max_running: maximum number of concurrent runs.
        save: stores the progress of all running runs in one transaction.
        read: reads a stored run; raises if there is none.
        record_of: returns the record with state, owner and heartbeat from a snapshot.
        mark_interrupted: marks stored runs whose process is gone.
        """
        self._kind = kind
        self._max_running = max_running
        self._save = save
        self._read = read
        self._record_of = record_of
        self._mark_interrupted = mark_interrupted
        self._live: dict[str, RunT] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._saver: asyncio.Task[None] | None = None
        self._saving = asyncio.Lock()
        """Serializes saving progress and ending, so that older progress is never stored after the end."""
        self._is_closing = False

    @property
    def running(self) -> int:
        """Number of running runs."""
        return len(self._tasks)

    @property
    def tokens_per_second(self) -> float:
        """Total tokens per second of all runs."""
        return sum(self._live[run_id].tokens_per_second for run_id in self._tasks)

    def check_room(self) -> None:
        """Raise AppError if no more runs may start."""
        if len(self._tasks) >= self._max_running:
            raise AppError(f"{self._max_running} {self._kind}s are already running. Wait until one ends, or stop one.")

    def start(self, run: RunT) -> None:
        """Start `run` and save it every second until it ends."""
        self._live[run.id] = run
        task = start_task(self._run(run), f"{self._kind}-{run.id}")
        self._tasks[run.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(run.id, None))
        if self._saver is None or self._saver.done():
            self._saver = start_task(self._save_regularly(), f"{self._kind}-saver")

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
            version = live.changes.version
            yield live.snapshot()
            # The first token is shown at once; later ones in batches.
            if live.tokens_per_second:
                await asyncio.sleep(_FRAME_SECONDS)
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
            self._forget(live)
        snapshot: SnapshotT = live.snapshot()
        return snapshot

    async def has_ended(self, run_id: str) -> bool:
        """Whether the run is not running in this process; waits for one that is about to end."""
        task = self._tasks.get(run_id)
        if task is not None and self._live[run_id].is_over:
            await asyncio.wait([task])
        return run_id not in self._tasks

    def stop(self, run_id: str) -> bool:
        """Stop a run and keep its results; False if it is not running in this process."""
        task = self._tasks.get(run_id)
        return task is not None and (task.cancelling() > 0 or task.cancel())

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

    async def _run(self, run: RunT) -> None:
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
        with reported(f"saving {self._kind} {run.id}", problems.append):
            run.end(state, error)
            async with self._saving:
                await run.save_end()
        run.save_error = "".join(problems)
        run.mark_over()
        # A run that could not be saved exists only in memory, so it is kept there.
        if not run.unsaved:
            asyncio.get_running_loop().call_later(_FORGET_SECONDS, self._forget, run)

    def _forget(self, run: RunT) -> None:
        if self._live.get(run.id) is run:
            del self._live[run.id]

    async def _save_regularly(self) -> None:
        """Save all running runs once a second, in one transaction, while there are any."""
        rounds = Rounds(f"saving running {self._kind}s", SAVE_SECONDS)
        while self._tasks:
            await asyncio.sleep(rounds.pause_seconds)
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


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` to completion even if the caller is cancelled; raises what `work` raises."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
