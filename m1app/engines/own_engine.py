"""The app's own engine: downloaded, started, watched, restarted, stopped. The settings choose which one it is.

It starts in a separate thread, so that the page opens while the weights load. Clients of it are in `service`.
"""

import threading
from dataclasses import dataclass
from enum import StrEnum

from m1app.background import reported, start_thread
from m1app.engines.chosen_model import ChosenModel
from m1app.engines.embedded_models import LiveCatalog
from m1app.engines.own_servers import embedded_server
from m1app.engines.shared_endpoint import SharedEndpoint
from m1app.engines.vllm_runner import VllmRunner
from m1app.settings import EngineChoice, Settings
from models.engine.endpoint import Endpoint
from models.errors import ServerStartFailed, UnknownModel
from models.servers.managed_server import ManagedServer, ServerState
from models.servers.restarts import RestartPolicy
from models.weights.download import download
from models.weights.download_progress import DownloadProgress

DEFAULT_MODEL_ID = "smollm2-135m"
"""The embedded model: small enough to run anywhere, too small to know medicine."""

LOAD_SECONDS = 300.0
"""How long a model may take to load before the earlier one is used again."""


class EngineState(StrEnum):
    """Lifecycle state of the engine."""

    DOWNLOADING = "downloading weights"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Engine status for the header."""

    choice: EngineChoice
    state: EngineState
    message: str
    """One line for users; empty if all is well."""
    model: str
    """Model id, if known."""


class OwnEngine:
    """An embedded engine, a managed vLLM, or none: a remote engine only has an address."""

    def __init__(
        self,
        settings: Settings,
        catalog: LiveCatalog,
        vllm: VllmRunner,
        shared: SharedEndpoint,
        policy: RestartPolicy | None,
        *,
        is_worker: bool,
    ) -> None:
        """Args:
        settings: choose the engine.
        catalog: the known models.
        vllm: starts vLLM, if that is the engine.
        shared: where the app's vLLM is asked from a job's process.
        policy: how often a server that crashed is started again; None for the usual.
        is_worker: True in a job's process, which uses the app's vLLM instead of starting another.
        """
        self._settings = settings
        self._catalog = catalog
        self._vllm = vllm
        self._shared = shared
        self._policy = policy
        self._borrows = is_worker and settings.engine is EngineChoice.VLLM
        self._chosen = ChosenModel(settings.home)
        self._server: ManagedServer | None = None
        self._starter: threading.Thread | None = None
        self._is_closing = threading.Event()
        self._progress = ""
        self._start_error = ""

    @property
    def choice(self) -> EngineChoice:
        """Embedded, managed vLLM or remote."""
        return self._settings.engine

    @property
    def server(self) -> ManagedServer | None:
        """The server that this process runs; None before it is made, and for an engine that another one runs."""
        return self._server

    @property
    def address(self) -> str:
        """The addresses of a remote engine, as they were configured."""
        places = [each.base_url for each in self._settings.replica_endpoints]
        return ", ".join(places) or self._settings.engine_url

    @property
    def model(self) -> str:
        """The model that is asked when none is named, as it was chosen; empty for a server's only one."""
        if self.choice is not EngineChoice.EMBEDDED:
            return self._settings.model
        return self._settings.model or self._chosen.id or DEFAULT_MODEL_ID

    @property
    def served_model(self) -> str:
        """That model, as the server calls it."""
        return self.served_name(self.model)

    def served_name(self, model: str) -> str:
        """A model as the server calls it: the embedded engine's have the ids of the catalog."""
        try:
            return self._catalog.current().get(model).id if self.choice is EngineChoice.EMBEDDED else model
        except UnknownModel:
            return model

    def status(self) -> EngineStatus:
        """Return the engine's status; never fails and contacts no server."""
        if self.choice is EngineChoice.REMOTE:
            return EngineStatus(self.choice, EngineState.READY, self.address, self.model)
        if self._borrows:
            return EngineStatus(self.choice, EngineState.READY, "of the app", self.model)
        if self._start_error:
            return EngineStatus(self.choice, EngineState.FAILED, self._start_error, self.model)
        if self._server is None:
            return EngineStatus(self.choice, EngineState.DOWNLOADING, self._progress, self.model)
        server = self._server.status()
        is_ready = server.state is ServerState.READY
        message = "" if is_ready else " ".join(filter(None, (server.message, server.loading)))
        return EngineStatus(self.choice, EngineState(server.state.value), message, self.model)

    def endpoint(self) -> Endpoint:
        """Where it is asked; raises ServerError while it cannot be."""
        if self.choice is EngineChoice.REMOTE:
            return Endpoint(self._settings.engine_url, self._settings.engine_api_key.get_secret_value())
        if self._borrows:
            return self._shared.read()
        if self._start_error:
            raise ServerStartFailed(self._start_error)
        if self._server is None:
            doing = self._progress or "The model's weights are being downloaded"
            raise ServerStartFailed(f"The model engine is not ready yet. {doing}. Try again in a moment.")
        return self._server.endpoint()

    def start(self) -> None:
        """Download and start it in the background; does nothing if it was started before."""
        is_starting = self._starter is not None and self._starter.is_alive()
        if self.choice is EngineChoice.REMOTE or self._borrows or self._server is not None or is_starting:
            return
        self._start_error, self._progress = "", ""
        self._starter = start_thread(self._start, "engine-start")

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until a managed engine is ready; raises ModelsError if it cannot start."""
        if self._starter:
            self._starter.join(timeout_seconds)
        if self._start_error:
            raise ServerStartFailed(self._start_error)
        if self._server:
            self._server.wait_ready(timeout_seconds)

    def restart(self) -> None:
        """Restart a managed engine in the background, after a failure or on request."""
        if self._server is None:
            self.start()
        elif self.choice is EngineChoice.VLLM:
            start_thread(self._restart_vllm, "engine-restart")
        else:
            start_thread(self._server.restart, "engine-restart")

    def stop(self) -> None:
        """Stop a managed engine in the background; `restart` starts it again."""
        if self._server:
            start_thread(self._server.stop, "engine-stop")

    def start_vllm(self) -> None:
        """Start the managed vLLM with the options as they are, in place of one that runs; blocks.

        Raises:
            ServerError: it is not installed, or cannot fit.
        """
        server = self._vllm.start(may_ask_hub=True)
        if self.choice is EngineChoice.VLLM:
            self._server, self._start_error = server, ""

    def end_for(self, model_id: str) -> None:
        """Stop the embedded engine and choose another model for its next start; blocks."""
        if self._starter is not None:
            self._starter.join(LOAD_SECONDS)
        if self._server is not None:
            self._server.stop()
        self._chosen.choose(model_id)
        self._server, self._starter = None, None

    def close(self) -> None:
        """From now on a server that is still being made is not started."""
        self._is_closing.set()

    def leave(self) -> None:
        """Stop it, unless it is to be kept; blocks."""
        if self._server:
            self._server.leave()

    def _start(self) -> None:
        with reported("starting the engine", self._note_start_error):
            if self.choice is EngineChoice.VLLM:
                if not self._is_closing.is_set():
                    self._server = self._vllm.start()
            else:
                server = self._make_embedded()
                if not self._is_closing.is_set():
                    self._server = server
                    server.start()

    def _note_start_error(self, message: str) -> None:
        self._start_error = message

    def _restart_vllm(self) -> None:
        """With the options as they are now; one that runs goes on if they are refused."""
        with reported("restarting vLLM", self._note_restart_error):
            self.start_vllm()

    def _note_restart_error(self, message: str) -> None:
        if self._server is None or not self._server.is_active:
            self._start_error = message

    def _make_embedded(self) -> ManagedServer:
        model = self._catalog.current().get(self.model)
        download(
            model,
            self._settings.models_directory,
            hub_url=self._settings.hub_url,
            hub_token=self._settings.hub_token.get_secret_value(),
            on_progress=self._show_progress,
        )
        return embedded_server(self._settings, model, self._settings.logs_directory / "llama.log", self._policy)

    def _show_progress(self, progress: DownloadProgress) -> None:
        total = f" of {progress.bytes_total / 1e6:,.0f}" if progress.bytes_total else ""
        self._progress = f"Weights: {progress.stage.value}, {progress.bytes_done / 1e6:,.0f}{total} MB"
