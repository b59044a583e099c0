"""The profiles tab: the profiles of this installation, made from a model's chat template."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.engines.profile_library import ProfileSource, ProposedProfile
from m1app.engines.profile_preview import ProfilePreview
from m1app.ui.admin.profile_form import form_of, values_of
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from models.errors import UnknownProfile
from models.profiles import Profile

Reply = dict[str, Any]
_CHANGES = ("save", "remove")


class ProfilesTab:
    """Builds the tab and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._library = services.own_profiles
        self._audit = services.access.audit
        self.list = page_component("admin/profiles", element_id="admin-profiles", events=("ask",))

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> Any:
        """Connect the handlers; returns the event after which there may be other profiles."""
        for opened in (demo.load, tab.select):
            opened(self._on_open, None, self.list, **QUIET)
        return self.list.ask(self._on_ask, None, self.list, trigger_mode="multiple", **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]]:
        return {
            "propose": self._propose,
            "edit": self._edit,
            "preview": self._preview,
            "save": self._save,
            "remove": self._remove,
        }

    async def _on_open(self) -> dict[str, Any]:
        try:
            return await self._shown()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"broken": message_of(exc)}

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        asked = event._data
        try:
            action = str(asked["action"])
            reply = await self._answers[action](asked)
            shown = {}
            if action in _CHANGES:
                self._audit.note_soon(f"profile.{action}", str(asked["name"])[:200])
                shown = await self._shown()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply, shown = {"error": message_of(exc)}, {}
        return {**shown, "number": int(asked["number"]), "reply": reply}

    async def _shown(self) -> dict[str, Any]:
        return profiles_value(await self._library.own(), await self._library.sources())

    async def _propose(self, asked: Mapping[str, Any]) -> Reply:
        proposed = await self._library.propose(
            str(asked.get("model", ""))[:300], str(asked.get("place", ""))[:1000], str(asked.get("template", ""))
        )
        return proposal_value(proposed)

    async def _edit(self, asked: Mapping[str, Any]) -> Reply:
        profile = await self._own(str(asked["name"]))
        return {"form": form_of(profile.values()) | {"name": _name(profile)}, "replaces": _name(profile), "notes": []}

    async def _preview(self, asked: Mapping[str, Any]) -> Reply:
        values = await self._values(asked)
        return {"preview": preview_value(await self._library.preview(values, str(asked.get("model", ""))[:300]))}

    async def _save(self, asked: Mapping[str, Any]) -> Reply:
        name, replaces = str(asked["name"])[:200].strip(), str(asked.get("replaces", ""))
        saved = await self._library.save(name, await self._values(asked), replaces=bool(replaces) and name == replaces)
        return {"saved": name, "done": f"{name} was saved as {saved.id}. You can now choose it under Advanced."}

    async def _remove(self, asked: Mapping[str, Any]) -> Reply:
        await self._library.remove(str(asked["name"]))
        return {"done": f"{asked['name']} was removed. Traces that used it keep their prompts."}

    async def _values(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        replaces = str(asked.get("replaces", ""))
        base = (await self._own(replaces)).values() if replaces else {}
        return values_of(asked["fields"], base)

    async def _own(self, name: str) -> Profile:
        own = await self._library.own()
        found = next((each for each in own if _name(each) == name), None)
        if found is None:
            raise UnknownProfile(f"The profile {name[:80]!r} no longer exists. Reload the page.")
        return found


def _name(profile: Profile) -> str:
    return profile.id.partition("@")[0]


def profiles_value(own: Sequence[Profile], sources: Sequence[ProfileSource]) -> dict[str, Any]:
    """What the tab shows.

    Args:
        own: the profiles of this installation.
        sources: models whose template can be read.
    """
    return {
        "rows": [
            {"name": _name(each), "id": each.id, "title": each.title, "models": [*each.models, *each.hints]}
            for each in own
        ],
        "sources": [{"id": each.id, "title": each.title, "running": each.is_running} for each in sources],
    }


def proposal_value(proposed: ProposedProfile) -> Reply:
    """A proposal, for the form."""
    return {
        "form": form_of(proposed.values) | {"name": proposed.name},
        "replaces": "",
        "model": proposed.model,
        "notes": list(proposed.notes),
    }


def preview_value(preview: ProfilePreview) -> dict[str, Any]:
    """A preview."""
    return {
        "parts": [
            {
                "title": part.title,
                "text": part.text,
                "tokens": [{"id": each.id, "text": each.text, "special": each.is_special} for each in part.tokens],
            }
            for part in preview.parts
        ],
        "notes": list(preview.notes),
    }
