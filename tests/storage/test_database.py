"""Opening, migrating, sharing and losing a database. Failures are made real wherever they can be."""

import os
import signal
import sqlite3
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, inspect, text

from storage import migrations
from storage.connections import open_engine, parse_url
from storage.database import Database
from storage.errors import (
    DatabaseCorrupt,
    DatabaseLocked,
    DatabaseTooNew,
    DatabaseUnreachable,
    DiskFull,
    StorageError,
)
from storage.records import TraceState
from storage.tables import Base
from storage.traces import TraceRepository
from tests.storage.samples import begin, finish, read, save_question, think

ROOT = Path(__file__).parents[2]


def file_of(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def wait_for_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_migrations_build_exactly_the_tables_that_the_app_declares(url: str) -> None:
    engine = open_engine(parse_url(url), 5.0, None, has_foreign_keys=True)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": migrations.is_compared})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_every_migration_can_be_taken_back(url: str) -> None:
    engine = open_engine(parse_url(url), 5.0, None, has_foreign_keys=False)
    with engine.begin() as connection:
        command.downgrade(migrations._config(connection), "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    migrations.upgrade(engine, "here")
    assert set(Base.metadata.tables) <= set(inspect(engine).get_table_names())
    engine.dispose()


def test_migrating_again_changes_nothing(database: Database) -> None:
    trace = begin(database)
    database.migrate()
    assert read(database, trace.id) == trace


MIGRATE = """
import sys
from storage.database import Database
print("ready", flush=True)
sys.stdin.readline()
Database(sys.argv[1], busy_timeout_seconds=30).migrate()
"""


def test_processes_that_start_at_once_migrate_together(empty_url: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, empty_url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    assert [wait_for_line(process) for process in started] == ["ready"] * 4
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=60)
    assert [process.returncode for process in started] == [0] * 4
    assert Database(empty_url).check().is_current


def test_threads_that_start_at_once_migrate_together(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Database(empty_url).migrate(), range(4)))
    assert Database(empty_url).check().is_current


def test_a_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    with database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match=r"'9999', made by a newer version of m1app.*another M1_HOME"):
        database.migrate()
    health = database.check()
    assert (health.is_reachable, health.is_current, health.revision) == (True, False, "9999")


def test_broken_references_stop_a_migration(sqlite_url: str) -> None:
    begin(Database(sqlite_url))
    with sqlite3.connect(file_of(sqlite_url)) as connection:
        connection.execute("DELETE FROM question")
    engine = open_engine(parse_url(sqlite_url), 5.0, None, has_foreign_keys=False)
    with engine.connect() as connection, pytest.raises(DatabaseCorrupt, match="'trace'"):
        migrations._check_references(connection, "here")
    engine.dispose()


def test_a_step_can_be_drafted_and_leaves_the_search_index_alone(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = tmp_path / "migrations"
    subprocess.run(["cp", "-r", str(ROOT / "storage/migrations"), str(steps)], check=True)
    monkeypatch.setattr(migrations, "__file__", str(steps / "__init__.py"))
    engine = open_engine(parse_url(sqlite_url), 5.0, None, has_foreign_keys=False)
    migrations.draft(engine, "add nothing")
    engine.dispose()
    (draft,) = steps.glob("versions/*add_nothing.py")
    body = draft.read_text()
    assert "down_revision = '0001'" in body
    assert "drop" not in body
    compile(body, draft.name, "exec")


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
    with pytest.raises(StorageError, match="not those that this version"):
        save_question(Database(empty_url))


def test_sqlite_connections_have_the_settings_that_the_app_relies_on(sqlite_url: str) -> None:
    names = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
    with Database(sqlite_url, busy_timeout_seconds=2.5).session() as session:
        found = [session.execute(text(f"PRAGMA {name}")).scalar() for name in names]
    assert found == ["wal", 1, 2500, 1]


def test_a_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    trace = begin(database)
    with pytest.raises(ZeroDivisionError), database.session() as session:
        TraceRepository(session).save_progress(trace.id, [think("half")], 1)
        raise ZeroDivisionError
    assert read(database, trace.id).segments == ()


def test_a_read_only_session_refuses_to_write_and_the_next_one_writes(database: Database) -> None:
    trace = begin(database)
    with pytest.raises(DatabaseUnreachable, match="not written"), database.session(is_read_only=True) as session:
        TraceRepository(session).save_progress(trace.id, [think("x")], 1)
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
                TraceRepository(session).save_progress(traces[number].id, [segment], step)
            with database.session(is_read_only=True) as session:
                assert len(TraceRepository(session).list().items) == 8
        finish(database, traces[number], think(f"{number} " * 20))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(stream, range(8)))
    for number, trace in enumerate(traces):
        found = read(database, trace.id)
        assert (found.thinking_text, found.thinking_tokens) == (f"{number} " * 20, 20)
        assert found.state is TraceState.COMPLETED


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    trace = begin(database)
    with database.session() as session:
        TraceRepository(session).save_progress(trace.id, [think("unseen")], 1)
        assert read(database, trace.id).segments == ()
    assert read(database, trace.id).thinking_text == "unseen"


