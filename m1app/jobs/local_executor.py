"""Workers as local processes, which outlive the app that started them.

Each worker has its own session, so that Ctrl+C in the app's terminal does not reach it. Its handle holds host, process
id and start time, so that a later process with the same id is not mistaken for it.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from m1app.background import start_thread
from m1app.jobs.errors import ExecutorError
from m1app.jobs.executor import WORKER_PROGRAM, WorkerTask
from m1app.jobs.watching import Presence
from models.servers.process_guard import inherited_environment

_PROJECT = Path(__file__).resolve().parents[2]
_START_FIELD = 19
"""Index in /proc/PID/stat of the start time (clock ticks since boot), counted from the state, the first field after the
name."""


class LocalExecutor:
    """Runs workers as processes on this machine."""

    def __init__(self, program: tuple[str, ...] = WORKER_PROGRAM) -> None:
        """`program` is passed to this interpreter, followed by the job's id."""
        self._program = program

    def start(self, task: WorkerTask) -> str:
        """Start a worker whose output is appended to the task's log."""
        try:
            with task.log_path.open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, *self._program, task.job_id],
                    cwd=_PROJECT,
                    env={**inherited_environment(), "PYTHONUNBUFFERED": "1", **task.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as exc:
            raise ExecutorError(
                f"The worker could not be started ({exc.strerror}: {exc.filename or sys.executable}). "
                "Free memory or disk space, then resume the job."
            ) from exc
        handle = handle_of(process.pid)
        # The child must be reaped, or it would stay a zombie for as long as the app runs.
        start_thread(process.wait, f"worker-{process.pid}")
        return handle

    def look(self, handle: str) -> Presence:
        """Return the process's presence; processes on other machines cannot be checked."""
        pid = _pid_here(handle)
        if pid is None:
            return Presence.UNKNOWN
        return Presence.ALIVE if _runs(pid) and handle_of(pid) == handle else Presence.GONE

    def stop(self, handle: str) -> None:
        """Send SIGTERM to the process and its children."""
        self._signal(handle, signal.SIGTERM)

    def kill(self, handle: str) -> None:
        """Send SIGKILL to the process and its children."""
        self._signal(handle, signal.SIGKILL)

    def written(self, handle: str) -> str:
        """Return nothing: all output is in the log file."""
        return ""

    def _signal(self, handle: str, number: signal.Signals) -> None:
        pid = _pid_here(handle)
        if pid is not None and self.look(handle) is Presence.ALIVE:
            with suppress(ProcessLookupError):
                os.killpg(pid, number)


def handle_of(pid: int) -> str:
    """Return the handle of a local process: host:pid:start; start is empty if the system does not provide it."""
    fields = _stat_fields(pid)
    return f"{socket.gethostname()}:{pid}:{fields[_START_FIELD] if fields else ''}"


def _pid_here(handle: str) -> int | None:
    host, _, rest = handle.partition(":")
    pid = rest.partition(":")[0]
    return int(pid) if host == socket.gethostname() and pid.isdecimal() else None


def _runs(pid: int) -> bool:
    fields = _stat_fields(pid)
    if fields:
        return fields[0] not in ("Z", "X")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; empty if there is no such file."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    # The preceding name is in parentheses and may contain anything, including parentheses.
    return stat.rpartition(")")[2].split()
