"""The trash on the Admin page: what was deleted, to be restored or removed for good."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.trash.service import TrashedItem
from m1app.ui.admin.person_names import names_by_id
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from storage.trash.records import TrashKind

Reply = dict[str, Any]
_KINDS = {
    TrashKind.TRACE: "Trace",
    TrashKind.SWEEP: "Sweep",
    TrashKind.STRATEGY_RUN: "Strategy run",
    TrashKind.BENCHMARK_RUN: "Benchmark run",
    TrashKind.QUESTION_SET: "Question set",
    TrashKind.CORPUS: "Corpus",
    TrashKind.JOB: "Job",
    TrashKind.STUDY: "Study",
}


class TrashTab:
    """Builds the list and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._trash = services.trash
        self._accounts = services.access.accounts
        self.list = page_component("admin/trash", element_id="admin-trash", events=("ask",))

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> Any:
        """Connect the handlers; returns the event that restores things."""
        for opened in (demo.load, tab.select):
            opened(self._on_open, None, self.list, **QUIET)
        return self.list.ask(self._on_ask, None, self.list, trigger_mode="multiple", **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[str], Awaitable[Reply]]]:
        return {"restore": self._restore, "remove": self._remove}

    async def _on_open(self) -> dict[str, Any]:
        return await self._shown(0, {})

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        asked = event._data
        try:
            reply = await self._answers[str(asked["action"])](str(asked["id"]))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply = {"error": message_of(exc)}
        return await self._shown(int(asked["number"]), reply)

    async def _shown(self, number: int, reply: Reply) -> dict[str, Any]:
        try:
            items, accounts = await self._trash.all(), await self._accounts.all()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"number": number, "reply": {"error": message_of(exc)}}
        value = trash_value(items, names_by_id(accounts), self._trash.days)
        return value | {"number": number, "reply": reply}

    async def _restore(self, deletion_id: str) -> Reply:
        restored = await self._trash.restore(deletion_id)
        return {"done": f"{_KINDS[restored.kind]} restored."}

    async def _remove(self, deletion_id: str) -> Reply:
        await self._trash.remove(deletion_id)
        return {"done": "Removed for good."}


def trash_value(items: Sequence[TrashedItem], names: Mapping[str, str], days: float) -> dict[str, Any]:
    """What the list shows.

    Args:
        items: the trash, newest first.
        names: of persons, by id.
        days: how long things stay in the trash.
    """
    empty = f"The trash is empty. Deleted items stay here for {days:g} days and can be restored."
    return {"rows": [_row(each, names) for each in items], "empty": "" if items else empty}


def _row(item: TrashedItem, names: Mapping[str, str]) -> dict[str, Any]:
    deletion = item.deletion
    return {
        "id": deletion.id,
        "kind": _KINDS[deletion.kind],
        "name": deletion.name or deletion.subject_id,
        "deleted": deletion.deleted_at.isoformat(),
        "by": names.get(deletion.deleted_by, deletion.deleted_by),
        "until": item.removed_at.isoformat(),
    }
