"""Makes the servers and clients that the settings describe; nothing is started here."""

from collections.abc import Sequence
from pathlib import Path

from m1app.settings import Settings
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.replicas import Replicas
from models.servers.llama_server import llama_server
from models.servers.managed_server import ManagedServer
from models.servers.restarts import RestartPolicy
from models.weights.catalog import CatalogModel
from models.weights.download import local_path


def embedded_server(
    settings: Settings, model: CatalogModel, log_path: Path, policy: RestartPolicy | None
) -> ManagedServer:
    """A llama.cpp server over a catalog model whose file is here."""
    return llama_server(
        model_path=local_path(model, settings.models_directory),
        model_id=model.id,
        context_length=min(settings.context_length, model.context_length),
        parallel=settings.parallel_requests,
        threads=settings.threads or None,
        log_path=log_path,
        policy=policy,
        **settings.llama_tuning,
    )


def replica_clients(endpoints: Sequence[Endpoint], model: str | None) -> Replicas:
    """One engine over several servers of a model."""

    def client(endpoint: Endpoint) -> OpenAIEngine:
        # One attempt: another server is asked at once.
        return OpenAIEngine(lambda: endpoint, model, max_attempts=2)

    return Replicas({each.base_url: client(each) for each in endpoints})
