"""The question sets tab: import from the hub, preview with search, delete. Files are uploaded through `files`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.importing import MAX_QUESTIONS
from m1app.scratch_folder import UPLOAD, scratch_folder
from m1app.trash.words import extent_text
from m1app.ui.admin.question_sets_view import (
    PREVIEW_PAGE,
    import_options,
    overlaps_value,
    preview_value,
    report_value,
    sample_value,
    set_choices,
    sets_value,
    write_ids,
)
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from storage.errors import not_found
from storage.trash.records import TrashKind

Reply = dict[str, Any]
_MAX_IDS_CHARACTERS = 500_000
"""Of a list of ids for a dataset of the hub; an event carries less than a file."""


class SetsTab:
    """Builds the tab and holds its handlers."""

    def __init__(self, services: Services, choice: gr.Dropdown) -> None:
        """Args:
        services: the app's services.
        choice: another component that offers the sets.
        """
        self._sets = services.question_sets
        self._trash = services.trash
        self._home = services.settings.home
        self._choice = choice
        self.list = page_component("admin/question_sets", element_id="admin-sets", events=("ask",))

    def wire(self, demo: gr.Blocks) -> None:
        """Connect the handlers."""
        outputs = [self.list, self._choice]
        self.list.ask(self._on_ask, self._choice, outputs, trigger_mode="multiple", **QUIET)
        demo.load(self._on_load, self._choice, outputs, **QUIET)

    def refresh_after(self, event: Any) -> None:
        """Show the sets again after an event that may have restored some."""
        event.then(self._on_load, self._choice, [self.list, self._choice], **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]]:
        return {
            "list": self._list,
            "preview": self._preview,
            "hub": self._import_hub,
            "library": self._import_library,
            "hub-columns": self._sample_hub,
            "extent": self._extent,
            "delete": self._delete,
            "overlaps": self._overlaps,
        }

    async def _on_load(self, chosen: list[str] | None) -> tuple[Any, Any]:
        return await self._shown(0, {}, chosen)

    async def _on_ask(self, event: gr.EventData, chosen: list[str] | None) -> tuple[Any, Any]:
        asked = event._data
        try:
            reply = await self._answers[str(asked["action"])](asked)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply = {"error": message_of(exc)}
        return await self._shown(int(asked["number"]), reply, chosen)

    async def _shown(self, number: int, reply: Reply, chosen: list[str] | None) -> tuple[Any, Any]:
        """The current list with a reply, and the choice without deleted sets."""
        try:
            sets = await self._sets.all()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"number": number, "reply": {"error": message_of(exc)}}, gr.skip()
        value = sets_value(sets, self._sets.layouts) | {"number": number, "reply": reply}
        names = {each.name for each in sets}
        kept = [name for name in chosen or () if name in names]
        return value, gr.update(choices=set_choices(sets), value=kept)

    async def _list(self, _: Mapping[str, Any]) -> Reply:
        return {}

    async def _preview(self, asked: Mapping[str, Any]) -> Reply:
        set_id, text, offset = str(asked["id"]), str(asked.get("text") or "")[:200], int(asked.get("offset") or 0)
        chosen = next((each for each in await self._sets.all() if each.id == set_id), None)
        if chosen is None:
            raise not_found("question set", set_id)
        offset = min(max(0, offset), MAX_QUESTIONS)
        found = await self._sets.preview(set_id, limit=PREVIEW_PAGE + 1, offset=offset, text=text)
        return {
            "preview": preview_value(chosen, found, text=text, offset=offset, layouts=self._sets.layouts),
        }

    async def _import_hub(self, asked: Mapping[str, Any]) -> Reply:
        ids = str(asked.get("ids") or "")
        if len(ids) > _MAX_IDS_CHARACTERS:
            raise InvalidQuestionSet(
                f"The list of ids has more than {_MAX_IDS_CHARACTERS:,} characters. Import it from the command line: "
                "questions import --hub --ids FILE."
            )
        async with scratch_folder(UPLOAD, self._home) as folder:
            path = await asyncio.to_thread(write_ids, folder, ids.encode()) if ids else None
            report = await self._sets.import_hub(**_hub_values(asked), name=_text(asked, "name"), ids=path)
        return {"report": report_value(report)}

    async def _import_library(self, _: Mapping[str, Any]) -> Reply:
        return {"report": report_value(await self._sets.import_library())}

    async def _sample_hub(self, asked: Mapping[str, Any]) -> Reply:
        return {"sample": sample_value(await self._sets.sample_hub(**_hub_values(asked)))}

    async def _extent(self, asked: Mapping[str, Any]) -> Reply:
        extent = await self._trash.extent(TrashKind.QUESTION_SET, str(asked["id"]))
        return {"extent": extent_text(extent, self._trash.days)}

    async def _delete(self, asked: Mapping[str, Any]) -> Reply:
        await self._sets.delete(str(asked["id"]))
        return {"deleted": str(asked["id"])}

    async def _overlaps(self, _: Mapping[str, Any]) -> Reply:
        sets = await self._sets.all()
        return {"overlaps": overlaps_value(await self._sets.overlaps([each.id for each in sets]))}


def _text(asked: Mapping[str, Any], field: str) -> str:
    return str(asked.get(field) or "").strip()


def _hub_values(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Which dataset of the hub is read, and how."""
    named = {field: _text(asked, field) for field in ("repo", "layout", "config", "split")}
    return {**named, "options": import_options(_text(asked, "options"))}
