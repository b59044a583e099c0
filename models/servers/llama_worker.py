"""The process of the embedded engine: llama.cpp behind its own HTTP server.

    python -m models.servers.llama_worker JSON

Takes a LlamaConfig as JSON and the API key in the environment. Prints `{"listening_address": ..., "hardware": ...}` on
standard output once it serves, or `{"error": ...}` before it exits with REFUSED; llama.cpp's own log goes to standard
error. Exits on TERM or INT, even while requests are running.

llama.cpp aborts the process on bad parameters and says little about bad files, so everything is checked first.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.weights.gguf_check import BadModelFile, GgufHeader, check_model_file

API_KEY_VARIABLE = "M1_LLAMA_API_KEY"
REFUSED = 78
"""Exit code when the configuration cannot be served (EX_CONFIG of sysexits.h)."""

_HOST = "127.0.0.1"
_CACHE_RAM_MIB = 512
_LOG_WARNINGS = 2
_FLASH_ATTENTION = {"auto": -1, "off": 0, "on": 1}
_CACHE_SHARES = {"f16": 1.0, "q8_0": 0.54, "q4_0": 0.29}
"""Size of a cache of each type, compared with 16 bits."""


class BadConfiguration(ValueError):
    """The server cannot be started with this configuration; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """What the worker serves, and how."""

    model_path: str
    model_id: str
    """The model name that requests use."""
    context_length: int
    """Tokens of prompt and completion together, for each request; at least 1."""
    parallel: int
    """How many requests run at once, each in its own slot; at least 1."""
    threads: int | None = None
    """None leaves the choice to llama.cpp: the physical cores."""
    gpu_layers: int = -1
    """Layers on a GPU, where there is one; -1 for all that fit."""
    flash_attention: str = "auto"
    """"auto", "on" or "off"."""
    cache_type: str = "f16"
    """Of the key-value cache: "f16", or less memory with "q8_0" or "q4_0"."""
    speculation: str = ""
    """"ngram" guesses tokens from what was generated before; empty for none. Several are computed in one step, which
    rounds differently, so a long greedy text can change."""
    port: int = 0
    """0 chooses a free one."""

    def to_json(self) -> str:
        """Serialize for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "LlamaConfig":
        """Read what `to_json` wrote.

        Raises:
            BadConfiguration: not JSON, or the fields do not match this class.
        """
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise BadConfiguration(f"The worker's configuration is not a LlamaConfig in JSON: {error}") from error


def check(config: LlamaConfig) -> GgufHeader:
    """Check everything that would make llama.cpp fail; returns the model's header.

    Raises:
        BadModelFile: the file is missing, foreign or truncated.
        BadConfiguration: a number is out of range, the port is taken, or the cache does not fit in memory.
    """
    for name, value in (("context_length", config.context_length), ("parallel", config.parallel)):
        if value < 1:
            raise BadConfiguration(f"{name} is {value}; set it to 1 or more.")
    _check_choices(config)
    if config.threads is not None and config.threads < 1:
        raise BadConfiguration(f"threads is {config.threads}; set it to 1 or more, or leave it out.")
    header = check_model_file(Path(config.model_path))
    _check_memory(config, header)
    _check_port(config.port)
    return header


def _check_choices(config: LlamaConfig) -> None:
    for name, chosen, allowed in (
        ("flash_attention", config.flash_attention, tuple(_FLASH_ATTENTION)),
        ("cache_type", config.cache_type, tuple(_CACHE_SHARES)),
        ("speculation", config.speculation, ("", "ngram")),
    ):
        if chosen not in allowed:
            raise BadConfiguration(f"{name} is {chosen!r}; choose one of: {', '.join(map(repr, allowed))}.")
    if config.cache_type != "f16" and config.flash_attention == "off":
        raise BadConfiguration("A quantised key-value cache needs flash attention; do not turn it off.")


def _check_memory(config: LlamaConfig, header: GgufHeader) -> None:
    tokens = config.context_length * config.parallel
    needed = header.cache_bytes_per_token() * tokens * _CACHE_SHARES[config.cache_type]
    available = _available_bytes()
    if available is not None and needed > available:
        raise BadConfiguration(
            f"{config.parallel} requests of {config.context_length:,} tokens need {needed / 2**30:.1f} GiB for their "
            f"key-value cache, but {available / 2**30:.1f} GiB of memory are free. Lower the context length or the "
            "number of parallel requests."
        )


def _available_bytes() -> int | None:
    """Free memory as Linux counts it; None elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except (OSError, OverflowError) as error:
            raise BadConfiguration(f"Port {port} on {_HOST} cannot be used ({error}). Choose another, or 0.") from error


