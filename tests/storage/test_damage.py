"""Damage is found, nothing is written from then on, and messages name what helps."""

import sqlite3
import threading
from pathlib import Path

import psycopg
import pytest
from alembic import command
from sqlalchemy import Connection

from storage import migrations
from storage.connections import open_engine, parse_url
from storage.database import Database
from storage.errors import DatabaseCorrupt, DatabaseTooNew, StorageError
from storage.traces.repository import TraceRepository
from tests.migrated_copies import Copies
from tests.storage.samples import begin, finish, read, save_question, think

NOISE = bytes(range(1, 256)) * 64 + b"\x9e" * 64


def file_of(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def filled(database: Database) -> str:
    """Fill it with more than a megabyte; return the first trace's id."""
    ids = []
    for number in range(150):
        trace = begin(database)
        finish(database, trace, think(f"trace {number} " * 600))
        ids.append(trace.id)
    database.dispose()
    return ids[0]


def damage(file: Path) -> None:
    """Overwrite 16 KB in the middle."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(NOISE[: 16 * 1024])


def raw(url: str, *statements: str) -> None:
    """Change the database as another program would."""
    if url.startswith("sqlite"):
        with sqlite3.connect(file_of(url)) as connection:
            for statement in statements:
                connection.execute(statement)
    else:
        with psycopg.connect(url, autocommit=True) as server:
            for statement in statements:
                server.execute(statement)  # type: ignore[call-overload]


def test_a_sound_database_has_no_damage_and_is_written(database: Database) -> None:
    database.look_for_damage()
    assert database.check_fully() == ()
    assert database.damage == ""
    assert save_question(database).stem


def test_noise_in_the_middle_is_found_and_from_then_on_the_database_is_only_read(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    first = filled(database)
    damage(file_of(sqlite_url))
    before = file_of(sqlite_url).read_bytes()
    database.look_for_damage()
    assert "is damaged" in database.damage
    assert "restore FILE --replace" in database.damage
    with pytest.raises(DatabaseCorrupt, match="now read-only"):
        save_question(database)
    with pytest.raises(DatabaseCorrupt, match="now read-only"):
        database.scrub(is_whole=True)
    assert read(database, first).id == first
    database.dispose()
    assert file_of(sqlite_url).read_bytes() == before


def test_damage_that_a_statement_meets_is_noted_too(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    filled(database)
    file = file_of(sqlite_url)
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (file.stat().st_size - 4096))
    with pytest.raises(DatabaseCorrupt), database.session(is_read_only=True) as session:
        TraceRepository(session).list()
    with pytest.raises(DatabaseCorrupt, match="now read-only"):
        save_question(database)


def test_the_full_check_names_what_the_pages_of_a_damaged_file_lack(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    filled(database)
    damage(file_of(sqlite_url))
    assert database.check_fully()
    assert "is damaged" in database.damage


def test_a_version_without_its_tables_is_damage(url: str) -> None:
    database = Database(url)
    raw(url, "DROP TABLE annotation_revision")
    assert database.check().is_current
    database.migrate()
    assert "missing tables: annotation_revision" in database.damage
    assert database.check_fully() == ("missing tables: annotation_revision",)
    with pytest.raises(DatabaseCorrupt, match="missing tables"):
        save_question(database)
    database.dispose()


def test_a_missing_column_is_found_by_the_full_check(url: str) -> None:
    raw(url, "ALTER TABLE trace DROP COLUMN note")
    database = Database(url)
    assert database.check_fully() == ("missing columns: trace.note",)
    database.dispose()


def test_records_that_refer_to_missing_ones_are_found_by_the_full_check(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    begin(database)
    raw(sqlite_url, "DELETE FROM question")
    assert any("refer to missing ones in question" in problem for problem in database.check_fully())


def test_problems_do_not_quote_stored_text(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    save_question(database, stem="a secret complaint")
    raw(sqlite_url, "PRAGMA writable_schema = ON", "UPDATE question SET created_at = 'a secret complaint'")
    assert "secret" not in " ".join(database.check_fully())


def test_closing_the_database_ends_a_check_that_runs(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(connection: Connection) -> str:
        numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
        return str(connection.exec_driver_sql(numbers).scalar())

    monkeypatch.setattr("storage.database.first_damage", endless)
    database = Database(sqlite_url)
    thread = threading.Thread(target=database.look_for_damage, daemon=True)
    thread.start()
    while thread.is_alive():
        database.dispose()
        thread.join(0.05)
    assert database.damage == ""


def test_an_unsound_check_of_a_server_that_is_gone_is_an_error(tmp_path: Path) -> None:
    database = Database(f"postgresql://doctor:hunter2@/m1?host={tmp_path}")
    with pytest.raises(StorageError) as caught:
        database.check_fully()
    assert "hunter2" not in str(caught.value)
    assert database.damage == ""


@pytest.mark.parametrize("version", ["''", "'4'", "x'00ff'", "'zzzz'", "'0000'", "'٠٠٠٩'", "NULL"])
def test_a_version_that_no_app_writes_is_not_said_to_be_newer(sqlite_url: str, version: str) -> None:
    raw(
        sqlite_url,
        "DROP TABLE alembic_version",
        "CREATE TABLE alembic_version (version_num)",
        f"INSERT INTO alembic_version VALUES ({version})",
    )
    with pytest.raises(DatabaseCorrupt, match="no version of m1app writes") as caught:
        Database(sqlite_url).migrate()
    assert "newer" not in str(caught.value)


def test_a_newer_version_is_said_to_be_one(url: str) -> None:
    raw(url, "UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(DatabaseTooNew, match="'0999', made by a newer version"):
        Database(url).migrate()


def test_tables_without_a_version_are_not_migrated_over(url: str) -> None:
    raw(url, "DELETE FROM alembic_version")
    with pytest.raises(DatabaseCorrupt, match=r"has tables of this app \(.*\) but no version.*restore FILE"):
        Database(url).migrate()


def test_a_damaged_database_of_an_earlier_version_is_not_migrated(sqlite_url: str, migrated_copies: Copies) -> None:
    database = Database(sqlite_url)
    filled(database)
    engine = open_engine(parse_url(sqlite_url), 5.0, None, has_foreign_keys=False)
    with engine.begin() as connection:
        command.downgrade(migrations._config(connection), "0003")
    engine.dispose()
    damage(file_of(sqlite_url))
    before = file_of(sqlite_url).read_bytes()
    with pytest.raises(DatabaseCorrupt, match=r"not migrated from version 0003|damaged"):
        Database(sqlite_url).migrate()
    assert file_of(sqlite_url).read_bytes() == before


def test_the_message_about_tables_that_do_not_fit_promises_nothing_of_a_restart(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    raw(sqlite_url, "DROP TABLE search_entry")
    with pytest.raises(StorageError, match="m1app doctor") as caught:
        save_question(database)
    assert "Restart" not in str(caught.value)
