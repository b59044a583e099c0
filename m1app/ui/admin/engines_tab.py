"""The engine tab: running engines, models on disk, and health checks."""

import asyncio
import json
from pathlib import Path
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.engines.doctor import Finding, examine
from m1app.engines.own_engine import EngineState
from m1app.settings import EngineChoice
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.header import EngineButtons, header_value
from m1app.ui.shell.page_component import page_component
from m1app.ui.shell.shared_reading import SharedReading
from m1app.wording import size
from models.weights.catalog import CatalogModel
from models.weights.download import is_downloaded, local_path
from models.weights.sources import FileSource

_TICK_SECONDS = 2.0
_SHARED_SECONDS = 1.0
_LOG_LINES = 100


class EnginesTab:
    """Builds the tab and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ticks: SharedReading[dict[str, Any]] = SharedReading(_SHARED_SECONDS)
        self._engines = page_component(
            "admin/engines", element_id="admin-engines", events=("restart_engine", "stop_engine")
        )
        self._health = page_component("admin/health", element_id="admin-health", events=("examine",))

    def wire(self, demo: gr.Blocks) -> None:
        """Connect the handlers and refresh the tab at intervals."""
        sent = gr.State("")
        outputs = [self._engines, sent]
        gr.Timer(_TICK_SECONDS).tick(self._on_tick, sent, outputs, **QUIET)
        demo.load(self._on_tick, sent, outputs, **QUIET)
        EngineButtons(self._services).wire(self._engines)
        self._health.examine(self._on_examine, None, self._health, **QUIET)

    async def _on_tick(self, sent: str) -> tuple[Any, Any]:
        value = await self._ticks.get("", lambda: engines_value(self._services))
        text = json.dumps(value, sort_keys=True)
        return (gr.skip(), gr.skip()) if text == sent else (value, text)

    async def _on_examine(self) -> dict[str, Any]:
        services = self._services
        try:
            return health_value(await examine(services.settings, services.database, services.engines))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"error": message_of(exc)}


async def engines_value(services: Services) -> dict[str, Any]:
    """The engine's state, the available models, and the catalog."""
    reading = await services.engine_watch.latest()
    state = services.engines.status().state
    is_managed = services.engines.choice is not EngineChoice.REMOTE
    value = header_value(services, reading)
    shown = {name: value[name] for name in ("state", "label", "message", "facts", "restart")}
    return shown | {
        # Admins may do this from anywhere; the header offers it only on this machine.
        "can_restart": is_managed,
        "can_stop": is_managed and state not in (EngineState.STOPPED, EngineState.DOWNLOADING),
        "served": list(reading.models),
        "models": await asyncio.to_thread(_models, services),
        "log": services.engines.log_tail(_LOG_LINES),
    }


def health_value(findings: list[Finding]) -> dict[str, Any]:
    """Results of the checks."""
    return {"findings": [[each.name, each.is_good, each.detail] for each in findings]}


def _models(services: Services) -> list[dict[str, str]]:
    used = services.engines.status().model
    folder = services.settings.models_directory
    return [_model(model, folder, is_used=model.id == used) for model in services.engines.catalog().models]


def _model(model: CatalogModel, folder: Path, *, is_used: bool) -> dict[str, str]:
    return {
        "id": model.id,
        "title": model.title,
        "parameters": model.parameters,
        "licence": model.licence,
        "place": "in use" if is_used else _place(model, folder),
        "size": _size(model, folder),
    }


def _place(model: CatalogModel, folder: Path) -> str:
    if model.is_downloaded_by_engine:
        return "vLLM downloads it"
    if is_downloaded(model, folder):
        return "on disk"
    return "missing" if isinstance(model.source, FileSource) else "not downloaded"


def _size(model: CatalogModel, folder: Path) -> str:
    """Size of the file on disk, else its download size; empty if unknown."""
    if not model.is_downloaded_by_engine and is_downloaded(model, folder):
        return size(local_path(model, folder).stat().st_size)
    return size(model.size_bytes) if model.size_bytes else ""
