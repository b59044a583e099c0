"""The embedded engine as a managed server: llama.cpp in a separate process, see `llama_worker`."""

import sys
from pathlib import Path
from typing import Any

from models.servers.llama_worker import API_KEY_VARIABLE, LlamaConfig
from models.servers.managed_server import ManagedServer, ServerProgram
from models.servers.restarts import RestartPolicy
from models.servers.server_process import ServerCommand


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

    return ManagedServer(ServerProgram("The model engine", command), log_path, policy)
