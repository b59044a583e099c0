"""One run of a server process under the guard: start it, read its output, stop it. `managed_server` restarts it.

A server may send messages to the app as JSON lines on standard output: `{"listening_address": "http://...", "hardware":
"CPU, 4 threads"}` once it listens, `{"error": "..."}` if it cannot start. Everything else it writes goes to the log.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

from models.servers.process_guard import PID_LINE, guarded, inherited_environment
from models.servers.server_log import LINE_CHARACTERS, ServerLog

GRACE_SECONDS = 5.0
"""How long a server may take to exit after TERM."""
_READER_SECONDS = 2.0
_SIGNAL_WORDS = {
    signal.SIGKILL: "out of memory?",
    signal.SIGABRT: "it aborted after an internal error",
    signal.SIGSEGV: "a bug in the server, or damaged weights",
    signal.SIGILL: "built for another processor?",
    signal.SIGBUS: "a bug in the server, or a truncated file",
    signal.SIGTERM: "asked to stop",
}


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """How to start a server process."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to the app's environment; passes the API key."""
    cwd: Path | None = None
    base_url: str | None = None
    """Where it will listen; None if it reports the address on standard output."""
    secrets: frozenset[str] = frozenset()
    """Variables of `env` that nobody is shown."""


def with_port(command: ServerCommand, port: str) -> tuple[str, ...]:
    """The arguments with another text in the place of the port, which stands before all options."""
    argv, own = list(command.argv), (command.base_url or "").rpartition(":")[2]
    if own in argv:
        argv[argv.index(own)] = port
    return tuple(argv)


def describe_exit(returncode: int) -> str:
    """Describes how a process exited; negative numbers are signals, as in `subprocess`."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        number = signal.Signals(-returncode)
    except ValueError:
        return f"killed by signal {-returncode}"
    words = _SIGNAL_WORDS.get(number)
    return f"killed by signal {-returncode} ({words})" if words else f"killed by signal {-returncode} ({number.name})"


class ServerProcess:
    """A running server process; its messages update the attributes and its output goes to the log."""

    def __init__(self, command: ServerCommand, log: ServerLog, on_line: Callable[[str], None]) -> None:
        """Start it.

        Args:
            command: what to run.
            log: receives every line of standard output and standard error.
            on_line: called with every log line, from the reading threads.

        Raises:
            OSError: the guard could not be started (out of memory or processes).
        """
        self.base_url = command.base_url
        self.error: str | None = None
        self.hardware = ""
        """What computes, in words, if it says so."""
        self.pid: int | None = None
        self._log = log
        self._on_line = on_line
        self._guard = subprocess.Popen(
            guarded(command.argv, GRACE_SECONDS),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**inherited_environment(), "PYTHONUNBUFFERED": "1", **command.env},
            cwd=command.cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._readers = [
            Thread(target=self._read, args=(stream, take), daemon=True)
            for stream, take in ((self._guard.stdout, self._take_output), (self._guard.stderr, self._take_line))
        ]
        for reader in self._readers:
            reader.start()

    def exited(self) -> str | None:
        """How it ended, in words; None while it runs."""
        returncode = self._guard.poll()
        return None if returncode is None else describe_exit(returncode)

    def end(self) -> None:
        """Stop the process and everything it started; returns when they have exited."""
        guard = self._guard
        with suppress(OSError):
            if guard.stdin is not None:
                guard.stdin.close()
        try:
            guard.wait(GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            self._kill()
        self.drain()

    def drain(self) -> None:
        """Wait until the output of a finished process has been read."""
        for reader in self._readers:
            reader.join(_READER_SECONDS)
        if self._guard.stdin is not None:
            with suppress(OSError):
                self._guard.stdin.close()

    def _kill(self) -> None:
        """The guard hangs: kill its command's process group and the guard itself."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._guard.kill()
        self._guard.wait()

    def _read(self, stream: IO[str], take: Callable[[str], None]) -> None:
        with stream:
            for line in iter(lambda: stream.readline(LINE_CHARACTERS), ""):
                take(line)

    def _take_output(self, line: str) -> None:
        said = _parse_json(line)
        address, error, hardware = said.get("listening_address"), said.get("error"), said.get("hardware")
        if isinstance(hardware, str):
            self.hardware = hardware
        if isinstance(error, str):
            self.error = error
        if isinstance(address, str):
            self.base_url = address.rstrip("/")
        self._take_line(line)

    def _take_line(self, line: str) -> None:
        if self.pid is None and line.startswith(PID_LINE):
            self.pid = int(line.removeprefix(PID_LINE))
        if line.strip():
            self._on_line(self._log.add(line))


def _parse_json(line: str) -> dict[str, object]:
    if not line.startswith("{"):
        return {}
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):  # any line of output that begins like JSON
        return {}
    return parsed if isinstance(parsed, dict) else {}
