"""The audit log: numbers without gaps, no changes, and a chain that shows changes made around the app."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.errors import StorageError
from storage.people.audit import AuditRepository
from storage.people.records import AuditEntry, NewAuditEntry

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=UTC)
ENTRY = NewAuditEntry(
    person="ada",
    action="run.delete",
    subject="a" * 32,
    details={"traces": 3, "all": True},
    address="::1",
    made_at=NOON,
)
_TRIGGERS = {
    "sqlite": ("audit_entry_no_update", "audit_entry_no_delete", "audit_entry_no_replace"),
    "postgresql": ("audit_entry_append_only",),
}


def add(database: Database, **changes: Any) -> AuditEntry:
    with database.session() as session:
        return AuditRepository(session).add(replace(ENTRY, **changes))


def entries(database: Database) -> list[AuditEntry]:
    with database.session(is_read_only=True) as session:
        return list(AuditRepository(session).after(0, 10_000))


def first_broken(database: Database) -> int | None:
    with database.session(is_read_only=True) as session:
        return AuditRepository(session).first_broken()


@contextmanager
def without_triggers(database: Database) -> Iterator[Any]:
    """A connection on which the log can be changed, as for somebody who owns the database."""
    with database.session() as session:
        if database.dialect == "postgresql":
            session.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER USER"))
        else:
            for name in _TRIGGERS["sqlite"]:
                session.execute(text(f"DROP TRIGGER {name}"))
        yield session
        if database.dialect == "postgresql":
            session.execute(text("ALTER TABLE audit_entry ENABLE TRIGGER USER"))


def test_entries_come_back_as_they_were_added(database: Database) -> None:
    assert first_broken(database) is None
    first, second = add(database), add(database, person="bob", action="run.restore", details={})
    assert (first.number, second.number) == (1, 2)
    assert (first.made_at, first.person, first.details) == (NOON, "ada", {"traces": 3, "all": True})
    assert first.sha256 != second.sha256
    assert entries(database) == [first, second]
    assert first_broken(database) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"person": "nul\x00", "address": "\ud800"},
        {"subject": "x\x00", "action": "a\udfff"},
        {"details": {"name": "nul\x00", "half": "\ud800", "long": 2**70, "no": False}},
        {"details": {"b": "é🫀", "a": "e\u0301"}, "person": "é"},
        {"made_at": NOON.replace(microsecond=0)},
        {"made_at": NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))},
    ],
)
def test_whatever_is_recorded_has_the_same_hash_when_it_is_read_again(
    database: Database, changes: dict[str, Any]
) -> None:
    made = add(database, **changes)
    assert entries(database) == [made]
    assert first_broken(database) is None


def test_pages_are_newest_first_and_can_be_narrowed(database: Database) -> None:
    for number in range(6):
        add(database, person=f"p{number % 2}", action=("run.delete", "run_all", "set.add")[number % 3], subject="s")
    with database.session(is_read_only=True) as session:
        log = AuditRepository(session)

        def numbers(**wanted: Any) -> list[int]:
            return [each.number for each in log.page(**wanted)]

        assert numbers() == [6, 5, 4, 3, 2, 1]
        assert numbers(limit=2, before=5) == [4, 3]
        assert numbers(person="p1") == [6, 4, 2]
        assert numbers(action="run.") == [4, 1]
        assert numbers(action="run_") == [5, 2]
        assert numbers(subject="s", person="p0", action="set") == [3]
        assert numbers(subject="nothing\x00") == []
        assert [each.number for each in log.after(4)] == [5, 6]


WRITE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from storage.database import Database
from tests.storage.people.test_audit import add
database = Database(sys.argv[1], busy_timeout_seconds=60)
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda number: add(database, person=f"{sys.argv[2]} {number}"), range(40)))
"""


