"""A person's wish that a model ends its thinking now and answers, as if its budget were spent."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

ItemT = TypeVar("ItemT")


class EarlyExit:
    """The wish, for one thinking pass. It may be asked for at any time, and stays."""

    def __init__(self) -> None:
        self.is_asked = False
        self._reader: asyncio.Task[object] | None = None
        """The task that waits for the engine's next chunk."""

    def ask(self) -> None:
        """End the thinking: what waits for the engine stops waiting at once."""
        if not self.is_asked:
            self.is_asked = True
            if self._reader is not None:
                self._reader.cancel()

    async def next_of(self, items: AsyncIterator[ItemT]) -> ItemT | None:
        """The next item; None if there is none, or as soon as the thinking is to end.

        Raises what the iterator raises, and CancelledError if the task itself is cancelled.
        """
        if self.is_asked:
            return None
        reader = self._reader = asyncio.current_task()
        try:
            return await anext(items, None)
        except asyncio.CancelledError:
            # As asyncio.timeout does it: only a cancellation of its own is taken back.
            if not self.is_asked or reader is None or reader.uncancel() > 0:
                raise
            return None
        finally:
            self._reader = None
