"""Accounts and login sessions, on both dialects."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.people.accounts import AccountRepository, LoginSessionRepository, name_key
from storage.people.records import Account, AccountOrigin, Role
from storage.people.tables import AccountRow, LoginSessionRow

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)


def add(database: Database, name: str, role: Role = Role.ADMIN, **changes: str) -> Account:
    with database.session() as session:
        return AccountRepository(session, now=lambda: NOON).add(name, role, **changes)  # type: ignore[arg-type]


def find(database: Database, name: str) -> Account | None:
    with database.session(is_read_only=True) as session:
        return AccountRepository(session).find(name)


def change(database: Database, account_id: str, **changes: object) -> Account:
    with database.session() as session:
        return AccountRepository(session).change(account_id, **changes)  # type: ignore[arg-type]


def test_an_account_comes_back_as_it_was_made(database: Database) -> None:
    made = add(database, "Ada Müller", Role.REVIEWER, password_hash="$argon2id$x")
    assert (made.name, made.role, made.origin, made.is_disabled) == (
        "Ada Müller",
        Role.REVIEWER,
        AccountOrigin.PASSWORD,
        False,
    )
    assert (made.created_at, made.last_seen_at) == (NOON, None)
    with database.session() as session:
        accounts = AccountRepository(session, now=lambda: NOON)
        assert accounts.all() == (made,)
        assert accounts.get("ada müller") == made
        assert (accounts.count(), accounts.password_hash(made.id)) == (1, "$argon2id$x")
        accounts.saw(made.id)
    seen = find(database, "Ada Müller")
    assert seen is not None
    assert seen.last_seen_at == NOON


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("ada", "ADA"),
        ("Müller", unicodedata.normalize("NFD", "MÜLLER")),
        ("Straße", "STRASSE"),
        ("Ｂｏｂ", "bob"),
        ("ΣΟΦΟΣ", "σοφος"),
        ("ﬁona", "FIONA"),
        ("ada\ufe0f", "ada"),
        ("a\u034fd\u2800a", "Ada"),
        ("\u115fada", "ada\u3164"),
        ("ada\uffa0", "a\u200bda\u00ad"),
        ("e\u034f\u0301va", "Éva"),
        ("a\U000e0101da", "ada\u180b"),
    ],
)
def test_names_that_differ_in_case_or_unicode_form_are_one_account(database: Database, name: str, same: str) -> None:
    made = add(database, name)
    assert find(database, same) == made
    with pytest.raises(InvalidRecord, match=r"already an account named .* Choose another name"):
        add(database, same)


def test_an_older_account_whose_name_has_invisible_characters_is_found_by_that_name(database: Database) -> None:
    ada = add(database, "Ada")
    with database.session() as session:
        values = {"name": "Ada\ufe0f", "name_key": "ada\ufe0f"}
        session.execute(update(AccountRow).where(AccountRow.id == ada.id).values(**values))
    other = add(database, "Ada")
    found = [find(database, name) for name in ("Ada\ufe0f", "Ada", "ADA\ufe0f")]
    assert [each and each.id for each in found] == [ada.id, other.id, other.id]


@given(st.text(st.characters() | st.sampled_from("e\u0301\u0327\u034f\u115f\u2800\u3164\ufe0f\uffa0\u200d")))
def test_the_key_of_a_name_does_not_depend_on_its_unicode_form(name: str) -> None:
    key = name_key(name)
    assert name_key(key) == key
    assert {name_key(unicodedata.normalize(form, name)) for form in ("NFC", "NFD", "NFKC", "NFKD")} == {key}
    assert name_key(name.casefold()) == key


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "", "  ", "\u3164\u2800", "ﷺ" * 80])
def test_a_name_that_cannot_be_stored_is_refused_with_a_message(database: Database, name: str) -> None:
    with pytest.raises(InvalidRecord, match=r"the account's name contains the character|account's name is blank or"):
        add(database, name)
    assert find(database, name) is None
    with pytest.raises(RecordNotFound, match="no account named"), database.session(is_read_only=True) as session:
        AccountRepository(session).get(name)


def test_a_person_of_a_provider_is_found_by_its_identifier(database: Database) -> None:
    made = add(database, "Ada", origin=AccountOrigin.OIDC, subject="issuer|7")
    with database.session(is_read_only=True) as session:
        accounts = AccountRepository(session)
        assert accounts.by_subject(AccountOrigin.OIDC, "issuer|7") == made
        assert accounts.by_subject(AccountOrigin.PROXY, "issuer|7") is None
        assert accounts.by_subject(AccountOrigin.OIDC, "issuer|8\x00") is None
        assert accounts.password_hash(made.id) == ""


@pytest.mark.parametrize("changes", [{"role": Role.REVIEWER}, {"is_disabled": True}])
def test_the_last_admin_stays_one(database: Database, changes: dict[str, object]) -> None:
    ada, bob = add(database, "Ada"), add(database, "Bob")
    change(database, bob.id, **changes)
    with pytest.raises(InvalidRecord, match="last administrator who can log in"):
        change(database, ada.id, **changes)
    assert find(database, "Ada") == ada
    assert change(database, ada.id, password_hash="$argon2id$y").role is Role.ADMIN
    change(database, bob.id, role=Role.ADMIN, is_disabled=False)
    change(database, ada.id, **changes)


def test_of_two_admins_who_demote_each_other_at_once_one_stays(database: Database) -> None:
    ids = [add(database, "Ada").id, add(database, "Bob").id]
    ready = Barrier(2)

    def demote(account_id: str) -> bool:
        ready.wait(timeout=30)
        try:
            change(database, account_id, role=Role.VIEWER)
        except InvalidRecord:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demote, ids)) == [False, True]
    with database.session(is_read_only=True) as session:
        assert sorted(each.role.value for each in AccountRepository(session).all()) == ["admin", "viewer"]


def test_of_two_accounts_made_at_once_with_one_name_one_is_kept(database: Database) -> None:
    ready = Barrier(2)

    def make(name: str) -> bool:
        ready.wait(timeout=30)
        try:
            add(database, name)
        except InvalidRecord:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(make, ["Ada", "ADA"])) == [False, True]


@pytest.mark.parametrize("missing", ["0" * 32, "", "\x00", "\ud800"])
def test_an_account_that_is_not_there_cannot_be_changed(database: Database, missing: str) -> None:
    with pytest.raises(RecordNotFound, match="no longer exists"):
        change(database, missing, role=Role.ADMIN)


def start(database: Database, token: str, account_id: str | None, now: datetime = NOON) -> None:
    with database.session() as session:
        LoginSessionRepository(session, now=lambda: now).add(token, account_id)


def open_sessions(database: Database) -> set[str]:
    with database.session(is_read_only=True) as session:
        return set(session.scalars(select(LoginSessionRow.token_sha256)))


def test_a_session_is_found_with_its_account(database: Database) -> None:
    ada = add(database, "Ada")
    start(database, ONE, ada.id)
    start(database, TWO, None)
    with database.session() as session:
        sessions = LoginSessionRepository(session, now=lambda: NOON + timedelta(minutes=1))
        sessions.touch(ONE)
        mine, account = sessions.find(ONE) or (None, None)
        theirs, nobody = sessions.find(TWO) or (None, None)
        assert sessions.find(THREE) is None
    assert mine is not None
    assert theirs is not None
    assert (mine.account_id, mine.started_at, mine.last_used_at) == (ada.id, NOON, NOON + timedelta(minutes=1))
    assert (account, theirs.account_id, nobody) == (ada, None, None)


def test_sessions_end_by_age_and_by_disuse_and_if_they_are_from_the_future(database: Database) -> None:
    start(database, ONE, None, NOON - timedelta(days=2))
    start(database, TWO, None, NOON - timedelta(hours=2))
    start(database, THREE, None, NOON)
    with database.session() as session:
        LoginSessionRepository(session, now=lambda: NOON).touch(ONE)
    for days, hours, latest, left in (
        (3, 3, NOON, {ONE, TWO, THREE}),
        (1, 3, NOON, {TWO, THREE}),
        (1, 1, NOON, {THREE}),
        (1, 1, NOON - timedelta(seconds=1), set()),
    ):
        with database.session() as session:
            sessions = LoginSessionRepository(session)
            sessions.delete_expired(NOON - timedelta(days=days), NOON - timedelta(hours=hours), latest)
        assert open_sessions(database) == left


@pytest.mark.parametrize(
    ("changes", "hashed", "is_current"),
    [
        ({}, "$argon2id$x", True),
        ({"role": Role.VIEWER}, "$argon2id$x", True),
        ({"password_hash": "$argon2id$y"}, "$argon2id$x", False),
        ({"is_disabled": True}, "$argon2id$x", False),
        ({}, "", False),
    ],
)
def test_an_account_is_current_while_it_is_enabled_and_has_its_hash(
    database: Database, changes: dict[str, object], hashed: str, is_current: bool
) -> None:
    add(database, "Ada")
    bob = add(database, "Bob", password_hash="$argon2id$x")
    with database.session() as session:
        accounts = AccountRepository(session)
        assert accounts.is_current(bob.id, "$argon2id$x")
        accounts.change(bob.id, **changes)  # type: ignore[arg-type]
        assert accounts.is_current(bob.id, hashed) is is_current
        assert not accounts.is_current("0" * 32, hashed)
        assert not accounts.is_current("' OR 1=1", hashed)


def test_a_session_that_starts_with_the_old_hash_is_ended_by_the_new_one(database: Database) -> None:
    """Whichever comes first: the login sees the new hash, or the change sees the login's session."""
    ada, ready = add(database, "Ada", password_hash="$argon2id$x"), Barrier(2)

    def log_in() -> None:
        ready.wait(timeout=30)
        with database.session() as session:
            if AccountRepository(session).is_current(ada.id, "$argon2id$x"):
                LoginSessionRepository(session).add(ONE, ada.id)

    def reset() -> None:
        ready.wait(timeout=30)
        with database.session() as session:
            AccountRepository(session).change(ada.id, password_hash="$argon2id$y")
            LoginSessionRepository(session).delete_of(ada.id)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(log_in), pool.submit(reset)]:
            done.result()
    assert open_sessions(database) == set()


def test_sessions_of_an_account_end_except_the_one_to_keep(database: Database) -> None:
    ada = add(database, "Ada")
    start(database, ONE, ada.id)
    start(database, TWO, ada.id)
    start(database, THREE, None)
    with database.session() as session:
        LoginSessionRepository(session).delete_of(ada.id, but=TWO)
    assert open_sessions(database) == {TWO, THREE}
    with database.session() as session:
        LoginSessionRepository(session).delete_of(None)
    assert open_sessions(database) == {TWO}
    with database.session() as session:
        LoginSessionRepository(session).delete(TWO)
        LoginSessionRepository(session).delete(ONE)
    assert open_sessions(database) == set()


def test_a_session_holds_a_hash_and_times_and_nothing_else() -> None:
    assert set(LoginSessionRow.__table__.columns.keys()) == {
        "token_sha256",
        "account_id",
        "started_at",
        "last_used_at",
    }
