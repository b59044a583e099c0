"""Accounts, old names, the trash and the audit log on the Admin page."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest
from sqlalchemy import text

from m1app.access.person import NOBODY, Person, acting_as
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.ui.admin.audit_tab import PAGE, AuditTab, details_text
from m1app.ui.admin.people_tab import PeopleTab
from m1app.ui.admin.trash_tab import TrashTab
from storage.database import Database, Session
from storage.people.records import Account, Role
from tests.m1app.annotation.cases import note, stored_trace

PASSWORD = "correct horse"
LOCAL = Person("local", Role.ADMIN, address="127.0.0.1")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    made = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9"))
    with acting_as(LOCAL):
        yield made
    await made.aclose()


def event(**data: Any) -> gr.EventData:
    return cast(gr.EventData, gr.EventData(None, data))


def people_tab(services: Services) -> PeopleTab:
    with gr.Blocks():
        return PeopleTab(services)


async def ask(tab: Any, action: str, **values: Any) -> dict[str, Any]:
    value: dict[str, Any] = await tab._on_ask(event(action=action, number=1, **values))
    assert value["number"] == 1
    return value


async def noted(services: Services, action: str, subject: str, **details: str) -> None:
    services.access.audit.note_soon(action, subject, **details)
    await services.access.audit.aclose()


async def root(services: Services) -> Person:
    made = await services.access.accounts.add("Root", Role.ADMIN, PASSWORD)
    return Person(made.id, made.role, made.name)


async def add(services: Services, name: str, role: Role) -> Account:
    return await services.access.accounts.add(name, role, PASSWORD)


async def test_without_accounts_only_an_admin_is_offered_and_creating_it_leads_to_the_login(services: Services) -> None:
    tab = people_tab(services)
    value = await tab._on_open()
    assert (value["accounts"], value["roles"]) == ([], ["admin"])
    value = await ask(tab, "add", name="Ada", role="annotator", password=PASSWORD)
    assert value["reply"]["error"]["field"] == "role"
    assert not await services.access.has_accounts()
    value = await ask(tab, "add", name="Ada", role="admin", password=PASSWORD)
    # Nothing is listed: whoever came by the link may not read it any more.
    assert set(value) == {"number", "reply"}
    assert value["reply"]["is_first"] is True
    assert await services.access.has_accounts()


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"name": "   "}, "name", "visible characters"),
        ({"name": "x" * 81}, "name", "1 to 80"),
        ({"name": "rOOt"}, "name", "already an account"),
        ({"password": "short"}, "password", "has 5 characters"),
        ({"password": "\ud800" * 9}, "password", "cannot be encoded"),
        ({"role": "king"}, "", "Choose a role"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field(
    services: Services, changes: dict[str, str], field: str, message: str
) -> None:
    with acting_as(await root(services)):
        asked = {"name": "Ada", "role": "viewer", "password": PASSWORD} | changes
        error = (await ask(people_tab(services), "add", **asked))["reply"]["error"]
    assert error["field"] == field
    assert message in error["message"]


async def test_accounts_are_changed_and_others_see_it_at_once(services: Services) -> None:
    with acting_as(await root(services)):
        tab = people_tab(services)
        await ask(tab, "add", name="  Ada   L ", role="viewer", password=PASSWORD)
        token = await services.access.log_in("Ada L", PASSWORD, "192.0.2.7")
        assert (await services.access.person(token, "")).role is Role.VIEWER
        value = await ask(tab, "role", name="Ada L", role="annotator")
        assert value["reply"] == {"done": "Ada L is now annotator."}
        assert (await services.access.person(token, "")).role is Role.ANNOTATOR
        value = await ask(tab, "disable", name="Ada L")
        rows = {row["name"]: row for row in value["accounts"]}
        assert (rows["Ada L"]["is_disabled"], rows["Root"]["is_own"]) == (True, True)
        assert rows["Ada L"]["seen"]
        assert await services.access.person(token, "") is NOBODY
        assert not (await ask(tab, "enable", name="Ada L"))["accounts"][0]["is_disabled"]
        error = (await ask(tab, "password", name="Ada L", password="short"))["reply"]["error"]
        assert error["field"] == "new_password"
        await ask(tab, "password", name="Ada L", password="another horse")
        assert await services.access.log_in("Ada L", "another horse", "192.0.2.7")


@pytest.mark.parametrize("name", ["Root", "ROOT"])
@pytest.mark.parametrize(("action", "values"), [("disable", {}), ("role", {"role": "viewer"}), ("password", {})])
async def test_ones_own_account_is_not_changed_here(
    services: Services, name: str, action: str, values: dict[str, str]
) -> None:
    own = await root(services)
    await add(services, "Second", Role.ADMIN)
    with acting_as(own):
        value = await ask(people_tab(services), action, name=name, **({"password": PASSWORD} | values))
    assert "your own account" in value["reply"]["error"]["message"]
    assert (value["accounts"][0]["role"], value["accounts"][0]["is_disabled"]) == ("admin", False)


async def test_an_old_name_is_claimed(services: Services) -> None:
    case_id = stored_trace(services.database)
    await services.annotations.save(case_id, " dr  x", note())
    with acting_as(await root(services)):
        await add(services, "Ada", Role.ANNOTATOR)
        tab = people_tab(services)
        assert (await tab._on_open())["old_names"] == [{"name": "dr x", "cases": 1, "marks": 1}]
        value = await ask(tab, "claim", old="dr x", name="Ada")
        assert value["old_names"] == []
        assert value["reply"]["done"] == "1 case and 1 annotation of “dr x” now belong to Ada."
        assert "Nothing was annotated" in (await ask(tab, "claim", old="dr x", name="Ada"))["reply"]["error"]["message"]
        assert await services.annotations.old_names() == ()


def trash_tab(services: Services) -> TrashTab:
    with gr.Blocks():
        return TrashTab(services)


async def test_what_was_deleted_is_restored_or_removed_for_good(services: Services) -> None:
    own = await root(services)
    with acting_as(own):
        tab = trash_tab(services)
        value = await tab._on_open()
        assert value["rows"] == []
        assert "30 days" in value["empty"]
        trace_id = stored_trace(services.database)
        await services.trash.discard_trace(trace_id)
        (row,) = (await tab._on_open())["rows"]
        assert (row["kind"], row["by"]) == ("Trace", "Root")
        assert row["name"].startswith("A 54-year-old man")
        assert row["until"] > row["deleted"]
        value = await ask(tab, "restore", id=row["id"])
        assert (value["rows"], value["reply"]) == ([], {"done": "Trace restored."})
        assert "error" in (await ask(tab, "restore", id=row["id"]))["reply"]
        await services.trash.discard_trace(trace_id)
        (row,) = (await tab._on_open())["rows"]
        assert (await ask(tab, "remove", id=row["id"]))["rows"] == []
        actions = [entry.action for entry in await services.access.audit.after(0)]
        assert actions[-4:] == ["trace.delete", "trace.restore", "trace.delete", "trace.remove"]


def audit_tab(services: Services) -> AuditTab:
    with gr.Blocks():
        return AuditTab(services)


async def page(tab: AuditTab, before: int | None = None, **wanted: str) -> dict[str, Any]:
    reply: dict[str, Any] = (await ask(tab, "page", before=before, filter=wanted))["reply"]
    return reply


async def test_the_log_is_read_a_page_at_a_time_and_filtered(services: Services) -> None:
    own = await root(services)
    for number in range(PAGE + 2):
        await noted(services, "trace.download", f"{number:032}", format="json")
    with acting_as(own):
        tab = audit_tab(services)
        await noted(services, "job.stop", "j1")
        first = await page(tab)
        assert (len(first["rows"]), first["has_more"], first["empty"]) == (PAGE, True, "")
        assert (first["rows"][0]["who"], first["rows"][0]["subject"]) == ("Root", "j1")
        assert (first["rows"][1]["who"], first["rows"][1]["details"]) == ("Someone at this machine", "format json")
        rest = await page(tab, first["rows"][-1]["number"])
        assert [row["number"] for row in rest["rows"]] == [4, 3, 2, 1]
        assert rest["has_more"] is False
        of_root = await page(tab, person=own.id)
        assert [row["action"] for row in of_root["rows"]] == ["job.stop"]
        assert [own.id, "Root"] in of_root["people"]
        by_action = await page(tab, action="account.")
        assert [row["action"] for row in by_action["rows"]] == ["account.add"]
        assert [row["number"] for row in (await page(tab, subject="j1"))["rows"]] == [PAGE + 4]
        nothing = await page(tab, subject="j2")
        assert (nothing["rows"], nothing["empty"]) == ([], "No entry matches. Clear the filter.")


async def test_a_changed_entry_is_found(services: Services) -> None:
    await noted(services, "job.stop", "j1")
    await noted(services, "job.stop", "j2")
    tab = audit_tab(services)
    checked = await ask(tab, "check")
    # Pages are numbered apart, so an answer says which of the two it is.
    assert (checked["action"], checked["reply"]["check"]["is_good"]) == ("check", True)
    _falsify(services.database)
    found = (await ask(tab, "check"))["reply"]["check"]
    assert found["is_good"] is False
    assert "Entry 1 was changed" in found["text"]


def _falsify(database: Database) -> None:
    def change(session: Session) -> None:
        # Whoever can do this can also change the rest.
        session.execute(text("DROP TRIGGER audit_entry_no_update"))
        session.execute(text("UPDATE audit_entry SET subject = 'j9' WHERE number = 1"))

    database.write_now(change)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANNOTATOR, Role.REVIEWER])
async def test_others_than_admins_read_and_change_nothing(services: Services, role: Role) -> None:
    await root(services)
    other = await add(services, "Eve", role)
    with acting_as(Person(other.id, other.role, other.name)):
        for value in (
            await people_tab(services)._on_open(),
            await ask(people_tab(services), "role", name="Eve", role="admin"),
            await ask(people_tab(services), "claim", old="x", name="Eve"),
            await trash_tab(services)._on_open(),
            await ask(trash_tab(services), "remove", id="x"),
            await ask(audit_tab(services), "page", filter={}),
            await ask(audit_tab(services), "check"),
        ):
            assert set(value) - {"action"} == {"number", "reply"}
            assert "requires the admin role" in json.dumps(value["reply"]["error"])


def test_details_are_words_and_empty_ones_are_left_out() -> None:
    assert details_text({"kind": "benchmark", "about": "", "added_cases": 0}) == "kind benchmark, added cases 0"
