"""The section "vLLM on this machine" of the models tab: options, the command they make, start, stop."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.engines.vllm_service import VllmView
from m1app.ui.admin.live_value import LiveValue
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from models.servers.managed_server import ServerState
from models.servers.vllm_fit import Fit, gib

Reply = dict[str, Any]
_TICK_SECONDS = 2.0
_SHARED_SECONDS = 1.0
_LOG_LINES = 60
_STATES = {
    ServerState.STARTING: ("loading", "running"),
    ServerState.READY: ("ready", "succeeded"),
    ServerState.RESTARTING: ("restarting after a crash", "running"),
    ServerState.STOPPED: ("not running", ""),
    ServerState.FAILED: ("failed", "failed"),
}
"""A state's words, and the look of its badge."""
_BESIDE = (
    "vLLM runs alongside the app's engine, and its model can be chosen on every page. Changes are saved immediately "
    "and apply from the next start."
)
_ENGINE = "vLLM is the app's engine (M1_ENGINE=vllm). Changes are saved immediately and apply from the next start."


class VllmSection:
    """Builds the section and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._section = page_component("admin/vllm", element_id="admin-vllm", events=("ask",))
        self._live = LiveValue(self._section, self._shown, tick_seconds=_TICK_SECONDS, shared_seconds=_SHARED_SECONDS)

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the handlers."""
        self._live.wire(demo.load, tab.select)
        self._section.ask(self._on_ask, None, self._section, trigger_mode="multiple", **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]]:
        return {"choose": self._choose, "start": self._start, "stop": self._stop}

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        asked = event._data
        try:
            action = str(asked["action"])
            reply = await self._answers[action](asked)
            self._services.access.audit.note_soon(f"vllm.{action}")
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply = {"error": message_of(exc)}
        self._live.forget()
        try:
            shown = await self._shown()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            shown = {"broken": message_of(exc)}
        return {**shown, "number": int(asked["number"]), "reply": reply}

    async def _shown(self) -> dict[str, Any]:
        return vllm_value(await self._services.vllm.view(_LOG_LINES))

    async def _choose(self, asked: Mapping[str, Any]) -> Reply:
        await self._services.vllm.choose(dict(asked["options"]))
        return {}

    async def _start(self, asked: Mapping[str, Any]) -> Reply:
        await self._services.vllm.choose(dict(asked["options"]))
        await self._services.vllm.start()
        return {}

    async def _stop(self, _asked: Mapping[str, Any]) -> Reply:
        await self._services.vllm.stop()
        return {}


def vllm_value(view: VllmView) -> dict[str, Any]:
    """What the section shows."""
    words, badge = _STATES[view.state]
    is_running = view.pid is not None
    return {
        "state": words,
        "badge": badge,
        "about": _ENGINE if view.is_engine else _BESIDE,
        "facts": _facts(view),
        "message": view.problem or view.message,
        "loading": view.loading,
        "options": view.options.model_dump(),
        "fixed": dict(view.fixed),
        "models": list(view.models),
        "notes": _notes(view),
        "which": _which(view, is_running=is_running),
        "command": view.command,
        "start": "Restart vLLM" if is_running else "Start vLLM",
        "can_start": view.plan is not None and not view.plan.is_refused,
        "can_stop": view.can_stop,
        "log": "\n".join(view.log),
    }


def _facts(view: VllmView) -> str:
    facts = [view.name]
    if view.pid is not None:
        facts.append(f"process {view.pid}" + (", taken over from an earlier start" if view.is_adopted else ""))
    if view.hardware:
        facts.append(f"on {view.hardware}")
    return " · ".join(filter(None, facts))


def _which(view: VllmView, *, is_running: bool) -> str:
    if not view.command:
        return "Choose a model to see the command." if not view.problem else ""
    if is_running:
        changed = " The options have changed since; choose Restart to apply them." if view.is_changed else ""
        return f"This command is running.{changed}"
    return "This command will run, on a free port and with a random key."


def _notes(view: VllmView) -> list[str]:
    notes = [f"{variable} sets {_FIELDS[name]}, and takes precedence." for name, variable in view.fixed.items()]
    if view.more_arguments:
        notes.append(f"M1_VLLM_ARGS adds {view.more_arguments}, which takes precedence.")
    if view.plan is None:
        return notes
    if view.plan.fit is None:
        return [*notes, f"Its memory needs are not known: {view.plan.unknown}."]
    if view.plan.fit.problems and not view.plan.is_refused:
        notes.append("By this estimate it does not fit. You can start it anyway, because M1_VLLM_ARGS may change that.")
    return [*notes, *view.plan.fit.problems, _estimate(view.plan.fit)]


def _estimate(fit: Fit) -> str:
    cache = (
        f" and {gib(fit.cache_bytes)} for one request of {fit.context_tokens:,} tokens" if fit.context_tokens else ""
    )
    return f"Estimated from config.json: {gib(fit.weights_bytes)} for the weights{cache}."


_FIELDS = {"model": "the model", "has_speculation": "n-gram speculation", "is_kept": "whether it is kept running"}
