"""A lock on a file in a home, so that one process at a time stores what it imports, and others clean up after the dead.

The system releases it when its process ends, however it ends.
"""

import asyncio
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from m1app.question_sets.errors import no_room

_WAIT_SECONDS = 600.0
_POLL_SECONDS = 0.1


def open_lock(path: Path) -> int:
    """Open the lock's file without its lock; the caller closes the descriptor. Raises NoRoom."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise no_room(exc, path.parent) from exc


def try_lock(descriptor: int) -> bool:
    """Take the lock unless another import has it; closing the descriptor releases it."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


async def wait_for_lock(descriptor: int) -> None:
    """Take the lock as soon as no other import has it; raises TimeoutError after ten minutes."""
    async with asyncio.timeout(_WAIT_SECONDS):
        while not try_lock(descriptor):  # noqa: ASYNC110 - another process may have it
            await asyncio.sleep(_POLL_SECONDS)