def test_numbers_have_no_gaps_with_two_processes_of_eight_threads(database: Database, url: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, url, name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.communicate("go\n", timeout=120)
    assert [process.returncode for process in started] == [0, 0]
    found = entries(database)
    assert [each.number for each in found] == list(range(1, 81))
    assert {each.person for each in found} == {f"{name} {number}" for name in ("one", "two") for number in range(40)}
    assert first_broken(database) is None


def test_an_entry_that_is_rolled_back_leaves_no_gap(database: Database) -> None:
    add(database)
    with pytest.raises(KeyError), database.session() as session:
        AuditRepository(session).add(ENTRY)
        raise KeyError
    assert add(database).number == 2
    assert first_broken(database) is None


_CHANGES = {
    "update": "UPDATE audit_entry SET person = 'eve' WHERE number = 2",
    "delete": "DELETE FROM audit_entry WHERE number = 2",
    "delete all": "DELETE FROM audit_entry",
    "replace": (
        "INSERT OR REPLACE INTO audit_entry SELECT number, made_at, 'eve', action, subject, details, address, sha256"
        " FROM audit_entry WHERE number = 2"
    ),
    "upsert": (
        "INSERT INTO audit_entry SELECT * FROM audit_entry WHERE number = 2"
        " ON CONFLICT (number) DO UPDATE SET person = 'eve'"
    ),
    "truncate": "TRUNCATE audit_entry",
}
_ONLY_ON = {"replace": "sqlite", "upsert": "postgresql", "truncate": "postgresql"}


@pytest.mark.parametrize("change", _CHANGES)
def test_the_database_refuses_to_change_or_remove_entries(database: Database, change: str) -> None:
    if _ONLY_ON.get(change, database.dialect) != database.dialect:
        return
    made = [add(database) for _ in range(3)]
    with pytest.raises(StorageError), database.session() as session:
        session.execute(text(_CHANGES[change]))
    assert entries(database) == made


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_entry SET person = 'eve' WHERE number = 3",
        "UPDATE audit_entry SET address = '' WHERE number = 3",
        "UPDATE audit_entry SET subject = 'b' WHERE number = 3",
        "UPDATE audit_entry SET action = 'run.see' WHERE number = 3",
        'UPDATE audit_entry SET details = \'{"traces": 4, "all": true}\' WHERE number = 3',
        "UPDATE audit_entry SET made_at = '2020-01-01 00:00:00.000000' WHERE number = 3",
        "UPDATE audit_entry SET sha256 = (SELECT sha256 FROM audit_entry WHERE number = 2) WHERE number = 3",
        "DELETE FROM audit_entry WHERE number = 3",
        # In two steps: PostgreSQL checks that numbers are unique after each row.
        "DELETE FROM audit_entry WHERE number = 3; UPDATE audit_entry SET number = -number WHERE number > 3; "
        "UPDATE audit_entry SET number = -number - 1 WHERE number < 0",
    ],
)
def test_a_changed_or_removed_entry_breaks_the_chain_there(database: Database, change: str) -> None:
    for number in range(6):
        add(database, made_at=NOON + timedelta(seconds=number))
    with without_triggers(database) as session:
        for statement in change.split("; "):
            session.execute(text(statement))
    assert first_broken(database) == 3


def test_the_first_entry_cannot_be_removed_unnoticed(database: Database) -> None:
    for _ in range(3):
        add(database)
    with without_triggers(database) as session:
        session.execute(text("DELETE FROM audit_entry WHERE number = 1"))
    assert first_broken(database) == 1


def test_an_entry_put_in_with_a_hash_of_its_own_is_found(database: Database) -> None:
    for _ in range(3):
        add(database)
    with database.session() as session:
        session.execute(
            text(
                "INSERT INTO audit_entry SELECT 4, made_at, 'eve', action, subject, details, address, sha256"
                " FROM audit_entry WHERE number = 3"
            )
        )
    assert first_broken(database) == 4


@pytest.mark.parametrize("change", ["made_at = 'yesterday'", "details = '{'"])
def test_an_entry_that_cannot_be_read_breaks_the_chain_there(database: Database, change: str) -> None:
    if database.dialect == "postgresql":
        pytest.skip("PostgreSQL stores only dates and JSON in these columns")
    for _ in range(6):
        add(database)
    with without_triggers(database) as session:
        session.execute(text(f"UPDATE audit_entry SET {change} WHERE number = 5"))
    assert first_broken(database) == 5
    with database.session() as session:
        session.execute(text("UPDATE audit_entry SET person = 'eve' WHERE number = 2"))
    assert first_broken(database) == 2
