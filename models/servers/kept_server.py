"""A server process that goes on when the app ends, and the record by which a later start of the app finds it.

Loading a large model takes minutes, so a server may be kept over a restart of the app, also over one that was killed.
Instead of a guard it has a record: process, address, key, and what it was started with. The record is in a file that
only its user can read; it is written before the server's program runs, so no server is without one. Linux only.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Event, Thread

import filelock
import httpx2

from models.engine.endpoint import Endpoint
from models.servers.process_guard import inherited_environment
from models.servers.server_log import LINE_CHARACTERS, ServerLog
from models.servers.server_process import GRACE_SECONDS, ServerCommand, describe_exit, with_port

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PROC = Path("/proc")
_POLL_SECONDS = 0.1
_MOST_OUTPUT_BYTES = 5 << 20
_LATEST_BYTES = 16 << 10
"""Of the output of a server that was started earlier; the log has the rest already."""
_LISTING_BYTES = 1 << 20
_SECONDS = 2.0
_LOCK_SECONDS = 60.0
# Runs the command only once its record is written, in the same process; does nothing if the app ended before that.
_WAIT = """
import os, sys
if os.read(0, 1):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execvp(sys.argv[1], sys.argv[1:])
"""


def process_start(pid: int) -> str | None:
    """What tells a process from a later one with its number: the machine's boot and the time since; None if it ended.

    None where the system does not say, too.
    """
    try:
        # The name, in parentheses, may hold anything.
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot} {fields[19]}"


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A server that was kept."""

    pid: int
    started: str
    """See `process_start`."""
    base_url: str
    api_key: str = field(repr=False)
    fingerprint: str
    """See `fingerprint`."""
    model: str
    """The name that it serves."""
    owner_pid: int
    """The app's process that uses it, or used it last."""
    owner_started: str

    @property
    def is_running(self) -> bool:
        """Whether that process still runs."""
        return process_start(self.pid) == self.started

    @property
    def other_owner(self) -> int | None:
        """Another process of the app that uses it now; None if there is none."""
        is_ours = self.owner_pid == os.getpid()
        return None if is_ours or process_start(self.owner_pid) != self.owner_started else self.owner_pid

    @property
    def endpoint(self) -> Endpoint:
        """Where it is asked."""
        return Endpoint(self.base_url, self.api_key)


class KeptServers:
    """The place of one server's record and output."""

    def __init__(self, directory: Path, name: str) -> None:
        """Args:
        directory: made when it is needed.
        name: of the files in it.
        """
        self._path = directory / f"{name}-kept.json"
        self.output = directory / f"{name}-output.log"

    def locked(self) -> filelock.BaseFileLock:
        """Held while it is decided whether a server is started: one of two processes waits for the other."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self._path.with_suffix(".lock"), timeout=_LOCK_SECONDS)

    def read(self) -> KeptRecord | None:
        """The record of a server that runs; what is left of one that has ended is removed."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            record = KeptRecord(**content)
            is_whole = type(record.pid) is int and record.pid > 1 and type(record.owner_pid) is int
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            is_whole = False
        if not is_whole or not record.is_running:
            self.remove()
            return None
        return record

    def write(self, record: KeptRecord) -> None:
        """Keep a record; raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        # Created with these permissions, so that the key is never readable by others.
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(record), file)
        partial.replace(self._path)

    def remove(self) -> None:
        """Remove the record, if there is one."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def fingerprint(command: ServerCommand) -> str:
    """The same for two commands that differ only in address and secrets."""
    argv = with_port(command, "PORT")
    env = {name: value for name, value in command.env.items() if name not in command.secrets}
    return hashlib.sha256(json.dumps([argv, sorted(env.items()), str(command.cwd)]).encode()).hexdigest()


class Answer(StrEnum):
    """How a server that was kept answers."""

    NONE = "none"
    """Not at all, or not yet."""
    GOOD = "good"
    FOREIGN = "foreign"
    """It refuses the key, or serves other models."""


