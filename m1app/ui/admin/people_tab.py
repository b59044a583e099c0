"""The people tab: accounts, and names from before there were accounts."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gradio as gr

from m1app.access.accounts import MAX_NAME_CHARACTERS, check_name
from m1app.access.errors import AccountRefused
from m1app.access.person import current_person
from m1app.bootstrap import Services
from m1app.ui.admin.people_view import people_value
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from m1app.wording import counted
from storage.errors import InvalidRecord
from storage.people.records import Role

Reply = dict[str, Any]
Asked = Mapping[str, Any]


class Misfilled(AccountRefused):
    """A field of a form has to be changed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class PeopleTab:
    """Builds the tab and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._access = services.access
        self._accounts = services.access.accounts
        self._annotations = services.annotations
        self.list = page_component("admin/people", element_id="admin-people", events=("ask",))

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the handlers; the tab is read again whenever it is opened."""
        self.list.ask(self._on_ask, None, self.list, trigger_mode="multiple", **QUIET)
        for opened in (demo.load, tab.select):
            opened(self._on_open, None, self.list, **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Asked], Awaitable[Reply]]]:
        return {
            "add": self._add,
            "role": self._set_role,
            "password": self._set_password,
            "disable": self._disable,
            "enable": self._enable,
            "claim": self._claim,
        }

    async def _on_open(self) -> dict[str, Any]:
        return await self._shown(0, {})

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        asked = event._data
        try:
            reply = await self._answers[str(asked["action"])](asked)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            field = exc.field if isinstance(exc, Misfilled) else ""
            reply = {"error": {"message": message_of(exc), "field": field}}
        else:
            # Other tabs' next requests see the change at once.
            self._access.forget()
        if reply.get("is_first"):
            # Whoever was let in by the link is nobody from now on.
            return {"number": int(asked["number"]), "reply": reply}
        return await self._shown(int(asked["number"]), reply)

    async def _shown(self, number: int, reply: Reply) -> dict[str, Any]:
        try:
            accounts, old_names = await self._accounts.all(), await self._annotations.old_names()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"number": number, "reply": {"error": {"message": message_of(exc), "field": ""}}}
        value = people_value(accounts, old_names, current_person().account_id)
        return value | {"number": number, "reply": reply}

    async def _add(self, asked: Asked) -> Reply:
        is_first, role = not await self._accounts.all(), _role(asked)
        with _at("name"):
            name = check_name(_text(asked, "name"))
        if is_first and role is not Role.ADMIN:
            raise Misfilled("role", "The first account must be an admin; add the others afterwards.")
        try:
            with _at("password"):
                made = await self._accounts.add(name, role, str(asked.get("password") or ""))
        except InvalidRecord as exc:
            raise Misfilled("name", str(exc)) from exc
        return {"is_first": is_first, "done": f"{made.name} can log in as {made.role.value}."}

    async def _set_role(self, asked: Asked) -> Reply:
        name, role = _text(asked, "name"), _role(asked)
        changed = await self._accounts.set_role(name, role)
        return {"done": f"{changed.name} is now {changed.role.value}."}

    async def _set_password(self, asked: Asked) -> Reply:
        with _at("new_password"):
            changed = await self._accounts.set_password(_text(asked, "name"), str(asked.get("password") or ""))
        return {"done": f"{changed.name} has a new password and is logged out everywhere."}

    async def _disable(self, asked: Asked) -> Reply:
        changed = await self._accounts.set_disabled(_text(asked, "name"), True)
        return {"done": f"{changed.name} is disabled and logged out everywhere."}

    async def _enable(self, asked: Asked) -> Reply:
        changed = await self._accounts.set_disabled(_text(asked, "name"), False)
        return {"done": f"{changed.name} can log in again."}

    async def _claim(self, asked: Asked) -> Reply:
        # Old names are taken as they are stored, spaces included.
        old, account = str(asked.get("old") or ""), _text(asked, "name")
        moved = await self._annotations.claim(old, account)
        what = f"{counted(moved.cases, 'case')} and {counted(moved.annotations, 'annotation')}"
        return {"done": f"{what} of “{old}” now belong to {account}."}


@contextmanager
def _at(field: str) -> Iterator[None]:
    """Say at which field of the form a refusal in the block belongs."""
    try:
        yield
    except AccountRefused as exc:
        raise Misfilled(field, str(exc)) from exc


def _text(asked: Asked, field: str) -> str:
    return str(asked.get(field) or "").strip()[: 4 * MAX_NAME_CHARACTERS]


def _role(asked: Asked) -> Role:
    try:
        return Role(str(asked.get("role")))
    except ValueError as exc:
        raise AccountRefused(f"Choose a role: {', '.join(role.value for role in Role)}.") from exc
