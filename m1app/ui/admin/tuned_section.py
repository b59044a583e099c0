"""The section "Fine-tuned here" of the models tab: quantized, looked at, and pushed to the hub on request."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.training.publishing.errors import PushRefused
from m1app.training.publishing.hub_push import PushPlan, PushRequest
from m1app.training.publishing.service import Activity
from m1app.training.publishing.tuned_list import FLOAT16, TunedModel
from m1app.ui.admin.live_value import LiveValue
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from m1app.wording import size
from models.weights.quantize import QUANTIZATIONS

Reply = dict[str, Any]
_TICK_SECONDS = 2.0
_SHARED_SECONDS = 1.0
_MOST_CHARACTERS = 200
_CARD_CHARACTERS = 50_000


class TunedSection:
    """Builds the section and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._publishing = services.publishing
        self._section = page_component("admin/tuned", element_id="admin-tuned", events=("ask",))
        self._live = LiveValue(self._section, self._shown, tick_seconds=_TICK_SECONDS, shared_seconds=_SHARED_SECONDS)

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the handlers; progress is sent while something is done with a model."""
        self._live.wire(demo.load, tab.select)
        self._section.ask(self._on_ask, None, self._section, trigger_mode="multiple", **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]]:
        return {"card": self._card, "quantize": self._quantize, "plan": self._plan, "upload": self._upload}

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        asked = event._data
        try:
            reply = await self._answers[str(asked["action"])](asked)
            self._live.forget()
            shown = await self._shown()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply, shown = {"error": message_of(exc)}, {}
        return {**shown, "number": int(asked["number"]), "reply": reply}

    async def _shown(self) -> dict[str, Any]:
        found = await asyncio.to_thread(self._publishing.models)
        return {"models": [tuned_value(each, self._publishing.activity(each.id)) for each in found]}

    async def _card(self, asked: Mapping[str, Any]) -> Reply:
        return {"card": (await self._publishing.card(_text(asked, "id")))[:_CARD_CHARACTERS]}

    async def _quantize(self, asked: Mapping[str, Any]) -> Reply:
        self._publishing.start_quantizing(_text(asked, "id"), _text(asked, "kind"))
        return {}

    async def _plan(self, asked: Mapping[str, Any]) -> Reply:
        return {"plan": plan_value(await self._publishing.plan_push(_request(asked)))}

    async def _upload(self, asked: Mapping[str, Any]) -> Reply:
        """Upload what the person was shown; what has changed since is shown again first."""
        plan = await self._publishing.plan_push(_request(asked))
        if plan.words() != asked.get("confirmed"):
            raise PushRefused("The files have changed since you saw them. Check them again, then upload.")
        self._publishing.start_push(plan)
        return {}


def tuned_value(model: TunedModel, activity: Activity | None) -> dict[str, Any]:
    """What the section shows of a model."""
    names = {FLOAT16: "float16"} | {kind: mix.name for kind, mix in QUANTIZATIONS.items()}
    return {
        "id": model.id,
        "about": f"{model.recipe.objective.upper()}, from {model.run.base_id}, on {model.run.data}",
        "files": [[kind, names[kind], size(path.stat().st_size)] for kind, path in model.gguf.items()],
        "kinds": [[kind, mix.name] for kind, mix in QUANTIZATIONS.items()] if FLOAT16 in model.gguf else [],
        "has_adapter": model.adapter is not None,
        "activity": None
        if activity is None
        else {
            "words": activity.words,
            "share": activity.share,
            "is_running": activity.is_running,
            "done": activity.done,
            "error": activity.error,
        },
    }


def plan_value(plan: PushPlan) -> dict[str, Any]:
    """What the section shows of a push before it is confirmed."""
    return {"words": plan.words(), "repo": plan.request.repo, "card": plan.card[:_CARD_CHARACTERS]}


def _request(asked: Mapping[str, Any]) -> PushRequest:
    kinds = asked.get("gguf")
    return PushRequest(
        model_id=_text(asked, "id"),
        repo=_text(asked, "repo").strip(),
        is_public=bool(asked.get("is_public")),
        gguf=tuple(str(kind) for kind in kinds[: len(QUANTIZATIONS) + 1]) if isinstance(kinds, list) else (),
        with_adapter=bool(asked.get("with_adapter")),
    )


def _text(asked: Mapping[str, Any], name: str) -> str:
    return str(asked.get(name) or "")[:_MOST_CHARACTERS]
