"""A real Ray of one node, started for the tests and ended with them."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_START_SECONDS = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def ray_cluster(home: Path, gpus: int = 0) -> Iterator[str]:
    """Address of the dashboard of a head with two CPUs for each GPU that it believes to have, and two more."""
    dashboard = free_port()
    programs = Path(sys.executable).parent
    # Ray's sockets lie in its folder, and the path of a socket has at most 107 bytes.
    command = [
        *(str(programs / "ray"), "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--port={free_port()}", f"--dashboard-port={dashboard}"),
        *(f"--num-cpus={2 + 2 * gpus}", f"--num-gpus={gpus}"),
        *("--node-ip-address=127.0.0.1", "--object-store-memory=100000000", f"--temp-dir={home}"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("M1_", "RAY_"))}
    # A node finds the worker's interpreter on its PATH.
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    with (home / "head.log").open("wb") as log:
        head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            address = f"http://127.0.0.1:{dashboard}"
            _wait_until_ready(address, head, home / "head.log")
            yield address
        finally:
            _end(head)


def _wait_until_ready(address: str, head: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        with suppress(OSError):
            urllib.request.urlopen(f"{address}/api/jobs/", timeout=5).close()
            return
        assert head.poll() is None, f"Ray ended:\n{log.read_text()}"
        assert time.monotonic() < end, f"Ray did not start in {_START_SECONDS:.0f} s:\n{log.read_text()}"
        time.sleep(0.5)


def _end(head: "subprocess.Popen[bytes]") -> None:
    head.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        head.wait(30)
    with suppress(ProcessLookupError):
        os.killpg(head.pid, signal.SIGKILL)
    head.wait()
