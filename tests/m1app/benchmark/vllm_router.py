"""vLLM's router in front of servers, with the options that deploy/compose.replicas.yaml starts it with."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import yaml

from tests.conftest import ROOT, VLLM_PYTHON

_START_SECONDS = 60.0


@contextmanager
def vllm_router(log_path: Path, *servers: str) -> Iterator[str]:
    """Run it and yield its address."""
    port, metrics_port = _free_ports()
    command = [str(VLLM_PYTHON), "-m", "vllm_router.launch_router", *_options(), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--prometheus-port", str(metrics_port), "--worker-urls", *servers]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _await_ready(url, process, log_path)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _options() -> list[str]:
    """Of the service in the compose file, without addresses."""
    services = yaml.safe_load((ROOT / "deploy" / "compose.replicas.yaml").read_text(encoding="utf-8"))["services"]
    command: list[str] = services["router"]["command"]
    return command[: command.index("--worker-urls")]


def _await_ready(url: str, process: "subprocess.Popen[bytes]", log_path: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx2.get(f"{url}/readiness", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the router did not start (is it in .venv-vllm? run make vllm): {log_path.read_text()[-2000:]}")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]
