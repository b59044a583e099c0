"""The header in which a proxy names the person: who may send it, and what it may contain."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from m1app.access.person import COMMAND_LINE, acting_as
from m1app.access.service import Access
from m1app.settings import Settings
from storage.people.records import Account, AccountOrigin, Role
from tests.m1app.ui.login.login_app import access_in, app_of, browser

PROXY, CLIENT, HEADER = "10.0.5.7", "192.0.2.9", "X-Remote-User"
ADDRESS = "http://m1.example"
NO_ACCOUNT = "You have no account in this app, or it is disabled."


class Ground:
    """An app behind a proxy."""

    def __init__(self, access: Access, settings: Settings) -> None:
        self.access, self._app = access, app_of(access, settings)

    async def ask(self, *values: str | bytes, peer: str = PROXY, path: str = "/", **more: str) -> Any:
        headers = [(HEADER.encode(), v.encode() if isinstance(v, str) else v) for v in values]
        headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
        async with browser(self._app, ADDRESS, peer) as client:
            return await client.get(path, headers=headers)

    async def person(self, *values: str | bytes, **more: Any) -> dict[str, str]:
        """Who the app takes the request to be from; empty for nobody."""
        answer = await self.ask(*values, **more)
        assert answer.status_code in (200, 303)
        return answer.json() if answer.status_code == 200 else {}

    async def accounts(self) -> list[Account]:
        with acting_as(COMMAND_LINE):
            return list(await self.access.accounts.all())


@pytest.fixture
def ground_with(tmp_path: Path) -> Iterator[Callable[..., Ground]]:
    with ExitStack() as stack:

        def make(proxies: str = PROXY, **values: Any) -> Ground:
            chosen = {"trusted_header": HEADER, "trusted_proxies": proxies, **values}
            given = Settings(home=tmp_path, **chosen)
            return Ground(stack.enter_context(access_in(tmp_path, given)), given)

        yield make


@pytest.fixture
def ground(ground_with: Callable[..., Ground]) -> Ground:
    return ground_with()


async def test_whoever_the_proxy_names_gets_an_account_with_the_role_of_the_setting(
    ground_with: Callable[..., Ground],
) -> None:
    ground = ground_with(new_account_role="annotator")
    shown = await ground.person("anna", X_Forwarded_For=CLIENT)
    (account,) = await ground.accounts()
    assert shown == {"id": account.id, "name": "anna", "role": "annotator", "address": CLIENT}
    assert (account.origin, account.subject) == (AccountOrigin.PROXY, "anna")


@pytest.mark.parametrize("peer", [CLIENT, "127.0.0.1", "::1", "10.0.5.70", "", "testclient"])
async def test_nobody_else_may_name_a_person_whatever_they_say_about_themselves(ground: Ground, peer: str) -> None:
    assert await ground.person("anna", peer=peer) == {}
    assert await ground.person("anna", peer=peer, X_Forwarded_For=PROXY) == {}
    assert await ground.accounts() == []


@pytest.mark.parametrize("client", [CLIENT, PROXY, "127.0.0.1", "", "nonsense"])
async def test_the_client_that_the_proxy_reports_changes_nothing_about_the_person(ground: Ground, client: str) -> None:
    assert (await ground.person("anna", X_Forwarded_For=client))["name"] == "anna"


@pytest.mark.parametrize(
    ("reported", "address"),
    [
        (CLIENT, CLIENT),
        (f"{CLIENT}:4711", CLIENT),
        (f"::ffff:{CLIENT}", CLIENT),
        ("2001:0DB8:0::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("", PROXY),
        ("unknown", ""),
        ("x" * 3000, ""),
        (f"{CLIENT}, nonsense", ""),
        ("fe80::1%" + "x" * 3000, "fe80::1"),
    ],
)
async def test_only_an_address_is_taken_from_what_the_proxy_reports(
    ground: Ground, reported: str, address: str
) -> None:
    assert (await ground.person("anna", X_Forwarded_For=reported))["address"] == address


@pytest.mark.parametrize("reported", ["unknown", "x", "127.0.0.1%x"])
async def test_a_client_without_an_address_is_not_this_machine(tmp_path: Path, reported: str) -> None:
    settings = Settings(home=tmp_path, host="127.0.0.1")
    with access_in(tmp_path, settings) as access:
        ground = Ground(access, settings)
        assert (await ground.person(peer="127.0.0.1"))["id"] == "local"
        assert await ground.person(peer="127.0.0.1", X_Forwarded_For=reported) == {}


@pytest.mark.parametrize(
    ("proxies", "peer"),
    [
        ("10.0.5.0/24", PROXY),
        (f"192.0.2.1, {PROXY}", PROXY),
        (PROXY, f"::ffff:{PROXY}"),
        ("2001:db8::7", "2001:0db8:0:0::7"),
    ],
)
async def test_a_proxy_is_known_by_network_and_however_its_address_is_written(
    ground_with: Callable[..., Ground], proxies: str, peer: str
) -> None:
    shown = await ground_with(proxies).person("anna", peer=peer, X_Forwarded_For=CLIENT)
    assert (shown["name"], shown["address"]) == ("anna", CLIENT)


async def test_a_header_that_comes_twice_names_nobody(ground: Ground) -> None:
    assert await ground.person("anna", "anna") == {}
    assert await ground.person("admin", "anna") == {}
    assert await ground.person("", "anna") == {}


@pytest.mark.parametrize("value", ["", "  ", "x" * 256, "a\x7fb", b"a\x85b", "a\u200bb", "a\u202eb"])
async def test_a_value_that_is_no_name_names_nobody(ground: Ground, value: str | bytes) -> None:
    assert await ground.person(value) == {}
    assert await ground.accounts() == []


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ("Müller", "Möller", ["Müller", "Möller"]),
        ("Müller".encode("latin-1"), "Möller".encode("latin-1"), ["Müller", "Möller"]),
        ("李小龍", "李小狼", ["李小龍", "李小狼"]),
        ("x" * 201 + "a", "x" * 201 + "b", ["x" * 80, "x" * 36 + " (" + "x" * 36 + ")"]),
    ],
)
async def test_two_names_are_two_people(ground: Ground, one: Any, other: Any, names: list[str]) -> None:
    first, second = await ground.person(one), await ground.person(other)
    assert first["id"] != second["id"]
    assert [first["name"], second["name"]] == names
    assert (await ground.person(one))["id"] == first["id"]


async def test_names_that_look_the_same_get_numbers(ground: Ground) -> None:
    long = "x" * 100
    names = [(await ground.person(f"{long}{end}"))["name"] for end in "abcd"]
    assert names[2:] == [f"{'x' * 60} (2)", f"{'x' * 60} (3)"]


async def test_the_name_of_an_account_with_a_password_opens_another(ground: Ground) -> None:
    with acting_as(COMMAND_LINE):
        await ground.access.accounts.add("admin", Role.ADMIN, "correct horse")
    shown = await ground.person("admin")
    assert (shown["name"], shown["role"]) == ("admin (admin)", "viewer")


async def test_the_requests_of_a_first_page_make_one_account(ground: Ground) -> None:
    shown = await asyncio.gather(*(ground.person("anna") for _ in range(8)))
    assert len({person["id"] for person in shown}) == len(await ground.accounts()) == 1


async def test_nobody_gets_an_account_if_new_ones_have_no_role_and_the_page_says_so(
    ground_with: Callable[..., Ground],
) -> None:
    ground = ground_with(new_account_role="none")
    assert await ground.person("anna <b>") == {}
    page = (await ground.ask("anna <b>", path="/login")).text
    assert "as anna &lt;b&gt;." in page
    assert NO_ACCOUNT in page
    assert NO_ACCOUNT not in (await ground.ask(path="/login")).text
    assert await ground.accounts() == []


async def test_a_disabled_account_stays_out(ground: Ground) -> None:
    await ground.person("anna")
    with acting_as(COMMAND_LINE):
        await ground.access.accounts.set_disabled("anna", True)
    ground.access.forget()
    assert await ground.person("anna") == {}
    assert NO_ACCOUNT in (await ground.ask("anna", path="/login")).text


async def test_a_known_person_is_let_in_without_a_change_of_the_database(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ground.person("anna")
    ground.access.forget()
    monkeypatch.setattr(ground.access._database, "write_now", None)
    assert (await ground.person("anna"))["name"] == "anna"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"trusted_proxies": "*"}, "not an address or network"),
        ({"trusted_proxies": "proxy.example.org"}, "not an address or network"),
        ({"trusted_proxies": "10.0.5.7/24"}, "not an address or network"),
        ({"trusted_header": "X Remote"}, "the name of a header"),
        ({"trusted_header": "X-Üser"}, "the name of a header"),
        ({"oidc_issuer": "login.example.org"}, "must begin with https://"),
        ({"oidc_issuer": "http://login.example.org"}, "must begin with https://"),
        ({"oidc_issuer": "https://"}, "must begin with https://"),
    ],
)
def test_a_setting_that_would_trust_too_much_or_nobody_is_refused(wrong: dict[str, str], message: str) -> None:
    good = {"trusted_header": HEADER, "trusted_proxies": PROXY, "oidc_client_id": "m1"}
    with pytest.raises(ValidationError, match=message):
        Settings(home=Path("unused"), **{**good, **wrong})


def test_no_account_for_new_people_can_be_asked_for_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M1_NEW_ACCOUNT_ROLE", "none")
    assert Settings().new_account_role is None
    monkeypatch.setenv("M1_NEW_ACCOUNT_ROLE", "")
    assert Settings().new_account_role is Role.VIEWER
