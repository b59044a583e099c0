"""The app as users start it: `python app.py` in its own process, with an empty home and downloaded weights."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from m1app.engines.own_engine import DEFAULT_MODEL_ID
from m1app.settings import EngineChoice, load_settings
from models.weights.catalog import Catalog
from models.weights.download import download

_ROOT = Path(__file__).resolve().parents[1]
_POLL_SECONDS = 0.02
_STOP_SECONDS = 30.0


def weights_directory() -> Path:
    """Where weights are kept between runs: in M1_HOME, not in a measurement's own home."""
    return load_settings().models_directory


@dataclass(frozen=True, slots=True)
class AppProcess:
    """A started app."""

    process: subprocess.Popen[bytes]
    port: int
    started_at: float
    """Seconds of the monotonic clock, just before the process was created."""
    log: Path

    def get(self, path: str) -> tuple[int, bytes] | None:
        """Status and body of a GET; None while nothing is listening."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return None
        finally:
            connection.close()

    def wait_for_page(self, timeout_seconds: float) -> float:
        """Seconds from the start to the first 200 of the page."""
        while (answer := self.get("/")) is None or answer[0] != 200:
            self._pause(timeout_seconds, "the page")
        return time.monotonic() - self.started_at

    def wait_for_engine(self, timeout_seconds: float) -> float:
        """Seconds from the start to a ready engine, as reported by the health check."""
        while not (answer := self.get("/healthz")) or json.loads(answer[1]).get("engine") != "ready":
            self._pause(timeout_seconds, "the engine")
        return time.monotonic() - self.started_at

    def resident_mib(self) -> float:
        """Resident memory of the app's own process, without the engine's."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the app's process is gone")

    def _pause(self, timeout_seconds: float, awaited: str) -> None:
        if self.process.poll() is not None or time.monotonic() - self.started_at > timeout_seconds:
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"{awaited} did not come within {timeout_seconds:.0f} s:\n{tail}")
        time.sleep(_POLL_SECONDS)


@contextmanager
def running_app(**environment: str) -> Iterator[AppProcess]:
    """Start `python app.py` and end it; further M1_* variables by keyword."""
    # An interrupted measurement must not leave the app running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="m1-benchmark-") as folder:
        home, port = Path(folder), free_port()
        if load_settings().engine is EngineChoice.EMBEDDED:
            download(Catalog.load().get(DEFAULT_MODEL_ID), weights_directory())
            (home / "models").symlink_to(weights_directory(), target_is_directory=True)
        own = {"M1_HOME": folder, "M1_PORT": str(port), "M1_HOST": "127.0.0.1"}
        log = home / "app.log"
        with log.open("wb") as output:
            started_at = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=_ROOT,
                env=os.environ | own | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield AppProcess(process, port, started_at, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """A free port on the loopback address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
