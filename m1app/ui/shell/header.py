"""The header of every page: links to the pages, and engine status with details on click."""

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr

from m1app.access.person import Permission, current_person
from m1app.bootstrap import Services
from m1app.engines.own_engine import EngineState, EngineStatus
from m1app.engines.watch import EngineReading
from m1app.settings import EngineChoice
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from m1app.wording import counted, duration, size
from models.engine.protocol import EngineInfo
from storage.people.records import AccountOrigin

_NAMES = {
    EngineChoice.EMBEDDED: "Embedded engine",
    EngineChoice.VLLM: "Managed vLLM",
    EngineChoice.REMOTE: "Remote engine",
}
_DEMO = "The embedded model is for demonstration: it knows no medicine and answers at chance level."

_TICK_SECONDS = 2.0
_SILENT_SECONDS = 15.0

ChooseModel = Callable[[Any, list[str], str], Any]
"""Chooses the model box's value from its current value, the served models and the engine's default."""


class EngineButtons:
    """Restarts and stops the engine for whoever may."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def wire(self, component: Any) -> None:
        """Connect a component with the events `restart_engine` and `stop_engine`."""
        component.restart_engine(self._restart_engine, None, None, **QUIET)
        component.stop_engine(self._stop_engine, None, None, **QUIET)

    async def _restart_engine(self) -> None:
        # Async, because notes are written by a task of the event loop.
        self._services.engines.restart()
        self._services.access.audit.note_soon("engine.restart")

    async def _stop_engine(self) -> None:
        self._services.engines.stop()
        self._services.access.audit.note_soon("engine.stop")


class PageHeader:
    """Keeps the header and the served models in the form's model box up to date."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._header = page_component("shell/header", element_id="header", events=("restart_engine", "stop_engine"))

    def wire(self, loaded: Callable[..., Any], model: gr.Dropdown, choose: ChooseModel | None = None) -> None:
        """Show the engine's latest reading on page load and every two seconds.

        Args:
            loaded: registers a handler to call once: the page's `load`, or `then` of the event that fills the form from
                the address if `choose` must see the resulting `model`.
            model: the model box.
            choose: picks the value of `model` when the served models change; None leaves it alone.
        """

        names = gr.State([])
        status = ([names, model], [self._header, names, model])

        async def tick(known: list[str], chosen: Any) -> tuple[Any, Any, Any]:
            return await self.tick(known, chosen, choose)

        loaded(tick, *status, **QUIET)
        gr.Timer(_TICK_SECONDS).tick(tick, *status, **QUIET)
        EngineButtons(self._services).wire(self._header)

    async def tick(self, known: list[str], chosen: Any, choose: ChooseModel | None) -> tuple[Any, Any, Any]:
        """Return the header, the served models, and the update of the model box.

        Args:
            known: served models the page already has.
            chosen: value of the model box.
            choose: as in `wire`.
        """
        reading = await self._services.engine_watch.latest()
        header, served = header_value(self._services, reading), list(reading.models)
        if header["demo"] and current_person().may(Permission.MANAGE):
            header["better"] = await asyncio.to_thread(_better, self._services)
        if reading.info is None or served == known:
            return header, gr.skip(), gr.skip()
        if choose is None:
            return header, served, gr.update(choices=served)
        return header, served, gr.update(choices=served, value=choose(chosen, served, reading.info.model))


def header_value(services: Services, reading: EngineReading) -> dict[str, Any]:
    """Return the header's current value.

    Args:
        services: the app's services.
        reading: the engine's last reply.
    """
    status, info = services.engines.status(), reading.info
    # A remote engine is ready if it responded last time.
    is_silent = status.state is EngineState.READY and info is None
    state = EngineState.FAILED if is_silent else status.state
    message = status.message if status.state is not EngineState.READY else reading.problem or _age(reading)
    person = current_person()
    may_manage = person.may(Permission.MANAGE)
    is_managed = may_manage and status.choice is not EngineChoice.REMOTE
    return {
        "state": state.value,
        "label": _label(status, state, info),
        "work": _work(services),
        "message": message or "Ready.",
        "damage": services.database.damage,
        "demo": _DEMO if services.engines.is_demo else "",
        "facts": _facts(services, status, info),
        "can_restart": is_managed,
        "can_stop": is_managed and state not in (EngineState.STOPPED, EngineState.DOWNLOADING),
        "restart": "Start engine" if state is EngineState.STOPPED else "Restart engine",
        "log": services.engines.log_tail(30) if may_manage else "",
        "person": f"{person.name} ({person.role})" if person.name else "",
        "has_password": person.origin is AccountOrigin.PASSWORD,
        "has_session": person.origin is not AccountOrigin.PROXY,
    }


def _better(services: Services) -> str:
    """What to use instead of the demo model on this machine; empty if nothing fits."""
    best = next((each for each in services.models.suggestions() if each.is_best), None)
    if best is None:
        return ""
    return f"This machine can run {best.suggestion.title} (a download of {size(best.suggestion.typical_bytes)})."


def _age(reading: EngineReading) -> str:
    """Time since the engine last responded, if that is long ago: it may hang."""
    if reading.age_seconds < _SILENT_SECONDS:
        return ""
    return f"The engine last answered {duration(reading.age_seconds)} ago."


def _label(status: EngineStatus, state: EngineState, info: EngineInfo | None) -> str:
    model = info.model if info else status.model
    return f"{_NAMES[status.choice]}: {model or 'no model'}, {state.value}"


def _work(services: Services) -> str:
    kinds = (services.probe, services.sweeps, services.strategies)
    running = sum(each.running for each in kinds)
    parts = []
    if running:
        tokens_per_second = sum(each.tokens_per_second for each in kinds)
        parts.append(f"{running} running, {tokens_per_second:.0f} tokens/s")
    if jobs := services.jobs.running:
        parts.append(counted(jobs, "job"))
    return ", ".join(parts) or "Idle"


def _facts(services: Services, status: EngineStatus, info: EngineInfo | None) -> list[tuple[str, str]]:
    facts = [("Engine", _NAMES[status.choice])]
    if info:
        match = services.engines.match_profile(info.model, info)
        facts += [
            ("Server", f"{info.kind.value} {info.version}".strip()),
            ("Model", info.model),
            ("Runs on", services.engines.hardware),
            ("Context", f"{info.context_length:,} tokens"),
            ("Parallel", "" if info.parallel_requests is None else f"{info.parallel_requests} requests"),
            ("Profile", match.profile.id + (" (a guess: no profile matches this model)" if match.is_guess else "")),
        ]
    return [(name, text) for name, text in facts if text]
