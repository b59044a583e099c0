"""Shared by tests of managed servers: processes as the kernel sees them, and a server program to misuse."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from models.servers.managed_server import ManagedServer, ServerProgram
from models.servers.restarts import RestartPolicy
from models.servers.server_process import ServerCommand

QUICK = RestartPolicy(max_restarts=2, window_seconds=60, first_delay_seconds=0.05)

SLEEP = "import time; time.sleep(60)"

# A program that serves GET /v1/models to its key, as real engines do, and starts in 0.1 s.
SERVE = """
import http.server, json, os, subprocess, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_known = self.headers["Authorization"] == "Bearer " + os.environ["KEY"]
        self.send_response(200 if is_known else 401)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("key is", os.environ["KEY"], file=sys.stderr, flush=True)
print(json.dumps({"listening_address": f"http://127.0.0.1:{server.server_port}"}), flush=True)
"""


def python_server(script: str, log_path: Path, *, start_timeout_seconds: float = 20.0) -> ManagedServer:
    """A managed server over a Python script; its key is in the variable KEY."""

    def command(api_key: str) -> ServerCommand:
        return ServerCommand((sys.executable, "-c", script), {"KEY": api_key})

    program = ServerProgram(
        "The test engine",
        command,
        progress=lambda line: line.removeprefix("doing ") if line.startswith("doing ") else None,
        start_timeout_seconds=start_timeout_seconds,
    )
    return ManagedServer(program, log_path, QUICK)


def wait_until(is_so: Callable[[], bool], timeout_seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not (done := is_so()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return done


def is_running(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def pids_with_environment(entry: str) -> set[int]:
    """Running processes whose environment has `entry`, such as "NAME=value"."""
    found = set()
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.encode() in (directory / "environ").read_bytes().split(b"\0") and is_running(int(directory.name)):
                found.add(int(directory.name))
    return found - {os.getpid()}


def command_lines() -> str:
    """The command lines of all processes."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().decode("utf-8", "replace"))
    return "\n".join(lines)
