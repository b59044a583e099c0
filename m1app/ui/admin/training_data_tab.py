"""Training data on the Admin page: versions with their cards, and a form to build new ones."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.training.collecting import Collected
from m1app.training.data_request import DataRequest, carry_out
from m1app.ui.admin.live_value import LiveValue
from m1app.ui.admin.training_data_view import (
    built_value,
    card_value,
    data_choices,
    data_sets_value,
    layout_choices,
    preview_value,
    pruned_value,
    pruning_value,
    run_choices,
)
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from storage.benchmarks.records import BenchmarkRun

Reply = dict[str, Any]
_TICK_SECONDS = 1.5
_SHARED_SECONDS = 1.0


class TrainingDataPart:
    """The component and its handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._data = services.training_data
        self.list = page_component("admin/training_data", element_id="admin-training-data", events=("ask",))
        self._pruning = page_component("admin/pruning_progress", element_id="admin-pruning", events=("stop",))
        self._live = LiveValue(
            self._pruning, self._progress, tick_seconds=_TICK_SECONDS, shared_seconds=_SHARED_SECONDS
        )

    def wire(self, demo: gr.Blocks, choice: gr.Dropdown) -> None:
        """Connect the handlers.

        Args:
            demo: the page.
            choice: the component that offers the data sets for training.
        """
        outputs = [self.list, choice]
        self.list.ask(self._on_ask, choice, outputs, trigger_mode="multiple", **QUIET)
        demo.load(self._on_load, choice, outputs, **QUIET)
        self._pruning.stop(self._on_stop, None, None, **QUIET)
        self._live.wire(demo.load)

    def refresh_when(self, opened: Any, choice: gr.Dropdown) -> None:
        """List anew at an event: versions are made on the samples tab, too."""
        opened(self._on_load, choice, [self.list, choice], **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]]:
        answers = {"list": self._list, "card": self._card, "delete": self._delete, "make": self._make}
        return answers | {"models": self._models, "pruned": self._pruned}

    async def _on_load(self, chosen: str | None) -> tuple[Any, Any]:
        return await self._shown(0, {}, chosen)

    async def _on_ask(self, event: gr.EventData, chosen: str | None) -> tuple[Any, Any]:
        asked = event._data
        try:
            reply = await self._answers[str(asked["action"])](asked)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply = {"error": message_of(exc)}
        return await self._shown(int(asked["number"]), reply, chosen)

    async def _shown(self, number: int, reply: Reply, chosen: str | None) -> tuple[Any, Any]:
        """The current list with a reply, and the choice without deleted versions."""
        try:
            versions = await self._data.all()
            runs = await self._services.benchmark_reading.runs()
            sets = await self._services.question_sets.all()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"number": number, "reply": {"error": message_of(exc)}}, gr.skip()
        value = {
            "rows": data_sets_value(versions),
            "sets": [[each.name, each.name] for each in sets],
            "layouts": [list(choice) for choice in layout_choices()],
            "runs": [list(choice) for choice in model_choices(runs)],
            "number": number,
            "reply": reply,
        }
        # Select the version just built, but keep typed values such as paths.
        kept = None if chosen == reply.get("deleted") else chosen
        return value, gr.update(choices=data_choices(versions), value=reply.get("built") or kept or _newest(versions))

    async def _list(self, asked: Mapping[str, Any]) -> Reply:
        """Update after a file upload; `built` names the resulting version."""
        built = str(asked.get("built") or "")
        return {"built": built} if built else {}

    async def _card(self, asked: Mapping[str, Any]) -> Reply:
        reference = str(asked["id"])
        version = await asyncio.to_thread(self._data.get, reference)
        prunings = await asyncio.to_thread(self._data.prunings, reference)
        return {"card": card_value(version, await asyncio.to_thread(self._data.card_text, reference), prunings)}

    async def _models(self, asked: Mapping[str, Any]) -> Reply:
        """Models that can judge steps."""
        return {"models": list((await self._services.engine_watch.latest()).models)}

    async def _pruned(self, asked: Mapping[str, Any]) -> Reply:
        prunings = await asyncio.to_thread(self._data.prunings, str(asked["id"]))
        return {"pruned": pruned_value(prunings, int(asked["index"]))}

    async def _progress(self) -> Reply:
        return pruning_value(self._data.pruning())

    async def _on_stop(self) -> None:
        self._data.stop_pruning()

    async def _delete(self, asked: Mapping[str, Any]) -> Reply:
        deleted = await self._data.delete(str(asked["id"]))
        return {"deleted": deleted.id}

    async def _make(self, asked: Mapping[str, Any]) -> Reply:
        return await carried_out(self._services, asked["form"], ())


async def carried_out(services: Services, form: Any, files: Sequence[Path]) -> Reply:
    """Return the reply to a form that previews or builds a data set.

    Args:
        services: the app's services.
        form: its values, as sent by the page.
        files: uploaded files; see `files`.

    Raises:
        AppError, StorageError: as in `carry_out`.
    """
    data = services.training_data
    made = await carry_out(data, services.exchange, DataRequest.parse(form), files)
    if isinstance(made, Collected):
        return {"report": preview_value(made)}
    card = await asyncio.to_thread(data.card, made.id)
    return {"report": built_value(made, card.warnings), "built": made.id}


def model_choices(runs: Sequence[BenchmarkRun]) -> list[tuple[str, str]]:
    """Runs whose right answers can be excluded, one per model of a run: RUN or RUN:MODEL, and label."""
    return [
        (f"{run_id}:{model}", f"{label}, {model}") if len(run.models) > 1 else (run_id, label)
        for run, (run_id, label) in zip(runs, run_choices(runs), strict=True)
        for model in run.models
    ]


def _newest(versions: Any) -> str | None:
    """The newest version, the form's initial value."""
    return max(versions, key=lambda each: each.created_at).id if versions else None
