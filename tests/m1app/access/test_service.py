"""Who a request comes from: sessions, the link, and the accounts behind them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from m1app.access.accounts import check_name
from m1app.access.errors import AccountRefused, LoginRefused
from m1app.access.person import NOBODY, Permission, Person, acting_as
from m1app.access.service import Access, digest_of
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from m1app.settings import Settings
from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.people.accounts import AccountRepository, LoginSessionRepository, name_key
from storage.people.records import Account, AccountOrigin, Role
from tests.m1app.annotation.cases import note, stored_trace

PASSWORD, OTHER = "correct horse battery", "staple horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
INVISIBLE = ["\u3164", *(f"Ann{each}" for each in "\ufe0f\u3164\u115f\u034f\u2800\uffa0\u17b4\U000e0101")]
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"


@dataclass
class Clock:
    """Both of the app's clocks."""

    seconds: float = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds - 1000.0)


class Home:
    """A database and whoever uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database(f"sqlite:///{folder}/m1.sqlite3")
        self.database.migrate()
        self.clock = Clock()

    def access(self, password: str = "", host: str = "127.0.0.1", **settings: object) -> Access:
        given = Settings(home=self.folder, host=host, admin_password=password, **settings)  # type: ignore[arg-type]
        access = Access(given, self.database, self.clock.now, self.clock.monotonic)
        access.prepare()
        return access


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path)
    yield made
    made.database.dispose()


@pytest.fixture
async def guarded(home: Home) -> Access:
    """With the account `admin`, whose hash is quick to check."""
    return home.access(QUICK.hash(PASSWORD), "0.0.0.0")


@pytest.mark.parametrize(
    ("host", "address", "is_open"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        # A proxy on this machine passes on what came from another one.
        ("127.0.0.1", ELSEWHERE, False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "testclient", False),
        ("0.0.0.0", "127.0.0.1", False),
        ("0.0.0.0", ELSEWHERE, False),
    ],
)
async def test_without_accounts_this_machine_may_do_all_but_manage(
    home: Home, host: str, address: str, is_open: bool
) -> None:
    person = await home.access(host=host).person("", address)
    assert person.may(Permission.REVIEW) is is_open
    assert not person.may(Permission.MANAGE)


async def test_the_link_of_the_start_makes_this_browser_the_admins(home: Home) -> None:
    access = home.access()
    token = await access.log_in_by_link(access.link_key, HERE)
    assert await access.person(token, HERE) == Person("local", Role.ADMIN, address=HERE)
    # After a restart the cookie is still good, and the old link is not.
    again = home.access()
    assert (await again.person(token, HERE)).may(Permission.MANAGE)
    with pytest.raises(LoginRefused, match="no longer valid"):
        await again.log_in_by_link(access.link_key, HERE)


@pytest.mark.parametrize("key", ["", "x", "é", "\ud800", "x" * 100_000])
async def test_another_link_opens_nothing(home: Home, key: str) -> None:
    with pytest.raises(LoginRefused, match="no longer valid"):
        await home.access().log_in_by_link(key, HERE)


async def test_wrong_links_do_not_keep_the_right_one_waiting(home: Home) -> None:
    """Any website can make the admin's browser ask for them."""
    access = home.access()
    for _ in range(20):
        with pytest.raises(LoginRefused, match="no longer valid"):
            await access.log_in_by_link("x", HERE)
    assert await access.log_in_by_link(access.link_key, HERE)


async def test_with_accounts_neither_the_link_nor_this_machine_gets_in(home: Home) -> None:
    access = home.access()
    token = await access.log_in_by_link(access.link_key, HERE)
    guarded = home.access(PASSWORD)
    for _ in range(10):
        with pytest.raises(LoginRefused, match="This app now has accounts"):
            await guarded.log_in_by_link(guarded.link_key, HERE)
    # That was no guess: the right password does not have to wait.
    assert await guarded.log_in("admin", PASSWORD, HERE)
    assert await guarded.person(token, HERE) is NOBODY
    assert await guarded.person("", HERE) is NOBODY
    home.clock.seconds += 4
    # The app that had no accounts notices those that a command made.
    assert await access.person("", HERE) is NOBODY


@pytest.mark.parametrize("settings", [{"oidc_issuer": "https://id.example", "oidc_client_id": "m1app"}])
async def test_who_logs_in_elsewhere_needs_to_even_before_the_first_account(
    home: Home, settings: dict[str, object]
) -> None:
    assert await home.access(**settings).person("", HERE) is NOBODY


