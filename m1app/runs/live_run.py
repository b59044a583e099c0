"""One run of this process: what every kind of run says about itself, and how others wait for its changes.

`live_runs` starts, follows, saves and ends runs.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from storage.traces.records import TraceState

_REMEMBERED_SECONDS = 60.0
"""How long a finished run stays in memory unless it says otherwise; afterwards it is read from the database."""


class Changes:
    """A version counter that callers can wait on."""

    def __init__(self) -> None:
        self.version = 0
        self._waiting: asyncio.Event | None = None
        """Of those who wait; most changes have none."""

    def note(self) -> None:
        """Record a change and wake all waiters."""
        self.version += 1
        if self._waiting is not None:
            self._waiting.set()
            self._waiting = None

    async def wait(self, version: int, timeout_seconds: float) -> None:
        """Wait for a change newer than `version`, or for the timeout."""
        if self.version == version:
            if self._waiting is None:
                self._waiting = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._waiting.wait()


SnapshotT = TypeVar("SnapshotT")


class LiveRun(ABC, Generic[SnapshotT]):
    """One run of this process."""

    def __init__(self, run_id: str, changes: Changes) -> None:
        self.id = run_id
        self.changes = changes
        self.is_over = False
        """Whether it has ended; `unsaved` says whether its end is stored."""
        self.save_error = ""
        self.remembered_seconds = _REMEMBERED_SECONDS
        """How long it stays in memory after its end is saved."""
        self.is_counted = False
        """Whether it is part of the totals of ended runs."""

    @property
    def tokens_generated(self) -> int:
        """Tokens that the engine generated for it in this process."""
        return 0

    @property
    def first_token_seconds(self) -> Sequence[float]:
        """How long its passes waited for their first tokens, as far as these came in this process."""
        return ()

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
    def answer_now(self) -> bool:
        """End the thinking and have the model answer; False if it is not thinking any more."""

    @abstractmethod
    def end(self, state: TraceState, error: str) -> None:
        """Set the final state; `error` is shown to users."""

    @abstractmethod
    async def save_end(self) -> None:
        """Store the final state and all that is not stored yet; called again after a failure."""

    def mark_over(self) -> None:
        """Tell followers that the run is over."""
        self.is_over = True
        self.changes.note()


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` to completion even if the caller is cancelled; raises what `work` raises."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