def serve(config: LlamaConfig, header: GgufHeader, api_key: str) -> None:
    """Serve until TERM or INT; `config` must have passed `check`."""
    # How long OpenMP threads spin before they sleep; read when the library loads. Long spinning starves them under
    # other load (both of 2 cores busy: 1 to 30 tokens/s), no spinning slows an idle machine (25 instead of 90
    # tokens/s); this value reached 50 to 88 tokens/s idle and 23 to 43 under load.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import xllamacpp  # Imported late, so that a refusal does not wait for it.

    params = xllamacpp.CommonParams()
    # llama.cpp limits each slot to the trained context, but would still reserve memory for a longer one.
    context_length = min(config.context_length, header.number("context_length") or config.context_length)
    params.model.path = config.model_path
    params.model_alias = {config.model_id}
    params.n_ctx = context_length * config.parallel
    params.n_parallel = config.parallel
    params.kv_unified = False  # True lets long requests starve each other and fail with 500.
    params.cache_ram_mib = _CACHE_RAM_MIB
    params.hostnames = [_HOST]
    params.port = config.port
    params.api_keys = [api_key] if api_key else []
    params.ui = False
    params.special = False
    params.offline = True
    params.endpoint_slots = params.endpoint_metrics = True
    params.verbosity = _LOG_WARNINGS
    params.n_gpu_layers = config.gpu_layers
    params.flash_attn_type = _FLASH_ATTENTION[config.flash_attention]
    kind = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{config.cache_type.upper()}")
    params.cache_type_k = params.cache_type_v = kind
    if config.speculation:
        params.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
    if config.threads is not None:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config.threads
    server = xllamacpp.Server(params)
    _say(listening_address=server.listening_address, hardware=_hardware(config, xllamacpp.get_device_info()))
    _wait_for_the_end()


def _hardware(config: LlamaConfig, devices: Sequence[Mapping[str, Any]]) -> str:
    """What computes, in words, such as "CPU, 4 threads"."""
    gpus = [str(each["description"])[:60] for each in devices if each["name"] != "CPU"]
    if gpus and config.gpu_layers:
        layers = "all layers that fit" if config.gpu_layers < 0 else f"at most {config.gpu_layers} layers"
        return f"{' and '.join(gpus)}, {layers}"
    threads = config.threads or _physical_cores()
    return "CPU" if threads is None else f"CPU, {threads} thread{'s' * (threads != 1)}"


def _physical_cores() -> int | None:
    """As llama.cpp counts them to choose its threads (common.cpp, cpu_get_num_physical_cores); None if unknown."""
    found = set()
    for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings"):
        try:
            found.add(path.read_text(encoding="ascii").strip())
        except OSError:
            return None
    return len(found) or None


def _wait_for_the_end() -> None:
    """Return on TERM or INT."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    os.read(readable, 1)


def _say(**what: str) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Serve the configuration in `arguments[0]`; returns the exit code."""
    api_key = os.environ.pop(API_KEY_VARIABLE, "")
    try:
        if len(arguments) != 1:
            raise BadConfiguration("usage: python -m models.servers.llama_worker JSON, with the fields of LlamaConfig.")
        config = LlamaConfig.from_json(arguments[0])
        serve(config, check(config), api_key)
    except (BadModelFile, BadConfiguration) as error:
        _say(error=str(error))
        return REFUSED
    except RuntimeError as error:  # The only error llama.cpp raises when it cannot load a model.
        _say(error=f"llama.cpp could not load {config.model_path}: {error}. See the lines above for the cause.")
        return REFUSED
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    if code:
        sys.exit(code)  # Its log is written by a thread of its own, and says why.
    # llama.cpp's teardown would wait for running requests, and none of it is needed.
    os._exit(code)
