"""The managed vLLM, for people: what is chosen, what a start would do, what runs; start and stop."""

import asyncio
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m1app.access.person import Permission, needs
from m1app.engines.managed_vllm import VLLM_PLACE, VllmPlan, said_arguments, said_command
from m1app.engines.own_engine import EngineState
from m1app.engines.service import EngineService
from m1app.settings import EngineChoice, Settings
from models.errors import ServerError, ServerRefused
from models.servers.managed_server import ServerState
from models.servers.vllm_options import VllmOptions, read_options

_PLAN_SECONDS = 10.0
"""How long free memory and configuration are taken as they were read; nvidia-smi takes a second."""


@dataclass(frozen=True, slots=True)
class VllmView:
    """The managed vLLM at one moment."""

    options: VllmOptions
    fixed: Mapping[str, str]
    """Options that the environment sets, and the variable that does."""
    models: tuple[str, ...]
    """Ids of the catalog's models for vLLM."""
    more_arguments: str
    """Those that M1_VLLM_ARGS adds."""
    is_engine: bool
    """Whether it is the app's engine."""
    state: ServerState
    message: str
    """What there is to say about the state."""
    loading: str
    """What it reports while it is starting."""
    name: str
    """Of its model, as the app's pages call it; empty if it is not ready."""
    command: str
    """What runs, or would run; empty if nothing could."""
    problem: str
    """Why nothing could run; empty if something could."""
    plan: VllmPlan | None
    hardware: str
    """Where it runs, or would run, in words; empty if that is not known."""
    pid: int | None
    is_adopted: bool
    is_changed: bool
    """Whether options were changed since the start."""
    can_stop: bool
    """Whether one runs, here or since an earlier start."""
    log: tuple[str, ...]


class VllmService:
    """Reading and choosing block for files and nvidia-smi, in threads."""

    def __init__(self, settings: Settings, engines: EngineService) -> None:
        self._settings = settings
        self._engines = engines
        self._vllm = engines.vllm
        self._planned: tuple[float, object, VllmPlan | None, str] | None = None

    @needs(Permission.MANAGE)
    async def view(self, log_lines: int = 12) -> VllmView:
        """What is chosen and what runs."""
        return await asyncio.to_thread(self._view, log_lines)

    @needs(Permission.MANAGE)
    async def choose(self, values: Mapping[str, Any]) -> VllmOptions:
        """Keep options for the next start.

        Args:
            values: fields of `VllmOptions`; those that the environment sets are ignored.

        Raises:
            ServerRefused: a value is wrong.
        """
        return await asyncio.to_thread(self._choose, values)

    @needs(Permission.MANAGE)
    async def start(self) -> None:
        """Start it with the chosen options, in place of one that runs; raises ServerError."""
        self._planned = None
        await self._engines.start_vllm()

    @needs(Permission.MANAGE)
    async def start_kept(self, model: str = "") -> None:
        """Start it so that it goes on when this process ends.

        Args:
            model: as `VllmOptions.model`; empty for the one that was chosen before.

        Raises:
            ServerError: it cannot be started, or the app runs one already.
        """
        options = await asyncio.to_thread(self._kept_options, model)
        if model and options.model != model:
            raise ServerRefused(f"M1_MODEL chooses {options.model}. Change it there to start another model.")
        if not options.is_kept:
            raise ServerRefused("M1_VLLM_KEEP is false, so the server would end with this command. Unset it.")
        if await asyncio.to_thread(self._vllm.is_run_by_another):
            raise ServerRefused(
                "The app already runs a vLLM server, and there is memory for only one. Stop it on the Admin page, on "
                "the Models tab."
            )
        if options != await asyncio.to_thread(self._vllm.options):
            await asyncio.to_thread(self._vllm.check_unused)
        await asyncio.to_thread(self._vllm.plan, options, may_ask_hub=True)
        await self.choose(options.model_dump())
        await self.start()

    @needs(Permission.MANAGE)
    async def stop(self) -> None:
        """Stop it; raises ServerError."""
        await self._engines.stop_vllm()

    def _kept_options(self, model: str) -> VllmOptions:
        chosen = self._vllm.options()
        wanted = {"is_kept": True} | ({"model": model} if model else {})
        return chosen.model_copy(update={name: each for name, each in wanted.items() if name not in self._vllm.fixed})

    def _choose(self, values: Mapping[str, Any]) -> VllmOptions:
        fixed, earlier = self._vllm.fixed, self._vllm.options()
        kept = {name: getattr(earlier, name) for name in fixed}
        options = read_options({**values, **kept})
        self._vllm.choose(options)
        self._planned = None
        return options

    def _view(self, log_lines: int) -> VllmView:
        server, options = self._engines.vllm_server, self._vllm.options()
        status = server.status() if server else None
        is_running = status is not None and status.pid is not None
        # Also one that was not taken over is stopped first.
        is_here = is_running or self._vllm.kept.read() is not None
        plan, problem = self._plan(options, is_running=is_here)
        running = said_command(server.command, is_running=True) if server and server.command and is_running else ""
        planned = said_command(plan.launch.command(plan.build, 1, ""), is_running=False) if plan else ""
        state, message = (status.state, status.message) if status else self._unstarted()
        is_ready = state is ServerState.READY
        is_other = server is not None and server.is_kept != options.is_kept
        is_engine = self._settings.engine is EngineChoice.VLLM
        served = server.program.model if server else ""
        return VllmView(
            options=options,
            fixed=self._vllm.fixed,
            models=tuple(each.id for each in self._engines.catalog().models if "vllm" in each.engines),
            more_arguments=said_arguments(shlex.split(self._settings.vllm_args)),
            is_engine=is_engine,
            state=state,
            message="" if is_ready else message,
            loading=status.loading if status else "",
            name=(served if is_engine else f"{served} @ {VLLM_PLACE}") if is_ready else "",
            command=running or planned,
            problem=problem,
            plan=plan,
            hardware=status.hardware if status and is_running else plan.hardware if plan else "",
            pid=status.pid if status else None,
            is_adopted=bool(status and status.is_adopted),
            is_changed=bool(running) and (is_other or bool(planned and _differs(running, planned))),
            can_stop=is_here,
            log=tuple(server.log_tail(log_lines)) if server else (),
        )

    def _unstarted(self) -> tuple[ServerState, str]:
        record = self._vllm.kept.read()
        if record is not None:
            return ServerState.STOPPED, (
                f"A server kept from an earlier start is running: process {record.pid} with {record.model}. Start "
                "takes it over if the command is the same and Keep running is on; otherwise it replaces it. Stop "
                "ends it."
            )
        status = self._engines.status()
        if self._settings.engine is EngineChoice.VLLM and status.state is EngineState.FAILED:
            return ServerState.FAILED, status.message
        return ServerState.STOPPED, ""

    def _plan(self, options: VllmOptions, *, is_running: bool) -> tuple[VllmPlan | None, str]:
        key = options, is_running
        if self._planned and self._planned[1] == key and time.monotonic() - self._planned[0] < _PLAN_SECONDS:
            return self._planned[2:]
        plan, problem = None, ""
        try:
            plan = self._vllm.plan(options, is_running=is_running)
        except ServerRefused as exc:
            problem = str(exc) if options.model else ""
        except ServerError as exc:
            problem = str(exc)
        self._planned = time.monotonic(), key, plan, problem
        return plan, problem


def _differs(running: str, planned: str) -> bool:
    """Whether two commands differ in more than the port."""
    first, second = running.split(), planned.split()
    return len(first) != len(second) or any(a != b and b != "PORT" for a, b in zip(first, second, strict=True))
