"""The audit log: what is noted at once, what in a moment, and what only once an hour."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from m1app.access.audit import AuditService
from m1app.access.errors import AccessRefused
from m1app.access.person import NOBODY, Person, acting_as
from storage.database import Database
from storage.errors import DatabaseLocked
from storage.people.records import Role

ADA = Person("a" * 32, Role.VIEWER, "Ada", "192.0.2.7")
EVE = Person("e" * 32, Role.ADMIN, "Eve")
LOCAL = Person("local", Role.REVIEWER)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path}/m1.db")
    database.migrate()
    return database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def audit(database: Database, clock: Clock) -> AuditService:
    return AuditService(database, clock)


async def noted(audit: AuditService) -> list[tuple[str, str, str]]:
    await audit.aclose()
    return [(each.person, each.action, each.subject) for each in await audit.after(0)]


async def test_a_view_is_noted_once_an_hour_for_each_person_and_subject(audit: AuditService, clock: Clock) -> None:
    for person in (ADA, ADA, EVE, LOCAL):
        with acting_as(person):
            audit.saw("trace.open", "t1")
            audit.saw("trace.open", "t1")
    with acting_as(ADA):
        audit.saw("trace.open", "t2")
        audit.saw("case.open", "t1")
        clock.now = 3599.0
        audit.saw("trace.open", "t1")
        clock.now = 3600.0
        audit.saw("trace.open", "t1")
    assert await noted(audit) == [
        (ADA.id, "trace.open", "t1"),
        (EVE.id, "trace.open", "t1"),
        (ADA.id, "trace.open", "t2"),
        (ADA.id, "case.open", "t1"),
        (ADA.id, "trace.open", "t1"),
    ]
    first = (await audit.after(0))[0]
    assert first.address == "192.0.2.7"


async def test_what_was_seen_is_remembered_within_bounds(audit: AuditService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m1app.access.audit._REMEMBERED", 2)
    with acting_as(ADA):
        for subject in ("1", "2", "3", "3", "1"):
            audit.saw("trace.open", subject)
    assert [subject for _, _, subject in await noted(audit)] == ["1", "2", "3", "1"]
    assert len(audit._seen) == 2


async def test_a_note_waits_while_the_database_takes_none(
    audit: AuditService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.access.audit._RETRY_SECONDS", 0.01)
    tried = asyncio.Event()
    write = database.write

    async def refused(_: object) -> None:
        tried.set()
        raise DatabaseLocked("busy")

    monkeypatch.setattr(database, "write", refused)
    with acting_as(ADA):
        audit.note_soon("trace.download", "t1", format="json")
        audit.note_soon("trace.download", "t2", format="md")
    await tried.wait()
    monkeypatch.setattr(database, "write", write)
    assert await noted(audit) == [(ADA.id, "trace.download", "t1"), (ADA.id, "trace.download", "t2")]
    assert await audit.first_broken() is None


async def test_an_entry_that_waited_has_the_time_of_what_it_is_about(
    audit: AuditService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.access.audit._RETRY_SECONDS", 0.01)
    write, tried = database.write, asyncio.Event()

    async def refused(_: object) -> None:
        tried.set()
        raise DatabaseLocked("busy")

    monkeypatch.setattr(database, "write", refused)
    with acting_as(ADA):
        audit.note_soon("trace.download", "t1")
    noted_by = datetime.now(UTC)
    await tried.wait()
    monkeypatch.setattr(database, "write", write)
    await audit.aclose()
    assert (await audit.after(0))[0].made_at <= noted_by


async def test_the_log_says_how_many_entries_are_lost(
    audit: AuditService, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("m1app.access.audit._MAX_WAITING", 2)
    monkeypatch.setattr("m1app.access.audit._LAST_WRITE_SECONDS", 0.01)
    database._damage = "The database is damaged."
    with acting_as(ADA):
        for number in range(5):
            audit.note_soon("trace.download", str(number))
    await audit.aclose()
    assert "5 entries of the audit log are lost" in caplog.text


async def test_entries_beyond_those_that_may_wait_are_counted_as_lost_once(
    audit: AuditService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("m1app.access.audit._MAX_WAITING", 2)
    with acting_as(ADA):
        for number in range(5):
            audit.note_soon("trace.download", str(number))
    assert [subject for _, _, subject in await noted(audit)] == ["0", "1"]
    assert caplog.text.count("are lost") == 1
    assert "3 entries of the audit log are lost" in caplog.text


async def test_nobody_notes_anything(audit: AuditService) -> None:
    with acting_as(NOBODY):
        for call in (audit.saw, audit.note_soon):
            with pytest.raises(AccessRefused):
                call("trace.open", "t1")
