"""The app's programs in processes of their own that start at once: forked from a Python that has imported the app.

A test run starts the app and its commands some two hundred times, and most of each start is the import of the same
modules. A forked program is otherwise what `python -m m1app` is: it has its own standard streams, environment, folder,
signals and exit status; it waits for its threads and calls what was registered with `atexit`. Three things are left
out, which took longer than most commands: a new database is a copy of a migrated one (`tests/migrated_copies.py`),
passwords are hashed quickly (`tests/light_cryptography.py`), and the modules are not taken apart at the end. Where the
system has no pidfd (it is Linux's), programs are started as usual.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

_ROOT = Path(__file__).resolve().parents[1]
_MODULES = ("m1app.cli.main", "m1app.ui.serve", "tests.stall_watch")
_MOST_BYTES = 1 << 17

Streams = tuple[IO[Any] | int, IO[Any] | int, IO[Any] | int]


def start(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], streams: Streams
) -> "WarmProcess | subprocess.Popen[bytes]":
    """`python -m MODULE ARGUMENTS` in the project's folder, with these standard streams."""
    if hasattr(os, "pidfd_open"):
        return _parent().start(module, arguments, environment, streams)
    command = [sys.executable, "-m", module, *arguments]
    stdin, stdout, stderr = streams
    return subprocess.Popen(command, cwd=_ROOT, env=environment, stdin=stdin, stdout=stdout, stderr=stderr)


class WarmProcess:
    """A program that was forked; methods as those of `subprocess.Popen`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.pid = int(connection.recv(64))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Exit status; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Exit status, once it has ended."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._connection.recv(64) or -signal.SIGKILL)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class _Parent:
    """The Python that forks; it ends with this process."""

    def __init__(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind("")  # An abstract address of the kernel's choice.
        listener.listen()
        self._address = listener.getsockname()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(listener.fileno())],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            # As `m1app.cli.serve` does before it imports Gradio.
            env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"},
        )
        listener.close()
        atexit.register(self._process.kill)

    def start(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], streams: Streams
    ) -> WarmProcess:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(self._address)
        task = json.dumps([module, list(arguments), dict(environment)]).encode()
        null = os.open(os.devnull, os.O_RDWR)
        numbers = [null if each == subprocess.DEVNULL else _number(each) for each in streams]
        socket.send_fds(connection, [task], numbers)
        os.close(null)
        return WarmProcess(connection)


def _number(stream: IO[Any] | int) -> int:
    return stream if isinstance(stream, int) else stream.fileno()


@cache
def _parent() -> _Parent:
    return _Parent()


def _serve(listener: socket.socket) -> None:
    """Fork a program for each connection, until standard input ends; returns in each forked process, ready to run."""
    running = selectors.DefaultSelector()
    running.register(listener, selectors.EVENT_READ)
    running.register(0, selectors.EVENT_READ)
    while True:
        for key, _ in running.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                message, streams, *_ = socket.recv_fds(connection, _MOST_BYTES, 3)
                if (pid := os.fork()) == 0:
                    running.close()
                    listener.close()
                    connection.close()
                    module, arguments, environment = json.loads(message)
                    _become(module, arguments, environment, streams)
                    return
                for each in streams:
                    os.close(each)
                connection.send(str(pid).encode())
                running.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
            elif key.fileobj == 0:
                raise SystemExit(0)
            else:
                pid, connection = key.data
                running.unregister(key.fileobj)
                os.close(key.fd)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with suppress(OSError):  # Nobody waits for it any more.
                    connection.send(str(status).encode())
                connection.close()


def _become(module: str, arguments: list[str], environment: dict[str, str], streams: list[int]) -> None:
    """Take the standard streams, environment and arguments of `module`, which is run next."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - for its whole life
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]


def _run(module: str) -> None:
    """Run a module as a program, and end the process as Python does, up to where it would take its modules apart."""
    code: object = None
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as exc:
        code = exc.code
    if not isinstance(code, int | None):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # Python says what it thinks of that.
        raise SystemExit(code) from None
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    for name in _MODULES:
        importlib.import_module(name)
    from tests.light_cryptography import make_light
    from tests.migrated_copies import Copies

    make_light()
    Copies().prepare().replace_migration()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    _run(sys.argv[0])
