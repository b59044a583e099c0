"""The section "Servers" of the models tab: what each server is, serves and can do."""

from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.engines.server_list import ServerView, instead
from m1app.ui.admin.live_value import LiveValue
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from models.engine.probing import Abilities

_TICK_SECONDS = 4.0
_SHARED_SECONDS = 3.0
_MOST_MODELS = 20


class ServersSection:
    """Builds the section and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._section = page_component("admin/servers", element_id="admin-servers", events=("look",))
        self._live = LiveValue(self._section, self._shown, tick_seconds=_TICK_SECONDS, shared_seconds=_SHARED_SECONDS)

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the handlers."""
        self._live.wire(demo.load, tab.select)
        self._section.look(self._on_look, None, self._section, **QUIET)

    async def _on_look(self, event: gr.EventData) -> dict[str, Any]:
        """The section is seen, or somebody wants it to be looked at anew: find out what the servers can do."""
        is_anew = bool(event._data["anew"])
        value = await self._shown(is_probing=True, is_anew=is_anew)
        self._live.forget()
        return value | {"looked": True}

    async def _shown(self, *, is_probing: bool = False, is_anew: bool = False) -> dict[str, Any]:
        try:
            found = await self._services.servers.servers(is_probing=is_probing, is_anew=is_anew)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"broken": message_of(exc)}
        return {"servers": [server_value(each) for each in found]}


def server_value(view: ServerView) -> dict[str, Any]:
    """What the section shows of a server."""
    info, abilities = view.info, view.abilities
    more = len(view.models) - _MOST_MODELS
    models = ", ".join(view.models[:_MOST_MODELS]) + (f" and {more:,} more" if more > 0 else "")
    return {
        "id": view.place.id,
        "title": view.place.title,
        "address": view.place.address,
        "hardware": view.place.hardware,
        "kind": f"{info.kind.value} {info.version}".strip() if info else "",
        "models": models,
        "context": f"{info.context_length:,} tokens" if info else "",
        "abilities": _abilities(abilities) if abilities else [],
        "instead": list(instead(abilities)) if abilities else [],
        "problem": view.problem,
    }


def _abilities(found: Abilities) -> list[tuple[str, str]]:
    """Each ability: its name, and "yes", "no", "unknown" or a number."""
    probabilities = str(found.logprobs) if found.logprobs else "no"
    return [
        ("token ids", _word(found.has_token_ids)),
        ("probabilities", probabilities),
        ("tokenize", _word(found.tokenizes)),
        ("detokenize", _word(found.detokenizes)),
        ("cancel by closing", _word(found.cancels)),
        ("whole pieces", _word(found.has_whole_pieces)),
        ("prefix caching", _word(found.has_prefix_cache)),
        ("n-gram speculation", _word(found.has_speculation)),
        ("LoRA", _word(found.has_lora)),
    ]


def _word(ability: bool | None) -> str:
    return "unknown" if ability is None else "yes" if ability else "no"
