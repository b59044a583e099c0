"""The embedded engine as a managed server: llama.cpp in a separate process, see `llama_worker`."""

import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from models.servers.llama_worker import API_KEY_VARIABLE, LlamaConfig
from models.servers.managed_server import ManagedServer, ServerProgram
from models.servers.restarts import RestartPolicy
from models.servers.server_process import ServerCommand

_UNKNOWN_ARCHITECTURE = re.compile(r"unknown model architecture: '([^']{1,60})'")


def llama_server(
    model_path: Path,
    model_id: str,
    context_length: int,
    parallel: int,
    threads: int | None,
    log_path: Path,
    policy: RestartPolicy | None = None,
    **tuning: Any,
) -> ManagedServer:
    """An embedded engine over one GGUF file, not started yet.

    Args:
        model_path: the .gguf file; checked at each start.
        model_id: the model name that requests use.
        context_length: tokens of prompt and completion together, for each request.
        parallel: how many requests run at once; each reserves memory for `context_length` tokens.
        threads: processor threads; None leaves the choice to llama.cpp.
        log_path: its log file.
        policy: how often to restart it after crashes.
        tuning: further fields of `LlamaConfig`.
    """
    config = LlamaConfig(str(model_path.absolute()), model_id, context_length, parallel, threads, **tuning)

    def command(api_key: str) -> ServerCommand:
        argv = (sys.executable, "-m", "models.servers.llama_worker", config.to_json())
        return ServerCommand(argv, {API_KEY_VARIABLE: api_key}, cwd=Path(__file__).resolve().parents[2])

    def explain(lines: Sequence[str]) -> str | None:
        found = next((known for line in lines if (known := _UNKNOWN_ARCHITECTURE.search(line))), None)
        if found is None:
            return None
        return (
            f"{model_path} has the architecture {found[1]!r}, which this llama.cpp (xllamacpp {version('xllamacpp')}) "
            "cannot load. Choose another model, or a newer version of the app."
        )

    return ManagedServer(ServerProgram("The model engine", command, explain=explain), log_path, policy)
