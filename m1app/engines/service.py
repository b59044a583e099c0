"""Which engine answers: the app's own one, further models of it, vLLM beside it, more servers; and their clients.

The app's own engine and its lifecycle are in `own_engine`.
"""

import asyncio
import logging
from collections import OrderedDict
from functools import partial

from m1app.access.person import Permission, needs
from m1app.background import start_task, start_thread
from m1app.engines.embedded_models import EmbeddedModels, LiveCatalog
from m1app.engines.managed_vllm import VLLM_PLACE, ManagedVllm
from m1app.engines.own_engine import DEFAULT_MODEL_ID, LOAD_SECONDS, EngineStatus, OwnEngine
from m1app.engines.own_servers import replica_clients
from m1app.engines.profiled_name import ProfiledName, profiled_name, read_profiled_name
from m1app.engines.served_name import read_served_name, served_name
from m1app.engines.server_place import ServerPlace
from m1app.engines.shared_endpoint import SharedEndpoint
from m1app.engines.vllm_runner import VllmRunner
from m1app.settings import EngineChoice, Settings
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.protocol import EngineInfo
from models.engine.replicas import Replicas
from models.errors import CatalogError, ModelsError
from models.profiles import ProfileMatch, Profiles, named_profile
from models.servers.managed_server import ManagedServer
from models.servers.restarts import RestartPolicy
from models.weights.catalog import Catalog

_log = logging.getLogger(__name__)

MORE_ENGINE_SECONDS = 10.0
"""How long an additional server may take to list its models, before those of the others are shown without them."""

_MOST_CLIENTS = 32
_UNATTENDED = RestartPolicy(max_restarts=100)
"""For a job's own engine: there is nobody to press Restart, and the job decides how long to wait."""