WRITE_FOREVER = """
import sys
from itertools import count
from storage.database import Database
from storage.traces import TraceRepository
from tests.storage.samples import think
database = Database(sys.argv[1])
for step in count(1):
    with database.session() as session:
        segment = think("word " * step)
        TraceRepository(session).save_progress(sys.argv[2], [segment], step)
    print(step, flush=True)
"""


def test_a_killed_writer_leaves_all_that_it_saved(url: str) -> None:
    database = Database(url)
    trace = begin(database)
    writer = start(WRITE_FOREVER, url, trace.id)
    last = 0
    while last < 15:
        last = int(wait_for_line(writer))
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = writer.communicate(timeout=30)
    reported = [int(line) for line in rest.splitlines() if line.isdigit()]
    last = max([last, *reported])
    found = read(database, trace.id)
    assert found.state is TraceState.RUNNING
    # The step after the last report may have been committed just before the kill.
    assert found.tokens_generated in (last, last + 1)
    assert found.thinking_text == "word " * found.tokens_generated
    with database.session() as session:
        assert TraceRepository(session).mark_interrupted(lambda _owner: False, 60) == 1
    assert database.check().is_current


HOLD_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


def test_a_locked_file_is_reported_within_the_busy_timeout(sqlite_url: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(file_of(sqlite_url))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert wait_for_line(holder) == "locked"
    database = Database(sqlite_url, busy_timeout_seconds=0.2)
    try:
        with pytest.raises(DatabaseLocked, match="in use by another process") as caught:
            save_question(database)
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert database.check().is_reachable
    finally:
        holder.communicate("done\n", timeout=30)
    assert save_question(database).stem


@pytest.mark.postgres
def test_a_locked_table_is_reported_within_the_busy_timeout(postgres_url: str) -> None:
    database = Database(postgres_url, busy_timeout_seconds=0.2)
    with psycopg.connect(postgres_url) as holder:
        holder.execute("LOCK TABLE question IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseLocked, match="in use by another process"):
            save_question(database)
    assert save_question(database).stem


def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "m1.db"
    path.write_bytes(b"these are not the pages you are looking for " * 100)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseCorrupt, match="Restore it from a backup"):
        database.migrate()
    health = database.check()
    assert not health.is_reachable
    assert str(path) in health.problem
    assert path.read_bytes().startswith(b"these are not")


def test_a_file_with_damaged_pages_is_reported(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    for number in range(20):
        finish(database, begin(database), think(f"trace {number} " * 200))
    database.dispose()
    path = file_of(sqlite_url)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(DatabaseCorrupt, match="damaged"), database.session(is_read_only=True) as session:
        TraceRepository(session).list()


def test_a_full_disk_is_reported_and_what_was_saved_stays(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    trace = begin(database)

    @event.listens_for(database._engine, "connect")
    def cap(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 60")

    database.dispose()
    saved = 0
    with pytest.raises(DiskFull, match="no room left") as caught:
        for step in range(1, 200):
            with database.session() as session:
                TraceRepository(session).save_progress(trace.id, [think("word " * 400 * step)], step)
            saved = step
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert saved >= 1
    assert read(database, trace.id).tokens_generated == saved


def test_a_database_that_may_not_be_written_is_reported(sqlite_url: str) -> None:
    path = file_of(sqlite_url)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    database = Database(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(DatabaseUnreachable, match=r"read but not written|cannot be opened"):
        save_question(database)


def test_a_directory_that_is_not_there_is_reported(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/missing/m1.db")
    with pytest.raises(DatabaseUnreachable, match="Check that its directory exists"):
        database.migrate()
    assert "missing/m1.db" in database.check().problem


@pytest.mark.postgres
def test_a_server_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    database = Database(f"postgresql://doctor:hunter2@/m1?host={tmp_path}")
    with pytest.raises(DatabaseUnreachable, match="does not answer"):
        database.migrate()
    health = database.check()
    assert not health.is_reachable
    assert "hunter2" not in health.problem


@pytest.mark.postgres
def test_a_database_that_the_server_does_not_have_is_reported(postgres_socket: Path) -> None:
    with pytest.raises(DatabaseUnreachable):
        Database(f"postgresql://m1@/nothing?host={postgres_socket}").migrate()


@pytest.mark.postgres
def test_connections_that_the_server_ended_are_replaced(postgres_url: str, postgres_socket: Path) -> None:
    database = Database(postgres_url)
    trace = begin(database)
    with psycopg.connect(host=str(postgres_socket), user="m1", dbname="postgres", autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test%'")
    assert read(database, trace.id) == trace


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
