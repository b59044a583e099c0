"""Additional models of the embedded engine: catalog models whose weights are on disk, such as fine-tuned ones.

Each runs in its own llama.cpp server, started when the model is first used, so that it can be compared with its base.
The catalog is reloaded when the user's file changes: fine-tuning jobs add to it while the app runs.
"""

import asyncio
import logging
import threading
from collections import OrderedDict
from pathlib import Path

from m1app.background import start_thread
from m1app.settings import Settings
from models.engine.endpoint import Endpoint
from models.errors import CatalogError, DownloadError
from models.servers.llama_server import llama_server
from models.servers.managed_server import ManagedServer
from models.servers.restarts import RestartPolicy
from models.weights.catalog import Catalog, CatalogModel
from models.weights.download import local_path

_log = logging.getLogger(__name__)

_SERVERS_AT_ONCE = 2
_START_SECONDS = 120.0


class LiveCatalog:
    """The catalog with the user's current entries."""

    def __init__(self, catalog: Catalog, user_file: Path) -> None:
        self._catalog = catalog
        self._user_file = user_file
        self._read_at = self._changed_at()

    def current(self) -> Catalog:
        """Return the catalog; if the user's file becomes invalid, the last valid one."""
        changed_at = self._changed_at()
        if changed_at != self._read_at:
            self._read_at = changed_at
            try:
                self._catalog = Catalog.load(extra=self._user_file)
            except CatalogError as exc:
                _log.warning("%s", exc)
        return self._catalog

    def _changed_at(self) -> int:
        try:
            return self._user_file.stat().st_mtime_ns
        except OSError:
            return 0


class EmbeddedModels:
    """Servers of the additional models."""

    def __init__(self, settings: Settings, catalog: LiveCatalog, policy: RestartPolicy | None = None) -> None:
        self._settings = settings
        self._policy = policy
        self._catalog = catalog
        self._servers: OrderedDict[str, ManagedServer] = OrderedDict()
        self._lock = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """Ids of the available models, whose weights are on disk."""
        return tuple(model.id for model in self._catalog.current().models if self._weights(model))

    def endpoint(self, model_id: str) -> Endpoint:
        """Return where a model is served; starts its server in the background if needed.

        Raises:
            ServerError: it is still loading, or could not be started.
            UnknownModel: it is not in the catalog.
        """
        return self._server(model_id).endpoint()

    async def ready(self, model_id: str) -> None:
        """Wait until a model is served; raises like `endpoint`."""
        server = self._server(model_id)
        await asyncio.to_thread(server.wait_ready, _START_SECONDS)

    def stop(self) -> None:
        """Stop all servers."""
        with self._lock:
            servers = list(self._servers.values())
            self._servers.clear()
        for server in servers:
            server.stop()

    def _server(self, model_id: str) -> ManagedServer:
        model = self._catalog.current().get(model_id)
        with self._lock:
            server = self._servers.get(model.id)
            if server is None:
                server = self._servers[model.id] = self._made(model)
                server.start()
            self._servers.move_to_end(model.id)
            idle = [self._servers.popitem(last=False)[1] for _ in range(len(self._servers) - _SERVERS_AT_ONCE)]
        for each in idle:  # free their memory
            start_thread(each.stop, "engine-stop")
        return server

    def _made(self, model: CatalogModel) -> ManagedServer:
        settings = self._settings
        return llama_server(
            model_path=local_path(model, settings.models_directory),
            model_id=model.id,
            context_length=min(settings.context_length, model.context_length),
            parallel=settings.parallel_requests,
            threads=settings.threads or None,
            log_path=settings.logs_directory / f"llama-{model.id}.log",
            policy=self._policy,
        )

    def _weights(self, model: CatalogModel) -> bool:
        if "embedded" not in model.engines:
            return False
        try:
            return local_path(model, self._settings.models_directory).is_file()
        except DownloadError:
            return False