class EngineService:
    """The engine in use."""

    def __init__(self, settings: Settings, catalog: Catalog, profiles: Profiles, *, is_worker: bool = False) -> None:
        """Args:
        settings: choose the engine.
        catalog: the known models.
        profiles: the models' thinking formats.
        is_worker: True in a job's process, which uses the app's vLLM instead of starting another.
        """
        self._settings = settings
        self._shared = SharedEndpoint(settings.home / "run" / "vllm.json")
        self._is_worker = is_worker
        self._catalog = LiveCatalog(catalog, settings.home / "catalog.toml")
        policy = _UNATTENDED if is_worker else None
        self._embedded = EmbeddedModels(settings, self._catalog, policy, self._is_generating)
        self.vllm = ManagedVllm(settings, self._catalog, self._shared, policy)
        self._vllm = VllmRunner(self.vllm)
        self._own = OwnEngine(settings, self._catalog, self._vllm, self._shared, policy, is_worker=is_worker)
        self._profiles = profiles
        self._engines: OrderedDict[str, OpenAIEngine | Replicas] = OrderedDict()
        """Clients by model, the last used one last. Names come from people: those that nobody serves are dropped."""
        self._onlookers: dict[str, OpenAIEngine] = {}
        self._more = {each.base_url.partition("://")[2]: each for each in settings.more_endpoints}

    @property
    def choice(self) -> EngineChoice:
        """Embedded, managed vLLM or remote."""
        return self._settings.engine

    @property
    def is_demo(self) -> bool:
        """True for the embedded demo model, whose answers are at chance level."""
        return self.choice is EngineChoice.EMBEDDED and self._own.model == DEFAULT_MODEL_ID

    def catalog(self) -> Catalog:
        """Return the model catalog with the user's entries as they are now; blocks if their file has changed."""
        return self._catalog.current()

    def start(self) -> None:
        """Start downloading and starting the engine in the background; see `status` for progress.

        Does nothing if it was started before: see `restart`.
        """
        if self.choice is not EngineChoice.VLLM and not self._is_worker:
            start_thread(self._vllm.take_over, "vllm-take-over")
        self._own.start()

    def wait_ready(self, timeout_seconds: float) -> None:
        """Block until a managed engine is ready; raises ModelsError if it cannot start."""
        self._own.wait_ready(timeout_seconds)

    def engine(self, model: str = "") -> OpenAIEngine | Replicas:
        """Return the client for a model, named as in `models`; empty means the default."""
        name = self.named(model).model or self._own.model
        if name not in self._engines:
            served, place = read_served_name(name)
            other = self._more.get(place)
            if other:
                self._engines[name] = OpenAIEngine(lambda: other, served or None)
            elif self._is_beside(place):
                self._engines[name] = OpenAIEngine(self._endpoint_beside, served or None)
            elif self._is_further(name):
                self._engines[name] = OpenAIEngine(lambda: self._embedded.endpoint(name), name)
            elif replicas := self._settings.replica_endpoints:
                self._engines[name] = replica_clients(replicas, name or None)
            else:
                self._engines[name] = OpenAIEngine(self._own.endpoint, self._own.served_name(name) or None)
            if len(self._engines) > _MOST_CLIENTS:
                self._drop_clients()
        self._engines.move_to_end(name)
        return self._engines[name]

    def speculation(self, model: str) -> str | None:
        """How the engine of a model guesses tokens: "ngram", "" if it does not, None if nobody here knows.

        The app knows it of the engines that it starts. It reads the options of vLLM from a file, in a thread.
        """
        place = read_served_name(model).place
        if place in self._more or self._settings.replica_endpoints:
            return None
        if self._is_beside(place) or self.choice is EngineChoice.VLLM:
            return "ngram" if self.vllm.options().has_speculation else ""
        return self._settings.speculation if self.choice is EngineChoice.EMBEDDED else None

    def named(self, model: str) -> ProfiledName:
        """Take a name apart that may say by which profile the model is asked."""
        return read_profiled_name(model, self._profiles)

    async def for_question(self, model: str) -> OpenAIEngine:
        """The client for all requests of one question; raises ModelsError if no server answers."""
        engine = self.engine(model)
        return await engine.for_question() if isinstance(engine, Replicas) else engine

    @property
    def servers(self) -> int:
        """Servers of the default model."""
        return len(self._settings.replica_endpoints) or 1

    @needs(Permission.MANAGE)
    def places(self) -> tuple[ServerPlace, ...]:
        """Every server: the engine's, those of further embedded models that are loaded, vLLM beside it, more ones."""
        return (*self._own_places(), *self._further_places(), *self._places_elsewhere())

    def _own_places(self) -> list[ServerPlace]:
        engine = self.engine()
        if isinstance(engine, Replicas):
            return [
                ServerPlace(f"own {url}", "Remote engine", url, lambda _, each=each: each)  # type: ignore[misc]
                for url, each in engine.engines.items()
            ]
        title = {EngineChoice.EMBEDDED: "Embedded engine", EngineChoice.VLLM: "Managed vLLM"}
        address = self._settings.engine_url or _address_of(self._own.server)
        return [ServerPlace("own", title.get(self.choice, "Remote engine"), address, self._client, self.hardware)]

    def _further_places(self) -> list[ServerPlace]:
        return [
            ServerPlace(
                f"further {name}", "Embedded, further model", _address_of(server), partial(self._onlooker, name)
            )
            for name, server in self._embedded.loaded()
        ]

    def _places_elsewhere(self) -> list[ServerPlace]:
        places = [
            ServerPlace(place, "Further server", endpoint.base_url, partial(self._client_at, place))
            for place, endpoint in self._more.items()
        ]
        if not (self._is_beside(VLLM_PLACE) and self._vllm.server):
            return places
        address, client = _address_of(self._vllm.server), partial(self._client_at, VLLM_PLACE)
        return [ServerPlace(VLLM_PLACE, "Managed vLLM", address, client, self._vllm.hardware), *places]

    def _client(self, name: str, *_: str) -> OpenAIEngine:
        engine = self.engine(name)
        assert isinstance(engine, OpenAIEngine)
        return engine

    def _onlooker(self, name: str, _: str) -> OpenAIEngine:
        """A client of a further embedded model that does not keep it from being stopped for another."""
        if name not in self._onlookers:
            self._onlookers[name] = OpenAIEngine(partial(self._embedded.look, name), name)
        return self._onlookers[name]

    def _client_at(self, place: str, model: str) -> OpenAIEngine:
        return self._client(served_name(model, place))

    @property
    def hardware(self) -> str:
        """Where the app's engine runs, in words, such as "CPU, 4 threads"; empty if that is not known."""
        return self._own.server.status().hardware if self._own.server else ""

    def _drop_clients(self) -> None:
        """Drop the clients that were unused longest; one that is referred to elsewhere goes on working."""
        for name in list(self._engines):
            if len(self._engines) <= _MOST_CLIENTS:
                return
            if not self._engines[name].generating:
                start_task(self._engines.pop(name).aclose(), "engine-client-close")

    def _is_generating(self, name: str) -> bool:
        engine = self._engines.get(name)
        return engine is not None and engine.generating > 0

    async def prepare(self, model: str) -> None:
        """Load an additional model of the embedded engine before it is used; raises ModelsError."""
        name = self.named(model).model
        if self._is_further(name):
            await self._embedded.ready(name)

    def _is_further(self, model: str) -> bool:
        """Whether it is an additional model of the embedded engine."""
        if self.choice is not EngineChoice.EMBEDDED or not model:
            return False
        return self._own.served_name(model) != self._own.served_model and model in self._embedded.names()

    async def models(self) -> tuple[str, ...]:
        """Names of the available models; raises ModelsError if the engine is unavailable.

        Models of additional servers include their address; unresponsive servers are skipped. The embedded engine also
        lists models whose weights are on disk; it loads them when they are used.
        """
        own = await self.engine().served_models()
        if self.choice is EngineChoice.EMBEDDED:
            further = await asyncio.to_thread(self._embedded.names)  # checks for their files
            own = (*own, *(name for name in further if name not in own))
        places = [*self._more, *([VLLM_PLACE] if self._is_beside(VLLM_PLACE) and self._vllm.server else [])]
        others = await asyncio.gather(*map(self._models_at, places))
        return (*own, *(name for names in others for name in names))

    async def _models_at(self, place: str) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(MORE_ENGINE_SECONDS):
                names = await self.engine(served_name("", place)).served_models()
            return tuple(served_name(name, place) for name in names)
        except (ModelsError, TimeoutError) as exc:
            _log.debug("no models at %s: %s", place, exc)
            return ()

    def choice_of(self, model: str) -> EngineChoice:
        """Which kind of engine serves a model; additional servers count as remote."""
        place = read_served_name(self.named(model).model).place
        if self._is_beside(place):
            return EngineChoice.VLLM
        return EngineChoice.REMOTE if place in self._more else self.choice

    def _is_beside(self, place: str) -> bool:
        return place == VLLM_PLACE and self.choice is not EngineChoice.VLLM

    def name_of(self, model: str, info: EngineInfo) -> str:
        """Return the name with which `engine` finds the model requested as `model` and described by `info`."""
        name, profile = self.named(model)
        place = read_served_name(name).place
        found = served_name(info.model, place) if place in self._more or self._is_beside(place) else info.model
        return profiled_name(found, profile)

    def match_profile(self, model: str, info: EngineInfo | None = None) -> ProfileMatch:
        """Return the profile of a served model: this installation's own, the catalog's, or what its name suggests."""
        source = info.model_source if info else ""
        if own := named_profile(self._profiles.own(), model, source):
            return ProfileMatch(own, is_guess=False)
        for name in (model, source):
            try:
                return ProfileMatch(self._profiles.get(self._catalog.current().get(name).profile), is_guess=False)
            except CatalogError:
                continue
        return self._profiles.match(model, source)

    def status(self) -> EngineStatus:
        """Return the engine's status; never fails and contacts no server."""
        return self._own.status()

    @needs(Permission.MANAGE)
    def log_tail(self, lines: int = 40) -> str:
        """The last log lines of a managed engine; empty for a remote one."""
        server = self._own.server
        return "\n".join(server.log_tail(lines)) if server else ""

    @needs(Permission.MANAGE)
    def restart(self) -> None:
        """Restart a managed engine, after a failure or on request."""
        self._own.restart()

    @needs(Permission.MANAGE)
    def stop(self) -> None:
        """Stop a managed engine on request, to free its memory; `restart` starts it again."""
        self._own.stop()

    @needs(Permission.MANAGE)
    async def start_vllm(self) -> None:
        """Start the managed vLLM with the chosen options; one that runs is stopped first.

        Returns when it is loading; see `vllm_server`.

        Raises:
            ServerError: it is not installed, or cannot fit.
        """
        await asyncio.to_thread(self._own.start_vllm)

    @needs(Permission.MANAGE)
    async def stop_vllm(self) -> None:
        """Stop the managed vLLM, also one that was kept by an earlier start; raises ServerError."""
        await asyncio.to_thread(self._vllm.stop)

    @property
    def vllm_server(self) -> ManagedServer | None:
        """The managed vLLM as it was started last; None if it was not."""
        return self._vllm.server

    def _endpoint_beside(self) -> Endpoint:
        return self._shared.read() if self._is_worker else self._vllm.endpoint()

    @property
    def default_model(self) -> str:
        """Name of the model that is asked when none is named, as it was chosen; empty for a server's only one."""
        return self._own.model

    def is_default(self, model_id: str) -> bool:
        """Whether it is the model that is asked when none is named."""
        return self._own.served_model == model_id

    def is_loaded(self, model_id: str) -> bool:
        """Whether the embedded engine runs it beside the default model."""
        return self.choice is EngineChoice.EMBEDDED and self._embedded.is_loaded(model_id)

    @needs(Permission.MANAGE)
    def unload(self, model_id: str) -> None:
        """Stop a model that the embedded engine runs beside the default one; blocks. Raises ServerError if in use."""
        self._embedded.unload(model_id)

    @needs(Permission.MANAGE)
    async def use(self, model_id: str) -> None:
        """Make a model of the embedded engine the default, now and after a restart.

        The earlier one is loaded beside it when it is asked again.

        Raises:
            ServerError: it does not start; the earlier one is used again.
        """
        earlier = self._own.served_model
        if earlier == model_id:
            return
        await self._switch(model_id)
        try:
            await asyncio.to_thread(self.wait_ready, LOAD_SECONDS)
        except ModelsError:
            await self._switch(earlier)
            raise

    async def _switch(self, model_id: str) -> None:
        await asyncio.to_thread(self._embedded.unload, model_id)  # Refused while it answers; then nothing changes.
        # Their names stand for other servers now.
        clients = list(self._engines.values())
        self._engines.clear()
        await asyncio.to_thread(self._own.end_for, model_id)
        self._own.start()
        await asyncio.gather(*(each.aclose() for each in clients))

    async def aclose(self) -> None:
        """Close connections and stop the managed engine."""
        self._own.close()
        for engine in (*self._engines.values(), *self._onlookers.values()):
            await engine.aclose()
        await asyncio.to_thread(self._leave_servers)

    def _leave_servers(self) -> None:
        self._embedded.stop()
        self._vllm.leave()
        self._own.leave()


def _address_of(server: ManagedServer | None) -> str:
    return (server.status().base_url if server else None) or ""