@pytest.mark.parametrize("given", [PASSWORD, QUICK.hash(PASSWORD)], ids=["plain", "hash"])
async def test_the_password_opens_a_session_and_logging_out_ends_it(home: Home, given: str) -> None:
    access = home.access(given, "0.0.0.0")
    token, other = [await access.log_in("Admin ", PASSWORD, ELSEWHERE) for _ in range(2)]
    person = await access.person(token, HERE)
    assert (person.name, person.role, person.address) == ("admin", Role.ADMIN, HERE)
    await access.log_out(token, ELSEWHERE)
    assert await access.person(token, ELSEWHERE) is NOBODY
    assert (await access.person(other, ELSEWHERE)).name == "admin"


@pytest.mark.parametrize("attempt", ["", "wrong", PASSWORD + " ", PASSWORD.upper(), "x" * 100_000, "\ud800"])
async def test_another_word_is_refused(guarded: Access, attempt: str) -> None:
    with pytest.raises(LoginRefused, match="Wrong name or password"):
        await guarded.log_in("admin", attempt, ELSEWHERE)


@pytest.mark.parametrize("name", ["", "nobody", "admin\x00", "\ud800", "x" * 100_000, "' OR 1=1 --"])
async def test_a_name_that_has_no_account_is_refused_with_the_same_words(guarded: Access, name: str) -> None:
    with pytest.raises(LoginRefused, match="Wrong name or password"):
        await guarded.log_in(name, PASSWORD, ELSEWHERE)


async def test_the_hash_itself_is_no_password(home: Home) -> None:
    hashed = QUICK.hash(PASSWORD)
    with pytest.raises(LoginRefused):
        await home.access(hashed, "0.0.0.0").log_in("admin", hashed, ELSEWHERE)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "a" * 10_000])
async def test_a_token_that_was_never_given_admits_nobody(guarded: Access, token: str) -> None:
    assert await guarded.person(token, HERE) is NOBODY


async def test_a_stolen_database_has_no_token(guarded: Access, home: Home) -> None:
    token = await guarded.log_in("admin", PASSWORD, ELSEWHERE)
    home.database.dispose()
    content = b"".join(file.read_bytes() for file in home.folder.glob("m1.sqlite3*"))
    assert digest_of(token).encode() in content
    assert token.encode() not in content


async def test_a_session_ends_after_a_time_however_much_it_is_used(guarded: Access, home: Home) -> None:
    token = await guarded.log_in("admin", PASSWORD, ELSEWHERE)
    for _ in range(12):
        home.clock.seconds += 3590
        # What is noted as the last use is the present of the database's records: use it there too.
        guarded._settings.__dict__["idle_minutes"] = 1e6
        assert (await guarded.person(token, ELSEWHERE, is_active=True)).role is Role.ADMIN
    home.clock.seconds += 200
    assert await guarded.person(token, ELSEWHERE, is_active=True) is NOBODY


async def test_a_session_that_is_not_used_ends_sooner(guarded: Access, home: Home) -> None:
    token = await guarded.log_in("admin", PASSWORD, ELSEWHERE)
    home.clock.seconds += 119 * 60
    assert await guarded.person(token, ELSEWHERE) is not NOBODY
    home.clock.seconds += 2 * 60
    assert await guarded.person(token, ELSEWHERE) is NOBODY


async def test_a_session_from_the_future_admits_nobody(guarded: Access, home: Home) -> None:
    """The clock was wrong when it started: it would last until the clock is that far, and its hours beyond."""
    token = await guarded.log_in("admin", PASSWORD, ELSEWHERE)
    home.clock.seconds -= 60
    assert await guarded.person(token, ELSEWHERE) is not NOBODY
    guarded.forget()
    home.clock.seconds -= 3600
    assert await guarded.person(token, ELSEWHERE) is NOBODY


