"""The audit log on the Admin page: newest first, filtered, read a page at a time, checked and downloaded."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.ui.admin.person_names import names_by_id
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from storage.people.records import AuditEntry

PAGE = 50
_FILTERS = ("person", "action", "subject")
_MAX_FILTER_CHARACTERS = 200

Reply = dict[str, Any]
Asked = Mapping[str, Any]


class AuditTab:
    """Builds the log and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._audit = services.access.audit
        self._accounts = services.access.accounts
        self.log = page_component("admin/audit", element_id="admin-audit", events=("ask",))

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the handlers."""
        for opened in (demo.load, tab.select):
            opened(self._on_open, None, self.log, **QUIET)
        self.log.ask(self._on_ask, None, self.log, trigger_mode="multiple", **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Asked], Awaitable[Reply]]]:
        return {"page": self._page, "check": self._check}

    async def _on_open(self) -> dict[str, Any]:
        # The page code asks for entries with its filter.
        return {"number": 0, "reply": {"is_opened": True}}

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        asked = event._data
        try:
            reply = await self._answers[str(asked["action"])](asked)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply = {"error": message_of(exc)}
        return {"action": str(asked["action"]), "number": int(asked["number"]), "reply": reply}

    async def _page(self, asked: Asked) -> Reply:
        wanted = asked["filter"]
        filters = {name: str(wanted.get(name) or "")[:_MAX_FILTER_CHARACTERS] for name in _FILTERS}
        before = asked.get("before")
        entries = await self._audit.page(
            filters=filters, before=before if isinstance(before, int) else None, limit=PAGE + 1
        )
        return audit_value(entries, names_by_id(await self._accounts.all()), is_filtered=any(filters.values()))

    async def _check(self, _: Asked) -> Reply:
        broken = await self._audit.first_broken()
        if broken is None:
            return {"check": {"is_good": True, "text": "No entry was changed or removed."}}
        text = (
            f"Entry {broken} was changed, or the one before it is missing. Compare the log with an earlier download "
            "to see what changed."
        )
        return {"check": {"is_good": False, "text": text}}


def audit_value(entries: Sequence[AuditEntry], names: Mapping[str, str], *, is_filtered: bool) -> Reply:
    """A page of entries.

    Args:
        entries: up to PAGE entries, newest first, plus one if there are more.
        names: of persons, by id.
        is_filtered: whether other entries may exist.
    """
    nothing = "No entry matches. Clear the filter." if is_filtered else "Nothing has been recorded yet."
    return {
        "rows": [_row(each, names) for each in entries[:PAGE]],
        "has_more": len(entries) > PAGE,
        "people": [[person, name] for person, name in names.items()],
        "empty": "" if entries else nothing,
    }


def _row(entry: AuditEntry, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "number": entry.number,
        "made": entry.made_at.isoformat(),
        "who": names.get(entry.person, entry.person),
        "action": entry.action,
        "subject": entry.subject,
        "details": details_text(entry.details),
        "address": entry.address,
    }


def details_text(details: Mapping[str, str | int | bool]) -> str:
    """Further ids and numbers as words; empty ones are left out."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in details.items() if value != "")
