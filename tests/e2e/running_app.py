"""The real app in its own process, for tests that use it from outside."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx2

from models.weights.catalog import Catalog
from models.weights.weights_file import write_stamp
from tests import warm_python
from tests.shallow_model import write_shallow

_ROOT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.1
START_SECONDS = 240.0


def wait_until(is_so: Callable[[], Any], what: str, timeout_seconds: float = 240.0) -> Any:
    """Return the result of `is_so` once it is true; fail with `what` after the timeout."""
    deadline, pause = time.monotonic() + timeout_seconds, threading.Event()
    while not (result := is_so()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_seconds:g} s: {what}")
        pause.wait(_POLL_SECONDS)
    return result


class RunningApp:
    """`python app.py` with its own home and port, watched for what blocks its event loop."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = settings
        self._process: warm_python.WarmProcess | subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or start again on the same home and port; returns when the page is served."""
        with (self.home / "app.log").open("ab") as log:
            self._process = self.launch(log)
        try:
            wait_until(self._is_serving, "the page is served", START_SECONDS)
        except BaseException:
            self.kill()
            raise

    def launch(self, log: IO[bytes]) -> "warm_python.WarmProcess | subprocess.Popen[bytes]":
        """Start the program itself."""
        return warm_python.start("tests.stall_watch", (), self.environment(), (subprocess.DEVNULL, log, log))

    def wait_for_engine(self) -> None:
        """Return when the engine is ready."""
        wait_until(lambda: self.health()["engine"] == "ready", "the engine is ready", START_SECONDS)

    def stop(self) -> None:
        """Stop it like Ctrl+C."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(120)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill it like a power failure."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def engine_pid(self) -> int | None:
        """Process of the embedded engine; None while there is none."""
        assert self._process is not None
        for pid in _descendants(self._process.pid):
            with contextlib.suppress(OSError):
                if b"models.servers.llama_worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    @contextmanager
    def engine_held(self) -> Iterator[None]:
        """The embedded engine generates nothing meanwhile: what runs goes on running, however slow a page is."""
        pid = self.engine_pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def admin_headers(self) -> dict[str, str]:
        """Headers of a request of the admin's."""
        return {"Cookie": "; ".join(f"{each['name']}={each['value']}" for each in self.admin_cookies())}

    def admin_cookies(self) -> list[Any]:
        """The admin's session, as a browser gets it from the link that the start prints; none with accounts."""
        links: list[str] = re.findall(r"^As admin: (\S+)$", self.log(), re.MULTILINE)
        if not links:
            return []
        answer = httpx2.get(links[-1], follow_redirects=False, timeout=60, trust_env=False)
        value = answer.cookies.get("m1-session")
        return [{"name": "m1-session", "value": value, "url": self.url}] if value else []

    def health(self) -> dict[str, Any]:
        """The engine's state and more; a 503 while the app is not ready says it too."""
        try:
            return self.get_json("/healthz/ready")
        except urllib.error.HTTPError as exc:
            content: dict[str, Any] = json.load(exc)
            return content

    def get_json(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            content: dict[str, Any] = json.load(response)
            return content

    def trace(self, trace_id: str) -> dict[str, Any]:
        """A trace as its download gives it."""
        return self.get_json(f"/traces/{trace_id}.json")

    def log(self) -> str:
        return (self.home / "app.log").read_text(encoding="utf-8", errors="replace")

    def _is_serving(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the app ended: {self.log()[-2000:]}"
        with contextlib.suppress(OSError, urllib.error.URLError):
            return bool(self.get_json("/healthz/live")["ok"])
        return False

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("M1_")}
        own = {
            "M1_HOME": str(self.home),
            "M1_PORT": str(self.port),
            # The engine's threads wait by spinning: with as many as there are cores, a browser beside it starves it.
            "M1_THREADS": os.environ.get("M1_THREADS", "1"),
            "M1_PARALLEL_REQUESTS": "2",
            "M1_CONTEXT_LENGTH": "2048",
        }
        return inherited | own | self._settings


class PlainApp(RunningApp):
    """`python app.py`, started as a person does."""

    def launch(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "app.py"]
        return subprocess.Popen(command, cwd=_ROOT, env=self.environment(), stdout=log, stderr=subprocess.STDOUT)


@contextmanager
def running(app: RunningApp, *, with_engine: bool = True) -> Iterator[RunningApp]:
    """The app, started; ended afterwards."""
    app.start()
    try:
        if with_engine:
            app.wait_for_engine()
        yield app
    finally:
        app.stop()


def make_home(folder: Path, weights: Path) -> Path:
    """A home that already has the embedded model: hard links to the files beside `weights`, or copies of them."""
    models = folder / "models" / weights.parent.name
    models.mkdir(parents=True)
    for file in weights.parent.glob(f"{weights.name}*"):
        try:
            os.link(file, models / file.name)
        except OSError:  # Another file system.
            (models / file.name).write_bytes(file.read_bytes())
    return folder


def make_shallow_home(folder: Path, weights: Path) -> Path:
    """The same with few of the model's layers, for tests that wait for many tokens and do not care which."""
    path = make_home(folder, weights) / "models" / weights.parent.name / weights.name
    path.unlink()
    write_shallow(weights, path)
    os.truncate(path, weights.stat().st_size)  # The app checks the size, and hashes no file that its stamp describes.
    write_stamp(path, path.with_name(f"{path.name}.stamp"), Catalog.load().get(weights.parent.name).sha256)
    return folder


def closed_port() -> int:
    """A port where nothing is listening."""
    return _free_port()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text(encoding="ascii").split()):
                yield child
                yield from _descendants(child)
