"""Watches a download from the hub: what it may add to the disk, how long it may stand still, what it may print.

`datasets` sets no bounds of its own: neither the size of a repository nor its pace is known before.
"""

import asyncio
import os
import shutil
import signal
from asyncio import StreamReader
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from m1app.question_sets.errors import InvalidQuestionSet
from models.busy_folder import file_sizes

MAX_DOWNLOAD_BYTES = 20 * 10**9
"""What one download may add to the disk, with the copies that `datasets` makes of it."""
MIN_FREE_BYTES = 10**9
"""What stays free for the rest of the app."""
IDLE_SECONDS = 900.0
"""How long a download may add nothing; converting a large file takes a while."""
_MAX_OUTPUT_BYTES = 64 * 1024
_POLL_SECONDS = 1.0


async def watched_output(process: Process, request: bytes, folders: Sequence[Path]) -> tuple[bytes, bytes]:
    """Send the request, and return the ends of what the process prints to standard output and error.

    The process is gone when this returns, however it does.

    Args:
        process: has pipes.
        request: for its standard input.
        folders: where it writes.

    Raises:
        InvalidQuestionSet: it takes too much of the disk, or stands still.
    """
    watch: asyncio.Task[object] = asyncio.create_task(_watch(folders))
    talk = asyncio.create_task(_talk(process, request))
    try:
        await asyncio.wait([watch, talk], return_when=asyncio.FIRST_COMPLETED)
        if not talk.done():
            await watch
        return await talk
    finally:
        if not talk.done():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)  # Not kill(), which would take its status from asyncio.
        watch.cancel()
        talk.cancel()
        await asyncio.gather(watch, talk, return_exceptions=True)
        await asyncio.shield(process.wait())


async def _talk(process: Process, request: bytes) -> tuple[bytes, bytes]:
    assert process.stdout
    assert process.stderr
    async with asyncio.TaskGroup() as group:
        output = group.create_task(_end_of(process.stdout))
        complaints = group.create_task(_end_of(process.stderr))
        group.create_task(_sent(process, request))
    return output.result(), complaints.result()


async def _sent(process: Process, request: bytes) -> None:
    assert process.stdin
    try:
        process.stdin.write(request)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # It ended; its status says why.
    finally:
        process.stdin.close()


async def _end_of(stream: StreamReader) -> bytes:
    kept = b""
    while part := await stream.read(_MAX_OUTPUT_BYTES):
        kept = (kept + part)[-_MAX_OUTPUT_BYTES:]
    return kept


async def _watch(folders: Sequence[Path]) -> None:
    """Return never; raises InvalidQuestionSet as `watched_output`."""
    clock = asyncio.get_running_loop().time
    begin = size = await asyncio.to_thread(_size, folders)
    changed_at = clock()
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        found = await asyncio.to_thread(_size, folders)
        if found != size:
            size, changed_at = found, clock()
        free = (await asyncio.to_thread(shutil.disk_usage, folders[0])).free
        if problem := _problem(size - begin, free, clock() - changed_at):
            raise InvalidQuestionSet(problem)


def _problem(added: int, free: int, idle_seconds: float) -> str:
    """Why the download must end; empty if it may go on."""
    if added > MAX_DOWNLOAD_BYTES:
        return (
            f"The download needs more than {MAX_DOWNLOAD_BYTES // 10**9} GB of disk. Choose a smaller part (config "
            "and split), or import a single file."
        )
    if added > 0 and free < MIN_FREE_BYTES:
        return (
            f"The download leaves less than {MIN_FREE_BYTES // 10**9} GB free on the disk of M1_HOME. Free some space."
        )
    if idle_seconds > IDLE_SECONDS:
        return f"The download made no progress for {IDLE_SECONDS / 60:.0f} minutes. Check the network, then try again."
    return ""


def _size(folders: Sequence[Path]) -> int:
    """Bytes of the files in the folders; those that vanish meanwhile count as nothing."""
    return sum(size for folder in folders for _, size in file_sizes(folder))
