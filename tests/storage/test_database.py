"""Opening and sharing a database, its health, and what may show of its URL."""

import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from storage import migrations
from storage.connections import parse_url
from storage.database import Database
from storage.errors import (
    DatabaseUnreachable,
    StorageError,
)
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository
from tests.storage.samples import begin, finish, progress, read, save_question, think


def test_health_tells_what_is_there(database: Database) -> None:
    health = database.check()
    assert health.is_reachable
    assert health.is_current
    assert (health.revision, health.problem) == (migrations.head_revision(), "")
    assert health.size_bytes > 10_000
    assert health.server_version[0].isdigit()
    assert health.journal_mode == ("wal" if database.dialect == "sqlite" else None)


def test_health_of_a_database_without_tables_says_so(empty_url: str) -> None:
    health = Database(empty_url).check()
    assert (health.is_reachable, health.is_current, health.revision) == (True, False, None)


def test_using_a_database_before_it_is_migrated_says_so(empty_url: str) -> None:
    with pytest.raises(StorageError, match="do not match this version"):
        save_question(Database(empty_url))


def test_sqlite_connections_have_the_settings_that_the_app_relies_on(sqlite_url: str) -> None:
    names = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
    with Database(sqlite_url, busy_timeout_seconds=2.5).session() as session:
        found = [session.execute(text(f"PRAGMA {name}")).scalar() for name in names]
    assert found == ["wal", 1, 2500, 1]


def test_a_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    trace = begin(database)
    with pytest.raises(ZeroDivisionError), database.session() as session:
        TraceRepository(session).save_all(progress(trace.id, think("half"), tokens=1))
        raise ZeroDivisionError
    assert read(database, trace.id).segments == ()


def test_a_read_only_session_refuses_to_write_and_the_next_one_writes(database: Database) -> None:
    trace = begin(database)
    with pytest.raises(DatabaseUnreachable, match="not written"), database.session(is_read_only=True) as session:
        TraceRepository(session).save_all(progress(trace.id, think("x"), tokens=1))
    finish(database, trace, think("y"))
    assert read(database, trace.id).thinking_text == "y"


def test_errors_that_are_not_of_storage_pass_unchanged(database: Database) -> None:
    with pytest.raises(PermissionError), database.session():
        raise PermissionError("the caller's own")


def test_eight_threads_save_eight_traces_at_once_and_none_is_lost(database: Database) -> None:
    traces = [begin(database, owner=f"host:{number}") for number in range(8)]

    def stream(number: int) -> None:
        for step in range(1, 21):
            with database.session() as session:
                segment = think(f"{number} " * step)
                TraceRepository(session).save_all(progress(traces[number].id, segment, tokens=step))
            with database.session(is_read_only=True) as session:
                assert len(TraceRepository(session).list().items) == 8
        finish(database, traces[number], think(f"{number} " * 20))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(stream, range(8)))
    for number, trace in enumerate(traces):
        found = read(database, trace.id)
        assert (found.thinking_text, found.thinking_tokens) == (f"{number} " * 20, 20)
        assert found.state is TraceState.COMPLETED


@pytest.mark.parametrize("url", ["postgres://m1@db/m1", "postgresql://m1@db/m1", "postgresql+psycopg://m1@db/m1"])
def test_every_spelling_of_a_postgresql_url_is_taken(url: str) -> None:
    assert parse_url(url).render_as_string() == "postgresql+psycopg://m1@db/m1"
    assert Database(url).place == "m1 at db"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://doctor:hunter2@db/m1",
        "postgresql://doctor:hunter2@db:port/m1",
        "postgresql://doctor:p@hunter2@db/m1",
        "postgresql+asyncpg://doctor:hunter2@db/m1",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(DatabaseUnreachable, match="Use sqlite:////absolute/path") as caught:
        Database(url)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("host", ["db", "db:5432", ""])
def test_a_password_shows_neither_in_the_place_nor_in_the_representation(host: str) -> None:
    database = Database(f"postgresql://doctor:hunter2@{host}/m1?password=hunter2")
    for shown in (database.place, repr(database)):
        assert "hunter2" not in shown
        assert "doctor" not in shown


def test_what_was_to_be_stored_is_not_in_the_upstream_error(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.session() as session:
        session.execute(text("DROP TABLE search_entry"))
    with pytest.raises(StorageError) as caught:
        save_question(database, stem="a secret complaint")
    shown = "".join(traceback.format_exception(caught.value, limit=0))
    assert "secret complaint" not in shown