async def _fail(access: Access, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(LoginRefused):
            await access.log_in("admin", "wrong", address)


async def test_after_some_failures_the_right_word_has_to_wait_too(guarded: Access, home: Home) -> None:
    await _fail(guarded, ELSEWHERE, 5)
    with pytest.raises(LoginRefused, match="Wait 1 s") as caught:
        await guarded.log_in("admin", PASSWORD, ELSEWHERE)
    assert caught.value.wait_seconds == 1
    assert await guarded.log_in("admin", PASSWORD, "192.0.2.8")
    home.clock.seconds += 1
    assert await guarded.log_in("admin", PASSWORD, ELSEWHERE)
    # It was right: the next failure is the first again.
    await _fail(guarded, ELSEWHERE, 4)
    assert await guarded.log_in("admin", PASSWORD, ELSEWHERE)


async def test_whoever_is_logged_in_stays_so_while_somebody_guesses(guarded: Access) -> None:
    token = await guarded.log_in("admin", PASSWORD, ELSEWHERE)
    for number in range(60):
        with pytest.raises(LoginRefused):
            await guarded.log_in("admin", "wrong", f"10.0.0.{number}")
    assert (await guarded.person(token, ELSEWHERE)).role is Role.ADMIN
    assert await guarded.log_in("admin", PASSWORD, ELSEWHERE)


async def test_attempts_at_the_same_time_count_like_ones_after_another(guarded: Access) -> None:
    attempts = (guarded.log_in("admin", "wrong", ELSEWHERE) for _ in range(12))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [str(outcome) for outcome in outcomes if isinstance(outcome, LoginRefused)]
    assert len(refused) == 12
    assert sum("Wrong name or password" in message for message in refused) == 5


async def test_a_flood_of_attempts_waits_in_no_queue_without_end(guarded: Access) -> None:
    attempts = (guarded.log_in(f"name {number}", "wrong", f"10.0.0.{number}") for number in range(80))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {LoginRefused}
    assert sum("Too many people" in str(outcome) for outcome in outcomes) >= 40


async def test_no_log_and_no_text_holds_the_password(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    access = home.access(PASSWORD, "0.0.0.0")
    with caplog.at_level("DEBUG"):
        token = await access.log_in("admin", PASSWORD, ELSEWHERE)
        await _fail(access, ELSEWHERE, 6)
    held = repr(vars(access)) + caplog.text
    assert PASSWORD not in held
    assert token not in held


async def test_a_changed_password_setting_ends_the_sessions_of_the_old_one(home: Home) -> None:
    token = await home.access(PASSWORD).log_in("admin", PASSWORD, HERE)
    same = home.access(PASSWORD)
    assert (await same.person(token, HERE)).name == "admin"
    other = home.access(OTHER)
    assert await other.person(token, HERE) is NOBODY
    assert await other.log_in("admin", OTHER, HERE)


async def _ann(home: Home) -> Account:
    """An account whose hash is quick to check."""
    hashed = QUICK.hash(PASSWORD)
    return await home.database.write(lambda s: AccountRepository(s).add("Ann", Role.VIEWER, password_hash=hashed))


def _change_now(home: Home, account_id: str, **changes: Any) -> None:
    home.database.write_now(lambda s: AccountRepository(s).change(account_id, **changes))


async def _ann_changed_meanwhile(home: Home, access: Access, monkeypatch: pytest.MonkeyPatch, change: str) -> Account:
    """An account that an admin changes each time after its password was checked, before anything comes of that."""
    ann = await _ann(home)
    changes = {"password": {"password_hash": QUICK.hash(OTHER)}, "disabled": {"is_disabled": True}}[change]
    _after_the_check(access, monkeypatch, partial(_change_now, home, ann.id, **changes))
    return ann


def _after_the_check(access: Access, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let somebody act between the check of a password and what follows from it."""
    check = access._passwords.is_right_now

    def check_and_act(hashed: str, password: str) -> bool:
        is_right = check(hashed, password)
        act()
        return is_right

    monkeypatch.setattr(access._passwords, "is_right_now", check_and_act)


class TestAccounts:
    """Made and changed by an admin or a command."""

    async def test_the_first_must_be_an_admin(self, home: Home) -> None:
        accounts = home.access().accounts
        with pytest.raises(AccountRefused, match="first account must be an admin"):
            await accounts.add("Ann", Role.VIEWER, PASSWORD)
        await accounts.add("Ann", Role.ADMIN, PASSWORD)
        await accounts.add("Ben", Role.VIEWER, PASSWORD)
        assert [(each.name, each.role) for each in await accounts.all()] == [("Ann", Role.ADMIN), ("Ben", Role.VIEWER)]

    @pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\x00b", "a\u202eb", "\ud800", *INVISIBLE])
    async def test_a_name_that_cannot_be_shown_is_refused(self, home: Home, name: str) -> None:
        with pytest.raises(AccountRefused, match="visible characters"):
            await home.access().accounts.add(name, Role.ADMIN, PASSWORD)

    @pytest.mark.parametrize("name", ["\u0410nn", "Ann L\u0435e", "\u039fmar", "\u0430\u0301nn", "\u0410\u03bd"])
    async def test_a_word_of_two_alphabets_that_look_the_same_is_refused(self, name: str) -> None:
        with pytest.raises(AccountRefused, match="one alphabet in each word"):
            check_name(name)

    @pytest.mark.parametrize("name", ["Анна Lee", "Анна-Lee", "Ελένη", "Zoë Ångström", "李 Ann2", "山田Ann", "O'Brien"])
    async def test_names_of_any_alphabet_are_accepted(self, name: str) -> None:
        assert check_name(name) == name

    @pytest.mark.parametrize("name", ["admin\ufe0f", "ad\u034fmin", "\u3164admin\u2800", "adm\u200din"])
    async def test_a_name_from_elsewhere_loses_what_cannot_be_seen(self, home: Home, name: str) -> None:
        access = home.access(new_account_role=Role.VIEWER)
        await access.log_in_confirmed(AccountOrigin.OIDC, "a", [name], HERE)
        assert [each.name for each in await access.accounts.all()] == ["admin (a)"]

    @pytest.mark.parametrize("password", ["", "short", "x" * 1025, "\ud800 and some more"])
    async def test_a_password_that_cannot_be_used_is_refused(self, home: Home, password: str) -> None:
        with pytest.raises(AccountRefused, match="password"):
            await home.access().accounts.add("Ann", Role.ADMIN, password)

    async def test_two_names_that_look_the_same_are_one(self, home: Home) -> None:
        accounts = home.access().accounts
        await accounts.add("Ann  Lee", Role.ADMIN, PASSWORD)
        with pytest.raises(InvalidRecord, match="already an account"):
            await accounts.add("ANN lee", Role.VIEWER, PASSWORD)

    async def test_the_last_admin_stays_one(self, home: Home) -> None:
        accounts = home.access(PASSWORD).accounts
        for change in (accounts.set_role("admin", Role.VIEWER), accounts.set_disabled("admin", True)):
            with pytest.raises(InvalidRecord, match="last administrator"):
                await change

    async def test_a_change_counts_at_once_for_who_is_logged_in(self, home: Home) -> None:
        access = home.access(PASSWORD)
        await access.accounts.add("Ann", Role.ANNOTATOR, PASSWORD)
        token = await access.log_in("Ann", PASSWORD, HERE)
        await access.accounts.set_role("Ann", Role.VIEWER)
        home.clock.seconds += 4
        assert (await access.person(token, HERE)).role is Role.VIEWER
        await access.accounts.set_disabled("Ann", True)
        home.clock.seconds += 4
        assert await access.person(token, HERE) is NOBODY
        with pytest.raises(LoginRefused, match="Wrong name or password"):
            await access.log_in("Ann", PASSWORD, HERE)

    async def test_one_changes_ones_own_password_with_the_old_one(self, home: Home) -> None:
        access = home.access(PASSWORD)
        token, other = [await access.log_in("admin", PASSWORD, HERE) for _ in range(2)]
        with acting_as(await access.person(token, HERE)):
            with pytest.raises(AccountRefused, match="current password is wrong"):
                await access.accounts.change_own_password("wrong one", OTHER, digest_of(token))
            await access.accounts.change_own_password(PASSWORD, OTHER, digest_of(token))
        access.forget()
        assert (await access.person(token, HERE)).name == "admin"
        assert await access.person(other, HERE) is NOBODY
        assert await access.log_in("admin", OTHER, HERE)

    @pytest.mark.parametrize("change", ["password", "disabled"])
    async def test_ones_own_change_does_not_undo_what_an_admin_changed_while_it_was_checked(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        access = home.access(QUICK.hash(PASSWORD))
        ann = await _ann_changed_meanwhile(home, access, monkeypatch, change)
        with (
            acting_as(Person(ann.id, ann.role, ann.name)),
            pytest.raises(AccountRefused, match="changed in the meantime"),
        ):
            await access.accounts.change_own_password(PASSWORD, "the intruder's own", "")
        monkeypatch.undo()
        stored = home.database.read_now(lambda s: AccountRepository(s).password_hash(ann.id))
        assert access._passwords.is_right_now(stored, OTHER if change == "password" else PASSWORD)

    @pytest.mark.parametrize("change", ["password", "disabled"])
    async def test_a_login_that_was_under_way_does_not_outlive_a_change_of_the_account(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        access = home.access(QUICK.hash(PASSWORD))
        ann = await _ann_changed_meanwhile(home, access, monkeypatch, change)
        with pytest.raises(LoginRefused, match="changed while you logged in"):
            await access.log_in("Ann", PASSWORD, ELSEWHERE)
        newest = (await access.audit.page(filters={}))[0]
        assert (newest.person, newest.action, newest.address) == (ann.id, "login.refuse", ELSEWHERE)

    async def test_a_confirmed_person_who_is_disabled_meanwhile_stays_out(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        access = home.access(QUICK.hash(PASSWORD))
        await access.log_in_confirmed(AccountOrigin.OIDC, "a", ["Ann"], HERE)
        find = access._provided_account

        async def find_and_disable(origin: AccountOrigin, subject: str, names: Sequence[str]) -> Account | None:
            found = await find(origin, subject, names)
            await access.accounts.set_disabled("Ann", True)
            return found

        monkeypatch.setattr(access, "_provided_account", find_and_disable)
        with pytest.raises(LoginRefused, match="changed while you logged in"):
            await access.log_in_confirmed(AccountOrigin.OIDC, "a", ["Ann"], HERE)

    async def test_an_admin_neither_demotes_nor_disables_themself(self, home: Home) -> None:
        access = home.access(PASSWORD)
        await access.accounts.add("Ann", Role.ADMIN, PASSWORD)
        token = await access.log_in("admin", PASSWORD, HERE)
        with acting_as(await access.person(token, HERE)):
            for change in (access.accounts.set_role("Admin", Role.VIEWER), access.accounts.set_disabled("admin", True)):
                with pytest.raises(AccountRefused, match="your own account"):
                    await change
            await access.accounts.set_role("Ann", Role.VIEWER)

    async def test_who_logs_in_elsewhere_gets_no_password_here(self, home: Home) -> None:
        access = home.access(PASSWORD)
        await access.log_in_confirmed(AccountOrigin.OIDC, "a", ["Ann"], HERE)
        with pytest.raises(AccountRefused, match="logs in elsewhere"):
            await access.accounts.set_password("Ann", OTHER)

    async def test_a_missing_account_is_not_found(self, home: Home) -> None:
        with pytest.raises(RecordNotFound, match="no account named 'Ann'"):
            await home.access(PASSWORD).accounts.set_role("Ann", Role.VIEWER)

    async def test_whom_a_provider_confirms_gets_an_account_of_their_own(self, home: Home) -> None:
        access = home.access(PASSWORD)
        tokens = [
            await access.log_in_confirmed(AccountOrigin.OIDC, subject, ["admin"], HERE) for subject in ("a", "b", "a")
        ]
        persons = [await access.person(token, HERE) for token in tokens]
        assert [person.name for person in persons] == ["admin (a)", "admin (b)", "admin (a)"]
        assert {person.role for person in persons} == {Role.VIEWER}

    @pytest.mark.parametrize("name", ["Admin", "ADMIN", "\uff41dmin"])
    async def test_whom_a_provider_confirms_is_never_called_admin(self, home: Home, name: str) -> None:
        access = home.access()
        token = await access.log_in_confirmed(AccountOrigin.OIDC, "a", [name], HERE)
        assert name_key((await access.accounts.all())[0].name) == "admin (a)"
        assert (await home.access(PASSWORD).person(token, HERE)).role is Role.VIEWER

    @pytest.mark.parametrize("origin", [AccountOrigin.OIDC, AccountOrigin.PROXY])
    async def test_the_password_setting_makes_nobody_else_an_admin(self, home: Home, origin: AccountOrigin) -> None:
        home.database.write_now(
            lambda s: AccountRepository(s).add("Admin", Role.VIEWER, origin=origin, subject="a", password_hash="x")
        )
        with pytest.raises(AccountRefused, match="logs in elsewhere"):
            home.access(PASSWORD)
        assert [each.role for each in await home.access().accounts.all()] == [Role.VIEWER]

    async def test_a_password_opens_no_account_that_is_confirmed_elsewhere(self, home: Home) -> None:
        hashed = QUICK.hash(PASSWORD)
        home.database.write_now(
            lambda s: AccountRepository(s).add(
                "Ann", Role.ADMIN, origin=AccountOrigin.OIDC, subject="a", password_hash=hashed
            )
        )
        with pytest.raises(LoginRefused, match="Wrong name or password"):
            await home.access().log_in("Ann", PASSWORD, HERE)

    async def test_a_chosen_name_takes_over_nobodys_work(self, home: Home) -> None:
        case_id = stored_trace(home.database)
        await AnnotationService(home.database, load_taxonomy()).save(case_id, "Dr Ann", note())
        access = home.access(PASSWORD)
        await access.log_in_confirmed(AccountOrigin.OIDC, "a", ["DR ANN", "Ann"], HERE)
        assert [each.name for each in await access.accounts.all()] == ["admin", "DR ANN (a)"]

    async def test_a_restart_that_changes_admin_is_on_record(self, home: Home) -> None:
        access = home.access(PASSWORD)
        await access.accounts.add("Ann", Role.ADMIN, PASSWORD)
        await access.accounts.set_role("admin", Role.VIEWER)
        await access.accounts.set_disabled("admin", True)
        home.access(PASSWORD)
        newest = await access.audit.page(filters={}, limit=2)
        assert {each.action for each in newest} == {"account.enable", "account.role"}
        home.access(PASSWORD)
        assert (await access.audit.page(filters={}, limit=1))[0].number == newest[0].number

    async def test_the_present_password_cannot_be_guessed_without_limit(self, home: Home) -> None:
        access = home.access(QUICK.hash(PASSWORD))
        token = await access.log_in("admin", PASSWORD, HERE)
        person = await access.person(token, HERE)
        with acting_as(person):
            for _ in range(5):
                with pytest.raises(AccountRefused, match="current password is wrong"):
                    await access.accounts.change_own_password("wrong one", OTHER, digest_of(token))
            with pytest.raises(LoginRefused, match="Wait 1 s"):
                await access.accounts.change_own_password(PASSWORD, OTHER, digest_of(token))
        refused = await access.audit.page(filters={"action": "account.password_refuse"})
        assert [(each.person, each.subject) for each in refused] == [(person.id, person.id)] * 5
        home.clock.seconds += 1
        with acting_as(person):
            await access.accounts.change_own_password(PASSWORD, OTHER, digest_of(token))

    async def test_ones_own_password_takes_the_present_one_for_admins_too(self, home: Home) -> None:
        access = home.access(QUICK.hash(PASSWORD))
        token = await access.log_in("admin", PASSWORD, HERE)
        with acting_as(await access.person(token, HERE)), pytest.raises(AccountRefused, match="under your name"):
            await access.accounts.set_password("ADMIN", OTHER)

    async def test_without_a_role_for_new_people_they_are_refused(self, home: Home) -> None:
        access = home.access(PASSWORD, new_account_role=None)
        with pytest.raises(LoginRefused, match="no account in this app"):
            await access.log_in_confirmed(AccountOrigin.OIDC, "a", ["Ann"], HERE)

    async def test_what_happened_is_on_record_without_a_word_of_it(self, home: Home) -> None:
        access = home.access(PASSWORD)
        await access.accounts.add("Ann", Role.VIEWER, PASSWORD)
        await access.log_in("Ann", PASSWORD, ELSEWHERE)
        await _fail(access, ELSEWHERE, 1)
        entries = await access.audit.page(filters={})
        found = [(each.person, each.action, each.address) for each in entries]
        ann = (await access.accounts.all())[1].id
        admin = (await access.accounts.all())[0].id
        assert found == [
            (admin, "login.refuse", ELSEWHERE),
            (ann, "login", ELSEWHERE),
            ("command line", "account.add", ""),
            ("command line", "account.add", ""),
        ]
        assert await access.audit.first_broken() is None
        assert "Ann" not in repr(entries)


async def test_with_a_damaged_database_one_can_still_log_in_and_look(home: Home) -> None:
    access = home.access(PASSWORD)
    home.database._damage = "The database is damaged."
    token = await access.log_in("admin", PASSWORD, HERE)
    assert (await access.person(token, HERE, is_active=True)).name == "admin"


@pytest.mark.parametrize("is_damaged_before", [True, False])
async def test_with_a_damaged_database_logging_out_ends_the_session(home: Home, is_damaged_before: bool) -> None:
    access = home.access(QUICK.hash(PASSWORD))
    home.database._damage = "The database is damaged." if is_damaged_before else ""
    token = await access.log_in("admin", PASSWORD, HERE)
    home.database._damage = "The database is damaged."
    await access.log_out(token, HERE)
    assert await access.person(token, HERE) is NOBODY
    home.clock.seconds += 4
    assert await access.person(token, HERE) is NOBODY


async def test_a_session_whose_end_could_not_be_stored_is_removed_later(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = home.access(QUICK.hash(PASSWORD))
    token = await access.log_in("admin", PASSWORD, HERE)
    home.database._damage = "The database is damaged."
    await access.log_out(token, HERE)
    home.database._damage = ""
    upkeep = asyncio.create_task(access.run_upkeep())
    again = Access(access._settings, home.database, home.clock.now, home.clock.monotonic)
    while home.database.read_now(lambda s: LoginSessionRepository(s).find(digest_of(token))):
        await asyncio.sleep(0.01)
    upkeep.cancel()
    assert await again.person(token, HERE) is NOBODY


async def test_a_session_that_was_looked_up_while_it_ended_is_over(
    home: Home, guarded: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await guarded.log_in("admin", PASSWORD, ELSEWHERE)
    write = home.database.write

    async def write_after_a_tick(work: Any) -> Any:
        monkeypatch.setattr(home.database, "write", write)
        await guarded.person(token, ELSEWHERE)
        return await write(work)

    monkeypatch.setattr(home.database, "write", write_after_a_tick)
    await guarded.log_out(token, ELSEWHERE)
    assert await guarded.person(token, ELSEWHERE) is NOBODY


async def test_with_a_damaged_database_a_wrong_password_is_called_wrong(home: Home) -> None:
    access = home.access(QUICK.hash(PASSWORD), new_account_role=None)
    home.database._damage = "The database is damaged."
    with pytest.raises(LoginRefused, match="Wrong name or password"):
        await access.log_in("admin", "wrong", HERE)
    with pytest.raises(LoginRefused, match="no account in this app"):
        await access.log_in_confirmed(AccountOrigin.OIDC, "a", ["Ann"], HERE)


async def test_a_request_does_not_wait_for_whoever_writes(
    home: Home, guarded: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await guarded.log_in("admin", PASSWORD, ELSEWHERE)
    write, is_free = home.database.write, asyncio.Event()

    async def write_later(work: Any) -> Any:
        await is_free.wait()
        return await write(work)

    monkeypatch.setattr(home.database, "write", write_later)
    assert (await guarded.person(token, ELSEWHERE, is_active=True)).name == "admin"
    is_free.set()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))


async def test_a_person_whom_the_proxy_names_is_noted_once_an_hour(home: Home) -> None:
    proxy = {"trusted_header": "X-Remote-User", "trusted_proxies": "192.0.2.1"}
    access = home.access(**proxy)
    for pause in (0, 0, 4, 3600):
        home.clock.seconds += pause
        assert (await access.person("", ELSEWHERE, "ann")).name == "ann"
    refusing = home.access(**proxy, new_account_role=None)
    for _ in range(2):
        assert await refusing.person("", ELSEWHERE, "eve") is NOBODY
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))
    (ann,) = await access.accounts.all()
    assert ann.last_seen_at is not None
    entries = [(each.person, each.action, each.address) for each in await access.audit.page(filters={})]
    assert sorted(entries) == sorted(
        [
            ("nobody", "login.refuse", ELSEWHERE),
            (ann.id, "login", ELSEWHERE),
            (ann.id, "login", ELSEWHERE),
            ("command line", "account.add", ""),
        ]
    )


async def test_the_session_of_the_link_counts_only_while_the_app_is_for_this_machine(home: Home) -> None:
    access = home.access()
    token = await access.log_in_by_link(access.link_key, HERE)
    for others in (
        {"host": "0.0.0.0"},
        {"oidc_issuer": "https://id.example", "oidc_client_id": "m1app"},
        {"trusted_header": "X-Remote-User", "trusted_proxies": "192.0.2.1"},
    ):
        assert await home.access(**others).person(token, HERE) is NOBODY  # type: ignore[arg-type]


async def test_with_a_damaged_database_the_link_still_opens_the_admin_page(home: Home) -> None:
    access = home.access()
    home.database._damage = "The database is damaged."
    token = await access.log_in_by_link(access.link_key, HERE)
    assert (await access.person(token, HERE)).role is Role.ADMIN
