"""Additional models of the embedded engine: catalog models whose weights are on disk, such as fine-tuned ones.

Each runs in its own llama.cpp server, started when the model is first used, so that it can be compared with its base.
The catalog is reloaded when the user's file changes: fine-tuning jobs add to it while the app runs.
"""

import asyncio
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from m1app.background import start_thread
from m1app.engines.own_servers import embedded_server
from m1app.settings import Settings
from models.engine.endpoint import Endpoint
from models.errors import CatalogError, DownloadError, ServerGone, ServerStartFailed
from models.servers.managed_server import ManagedServer
from models.servers.restarts import RestartPolicy
from models.weights.catalog import Catalog, CatalogModel
from models.weights.download import local_path

_log = logging.getLogger(__name__)

_IDLE_SECONDS = 20.0
"""A model that was asked for within this time is in use: a run pauses between its requests."""
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

    def __init__(
        self,
        settings: Settings,
        catalog: LiveCatalog,
        policy: RestartPolicy | None = None,
        is_busy: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Args:
        settings: how many, where their weights are, and how they are run.
        catalog: the known models.
        policy: of restarting a server that ended.
        is_busy: whether a model is generating.
        """
        self._settings = settings
        self._policy = policy
        self._catalog = catalog
        self._is_busy = is_busy
        self._used_at: dict[str, float] = {}
        """When each server was last asked for, in seconds of the monotonic clock."""
        self._servers: OrderedDict[str, ManagedServer] = OrderedDict()
        self._lock = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """Ids of the available models, whose weights are on disk."""
        return tuple(model.id for model in self._catalog.current().models if self._weights(model))

    def endpoint(self, model_id: str) -> Endpoint:
        """Return where a model is served; starts its server in the background if needed.

        Raises:
            ServerError: it is still loading, could not be started, or has no place beside models in use.
            UnknownModel: it is not in the catalog.
        """
        return self._server(model_id).endpoint()

    def look(self, model_id: str) -> Endpoint:
        """As `endpoint`, for a model that is loaded; it does not count as used, and nothing is started."""
        server = self._servers.get(model_id)
        if server is None:
            raise ServerGone(f"{model_id} is not loaded any more.")
        return server.endpoint()

    async def ready(self, model_id: str) -> None:
        """Wait until a model is served; raises like `endpoint`."""
        server = self._server(model_id)
        await asyncio.to_thread(server.wait_ready, _START_SECONDS)

    def is_loaded(self, model_id: str) -> bool:
        """Whether its server runs or starts."""
        return model_id in self._servers

    def loaded(self) -> tuple[tuple[str, ManagedServer], ...]:
        """The models that run or start, with their servers."""
        with self._lock:
            return tuple(self._servers.items())

    def unload(self, model_id: str) -> None:
        """Stop a model's server, if there is one; blocks. Raises ServerStartFailed if it is generating."""
        if self._is_busy(model_id):
            raise ServerStartFailed(f"{model_id} is answering. Wait until its run has ended, or stop the run.")
        with self._lock:
            server = self._servers.pop(model_id, None)
        if server is not None:
            server.stop()

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
                self._make_room(model)
                server = self._servers[model.id] = self._made(model)
                server.start()
            self._servers.move_to_end(model.id)
            self._used_at[model.id] = time.monotonic()
        return server

    def _make_room(self, model: CatalogModel) -> None:
        """Stop the servers that were idle longest; raises ServerStartFailed if too many are in use."""
        most = self._settings.embedded_models
        for name in list(self._servers):
            if len(self._servers) < most:
                return
            if not self._is_in_use(name):
                start_thread(self._servers.pop(name).stop, "engine-stop")  # Frees its memory.
        if len(self._servers) >= most:
            names = " and ".join(self._servers)
            raise ServerStartFailed(
                f"{model.id} cannot be loaded: {names} are in use, and at most {most} additional models can run at "
                "once. Wait until a run has ended, or raise M1_EMBEDDED_MODELS if there is enough memory."
            )

    def _is_in_use(self, name: str) -> bool:
        return self._is_busy(name) or time.monotonic() - self._used_at.get(name, -math.inf) < _IDLE_SECONDS

    def _made(self, model: CatalogModel) -> ManagedServer:
        settings = self._settings
        return embedded_server(settings, model, settings.logs_directory / f"llama-{model.id}.log", self._policy)

    def _weights(self, model: CatalogModel) -> bool:
        if "embedded" not in model.engines:
            return False
        try:
            return local_path(model, self._settings.models_directory).is_file()
        except DownloadError:
            return False