def ask(record: KeptRecord) -> Answer:
    """Ask a kept server for its models. Blocks for a few seconds."""
    headers = {"Authorization": f"Bearer {record.api_key}"}
    body = b""
    try:
        url = f"{record.base_url}/v1/models"
        with httpx2.stream("GET", url, headers=headers, timeout=_SECONDS, trust_env=False) as answer:
            if answer.status_code in (401, 403):
                return Answer.FOREIGN
            if answer.status_code != 200:
                return Answer.NONE
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _LISTING_BYTES:
                    return Answer.FOREIGN
    except httpx2.HTTPError:
        return Answer.NONE
    try:
        names = [entry["id"] for entry in json.loads(body)["data"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        return Answer.FOREIGN
    return Answer.GOOD if record.model in names else Answer.FOREIGN


class KeptProcess:
    """A running server without a guard, begun here or earlier. Has what `ServerProcess` has, and `leave`."""

    def __init__(
        self,
        record: KeptRecord,
        process: "subprocess.Popen[bytes] | None",
        output: Path,
        log: ServerLog | None,
        on_line: Callable[[str], None],
    ) -> None:
        """Args:
        record: of the server.
        process: as it was started here; None for one of an earlier start.
        output: the file that it writes to.
        log: receives every line of it; None reads nothing.
        on_line: called with every log line, from another thread.
        """
        self.base_url: str | None = record.base_url
        self.error: str | None = None
        self.pid: int | None = record.pid
        self.is_adopted = process is None
        self._record = record
        self._process = process
        self._output = output
        self._log = log
        self._on_line = on_line
        self._is_left = Event()
        self._reader = Thread(target=self._follow, name="server-output", daemon=True)
        if log is not None:
            self._reader.start()

    @classmethod
    def start(
        cls,
        command: ServerCommand,
        key: str,
        model: str,
        kept: KeptServers,
        log: ServerLog,
        on_line: Callable[[str], None],
    ) -> "KeptProcess":
        """Start one; raises OSError."""
        assert command.base_url is not None
        kept.output.parent.mkdir(parents=True, exist_ok=True)
        output = os.open(kept.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _WAIT, *command.argv],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**inherited_environment(), "PYTHONUNBUFFERED": "1", **command.env},
                cwd=command.cwd,
                start_new_session=True,
            )
        finally:
            os.close(output)
        try:
            record = KeptRecord(
                pid=process.pid,
                started=process_start(process.pid) or "",
                base_url=command.base_url,
                api_key=key,
                fingerprint=fingerprint(command),
                model=model,
                owner_pid=os.getpid(),
                owner_started=process_start(os.getpid()) or "",
            )
            kept.write(record)
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.write(b"\n")
                process.stdin.flush()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdin is not None:
                process.stdin.close()
        return cls(record, process, kept.output, log, on_line)

    def exited(self) -> str | None:
        """How it ended, in words; None while it runs."""
        if self._process is not None:
            returncode = self._process.poll()
            return None if returncode is None else describe_exit(returncode)
        return None if self._record.is_running else "it is gone, and how it ended is not known"

    def end(self) -> None:
        """Stop the process and everything it started; returns when they have exited."""
        if self.exited() is None:
            self._signal(signal.SIGTERM)
            self._await_exit()
        # Helpers of a server that crashed are still in its group; its number is not given to another process meanwhile.
        if process_start(self._record.pid) in (None, self._record.started):
            self._signal(signal.SIGKILL)
        self._await_exit()
        self.leave()

    def leave(self) -> None:
        """Read no more of its output; it goes on."""
        self._is_left.set()
        if self._log is not None:
            self._reader.join()

    def drain(self) -> None:
        """Wait until the output of a finished process has been read."""
        self.leave()

    def _await_exit(self) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        while self.exited() is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS / 2)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._record.pid, number)

    def _follow(self) -> None:
        with self._output.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if self._process is None and size > _LATEST_BYTES:
                file.seek(size - _LATEST_BYTES)
                file.readline(LINE_CHARACTERS)
            rest = b""
            while True:
                # Looked at first: what was written before it is read.
                is_over = self._is_left.is_set()
                *lines, rest = (rest + file.read(1 << 16)).split(b"\n")
                for line in lines:
                    self._take(line)
                if len(rest) > LINE_CHARACTERS or (is_over and rest):
                    self._take(rest)
                    rest = b""
                if lines:
                    continue
                if is_over:
                    return
                if file.tell() > _MOST_OUTPUT_BYTES:
                    os.truncate(self._output, 0)  # The server appends, and the log has the lines.
                    file.seek(0)
                self._is_left.wait(_POLL_SECONDS)

    def _take(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        if text.strip() and self._log is not None:
            self._on_line(self._log.add(text))


def end_kept_server(kept: KeptServers) -> None:
    """Stop the server of a record, if one runs that no other process of the app uses. Blocks for seconds."""
    with kept.locked():
        record = kept.read()
        if record and not record.other_owner:
            end_record(kept, record)


def end_record(kept: KeptServers, record: KeptRecord) -> None:
    """Stop the server of a record, under the lock."""
    KeptProcess(record, None, kept.output, None, lambda _: None).end()
    kept.remove()
