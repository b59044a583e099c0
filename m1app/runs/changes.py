"""Tells those who follow something that it has changed."""

import asyncio
from contextlib import suppress


class Changes:
    """A version that grows, and a way to wait for it."""

    def __init__(self) -> None:
        self.version = 0
        """Grows with every change."""
        self._changed = asyncio.Event()

    def note(self) -> None:
        """Something has changed."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, version: int, timeout_seconds: float) -> None:
        """Return as soon as there is a change after `version`, or after the time."""
        if self.version == version:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), timeout_seconds)
