"""Work that must be finished although its task is cancelled: the closing of a run."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Finish `work`, however often the caller is cancelled meanwhile; raises what `work` raises."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
