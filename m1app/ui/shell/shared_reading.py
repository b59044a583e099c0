"""Shares recent readings between pages, so that load does not grow with the number of open tabs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(slots=True)
class _Entry(Generic[_T]):
    task: "asyncio.Task[_T]"
    begun_at: float


class SharedReading(Generic[_T]):
    """Readings by key, each made at most once at a time and cached briefly."""

    def __init__(self, max_age_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._entries: dict[Hashable, _Entry[_T]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[_T]]) -> _T:
        """Return the reading of `key`: one in progress or recent, else a new one; raises what `read` raises."""
        entry = self._entries.get(key)
        if entry is None or not self._is_usable(entry):
            self._entries = {known: each for known, each in self._entries.items() if self._is_usable(each)}
            entry = self._entries[key] = _Entry(asyncio.ensure_future(_awaited(read)), self._clock())
        # A closed tab must not cancel what others wait for.
        return await asyncio.shield(entry.task)

    def forget(self) -> None:
        """Drop cached readings after a change."""
        self._entries.clear()

    def _is_usable(self, entry: _Entry[_T]) -> bool:
        task = entry.task
        if not task.done():
            return True
        is_good = not task.cancelled() and task.exception() is None
        return is_good and self._clock() - entry.begun_at < self._max_age_seconds


async def _awaited(read: Callable[[], Awaitable[_T]]) -> _T:
    return await read()
