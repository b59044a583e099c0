"""A server process that goes on when the app ends.

Loading a large model takes minutes, so a server may be kept over a restart of the app, also over one that was killed.
Instead of a guard it has a record (`kept_record`), which is written before the server's program runs: no server is
without one.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

from models.errors import ServerStartFailed
from models.servers.kept_record import Answer, KeptRecord, KeptServers, ask, fingerprint, process_start
from models.servers.process_guard import inherited_environment
from models.servers.server_log import LINE_CHARACTERS, ServerLog
from models.servers.server_process import GRACE_SECONDS, ServerCommand, describe_exit

_POLL_SECONDS = 0.1
_MOST_OUTPUT_BYTES = 5 << 20
_LATEST_BYTES = 16 << 10
"""Of the output of a server that was started earlier; the log has the rest already."""
# Runs the command only once its record is written, in the same process; does nothing if the app ended before that.
_WAIT = """
import os, sys
if os.read(0, 1):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execvp(sys.argv[1], sys.argv[1:])
"""


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

    @property
    def is_shared(self) -> bool:
        """Whether it belongs to another process of the app, which goes on using it."""
        return self._record.other_owner is not None

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


def adopt(
    kept: KeptServers,
    record: KeptRecord,
    command: ServerCommand | None,
    log: ServerLog,
    on_line: Callable[[str], None],
) -> KeptProcess | None:
    """Take over a server of an earlier start, under the lock; None if it had to be stopped.

    Args:
        kept: has the record.
        record: of a process that runs.
        command: with which a server would be started; None if it is not to be kept.
        log: says what was done.
        on_line: see `KeptProcess`.

    Raises:
        ServerStartFailed: another process of the app uses it with another command, or it is not what is recorded; it
            was not touched.
    """
    place = f"process {record.pid} at {record.base_url}"
    is_same = command is not None and fingerprint(command) == record.fingerprint
    if not is_same and record.other_owner:
        raise ServerStartFailed(
            f"The server of this home ({place}) is in use by process {record.other_owner} of the app, with other "
            "options. Stop it there first: there is memory for only one."
        )
    if not is_same:
        log.add(f"The server of an earlier start ({place}) is stopped: its command was another one.")
        end_record(kept, record)
        return None
    if ask(record) is Answer.FOREIGN:
        raise ServerStartFailed(
            f"The server that was kept ({place}) refuses its key or serves another model than {record.model}. It was "
            "not touched. Stop it, and start again."
        )
    if not record.other_owner:
        record = replace(record, owner_pid=os.getpid(), owner_started=process_start(os.getpid()) or "")
        kept.write(record)
    log.add(f"The server of an earlier start ({place}) is taken over.")
    return KeptProcess(record, None, kept.output, log, on_line)


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
