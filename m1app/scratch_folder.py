"""A folder for one piece of work of a coroutine."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def scratch_folder(prefix: str, parent: Path | None = None) -> AsyncIterator[Path]:
    """Make a folder in `parent`, or among the system's temporary files, and remove it with all its files afterwards.

    A large file takes a disk a while, so both happen in a thread.
    """
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=prefix, dir=parent))
    try:
        yield folder
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
