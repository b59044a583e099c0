"""Locks, kills, damage, a full disk, a server that is gone: each made real."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event

from storage.database import Database
from storage.errors import (
    DatabaseCorrupt,
    DatabaseLocked,
    DatabaseUnreachable,
    DiskFull,
)
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository
from tests.storage.samples import begin, finish, progress, read, save_question, think

ROOT = Path(__file__).parents[2]


def file_of(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def wait_for_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    trace = begin(database)
    with database.session() as session:
        TraceRepository(session).save_all(progress(trace.id, think("unseen"), tokens=1))
        assert read(database, trace.id).segments == ()
    assert read(database, trace.id).thinking_text == "unseen"


WRITE_FOREVER = """
import sys
from itertools import count
from storage.database import Database
from storage.traces.repository import TraceRepository
from tests.storage.samples import progress, think
database = Database(sys.argv[1])
for step in count(1):
    with database.session() as session:
        segment = think("word " * step)
        TraceRepository(session).save_all(progress(sys.argv[2], segment, tokens=step))
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
    with pytest.raises(DiskFull, match="is full") as caught:
        for step in range(1, 200):
            with database.session() as session:
                TraceRepository(session).save_all(progress(trace.id, think("word " * 400 * step), tokens=step))
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
    with pytest.raises(DatabaseUnreachable, match="is not responding"):
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
