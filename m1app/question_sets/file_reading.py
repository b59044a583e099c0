"""Reads a file from a user in a process of its own (`reading_process`), and checks what comes back.

The process has the open file and nothing else: not its path, no settings, no database. Its messages are read one at a
time, so that neither side is ahead of the other by more than a batch.
"""

import asyncio
import json
import logging
import os
import signal
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from m1app.question_sets.errors import InvalidQuestionSet
from models.servers.process_guard import inherited_environment

SILENCE_SECONDS = 300.0
"""How long the process may work on one message."""
MAX_LINE_BYTES = 32 * 2**20
"""A batch of a million characters can take 12 MB as JSON."""
_ROOT = Path(__file__).resolve().parents[2]
_log = logging.getLogger(__name__)
_M = TypeVar("_M", bound=BaseModel)


class Message(BaseModel):
    """Base of what the process sends; strict, because the file decides what it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Line(BaseModel, Generic[_M]):
    """One line of the process: one of the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    message: _M | None = None
    is_end: bool = False
    refused: str = Field("", max_length=20_000)
    """Why the file cannot be used."""
    failed: str = Field("", max_length=1000)
    """Type and place of an unexpected error."""


@asynccontextmanager
async def file_messages(
    path: Path, producer: str, line: type[Line[_M]], *, file_name: str = "", ids: Path | None = None, **options: str
) -> AsyncIterator[AsyncIterator[_M]]:
    """Start reading a file; the process is gone when the block ends, however it ends.

    Args:
        path: a regular file, or a link to one.
        producer: "module:function", see `reading_process`.
        line: `Line` with the type of the messages.
        file_name: for messages to users, and to determine the format; empty uses the path's.
        ids: a second file, whose descriptor and name the producer gets as `ids_descriptor` and `ids_name`.
        options: further arguments of the producer.

    Yields:
        The messages, in order.

    Raises:
        InvalidQuestionSet: there, or from the iterator: the file cannot be read or used, or takes too much memory or
            time; or the process was killed.
    """
    name = file_name or _name(path)
    async with AsyncExitStack() as opened:
        file = await _opened_within(opened, _opened, path)
        # Whatever it writes to standard error may quote the file.
        nowhere = await _opened_within(opened, os.open, os.devnull, os.O_WRONLY)
        others: tuple[int, ...] = ()
        if ids is not None:
            others = (await _opened_within(opened, _opened, ids),)
            options |= {"ids_descriptor": str(others[0]), "ids_name": _name(ids)}
        request = json.dumps({"file_name": name, **options})
        process = await _started((file, nowhere, *others), producer, request, name)
    try:
        yield _messages(process, line, name)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)  # Not kill(), which would take its status from asyncio.
        await asyncio.shield(process.wait())


def _name(path: Path) -> str:
    return path.name.encode(errors="backslashreplace").decode()


async def _opened_within(stack: AsyncExitStack, open_file: Callable[..., int], *arguments: object) -> int:
    """Open a file in a thread; the descriptor is closed with the stack."""
    file = await asyncio.to_thread(open_file, *arguments)
    stack.callback(os.close, file)
    return file


def _opened(path: Path) -> int:
    """A file descriptor; a pipe or device, which could block or never end, is refused."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise InvalidQuestionSet(f"{_shown(path)}: the file cannot be read ({exc.strerror}). Check its name.") from exc
    except ValueError as exc:
        raise InvalidQuestionSet(f"{_shown(path)!r}: the file cannot be read ({exc}). Check its name.") from exc
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise InvalidQuestionSet(
            f"{_shown(path)}: found a folder, pipe or device, expected a file. Name the file itself."
        )
    return file


def _shown(path: Path) -> str:
    return str(path).encode(errors="backslashreplace").decode()


async def _started(files: tuple[int, ...], producer: str, request: str, name: str) -> Process:
    """Start the process with these open files: the one to read, a place for complaints, others."""
    file, nowhere, *others = files
    # Arrow's own pools reserve memory ahead; threads would reserve stacks and heaps of their own.
    environment = inherited_environment() | {
        "PYTHONPATH": str(_ROOT),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = (sys.executable, "-m", "m1app.question_sets.reading_process", producer, request, str(os.getpid()))
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=file,
            stdout=PIPE,
            stderr=nowhere,
            cwd="/",
            env=environment,
            limit=MAX_LINE_BYTES,
            pass_fds=others,
            start_new_session=True,
        )
    except OSError as exc:
        raise InvalidQuestionSet(
            f"{name}: the process that reads files cannot be started ({exc.strerror}). Free some memory and try again."
        ) from exc


async def _messages(process: Process, line: type[Line[_M]], name: str) -> AsyncIterator[_M]:
    while True:
        said = await _next_line(process, line, name)
        if said.refused:
            raise InvalidQuestionSet(said.refused)
        if said.failed:
            _log.error("the process that reads files failed: %s", said.failed)
            raise InvalidQuestionSet(
                f"{name}: the file cannot be read ({said.failed}). Export it again, in another format if possible, and "
                "report this as a bug of the app."
            )
        if said.is_end:
            return
        if said.message is None:
            raise _lost(name, "sent an empty message")
        yield said.message


async def _next_line(process: Process, line: type[Line[_M]], name: str) -> Line[_M]:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            text = await process.stdout.readline()
    except TimeoutError:
        raise _lost(name, f"took more than {SILENCE_SECONDS:.0f} s over one part of it") from None
    except ValueError:
        raise _lost(name, "sent a message that is too long") from None
    if not text.endswith(b"\n"):
        raise _lost(name, _ended(await process.wait()))
    try:
        # In a thread: a batch of long questions takes a while.
        return await asyncio.to_thread(line.model_validate_json, text)
    except ValidationError:
        raise _lost(name, "sent something else than questions") from None


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was ended by signal {-status}, which happens when a file takes too much memory or time"


def _lost(name: str, what: str) -> InvalidQuestionSet:
    return InvalidQuestionSet(
        f"{name}: the process that reads the file {what}. Split it into smaller files, or export it again."
    )
