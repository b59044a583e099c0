"""Backups of a PostgreSQL database, with its own programs."""

import shutil
import signal
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from m1app.backup import swap
from m1app.backup.errors import BackupError
from m1app.backup.home_lock import HomeUse
from m1app.backup.restoring import restore
from m1app.settings import Settings
from storage import copies
from storage.database import Database
from storage.errors import DatabaseProgramFailed, DatabaseTooNew
from tests.e2e.running_app import wait_until
from tests.m1app.backup.homes import backed_up, kill_this_process, killed, settings_of
from tests.storage.samples import begin, finish, think


def rows_of(url: str) -> dict[str, int]:
    database = Database(url)
    try:
        return database.row_counts()
    finally:
        database.dispose()


@pytest.fixture
def filled(postgres_url: str, tmp_path: Path) -> Settings:
    """A home whose database is on a server, with two traces."""
    database = Database(postgres_url)
    for number in range(2):
        finish(database, begin(database), think(f"trace {number}"))
    database.dispose()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "labels.toml").write_text("# mine\n")
    return settings_of(tmp_path / "home", database_url=postgres_url)


def test_a_dump_is_verified_in_a_spare_database_and_restored(
    filled: Settings, empty_postgres_url: str, tmp_path: Path
) -> None:
    made = backed_up(filled)
    assert (made.is_restored, made.manifest.dialect, made.manifest.counts["trace"]) == (True, "postgresql", 2)
    with psycopg.connect(empty_postgres_url) as connection:
        names = [row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()]
    assert [name for name in names if name.startswith("m1_check_")] == []
    there = settings_of(tmp_path / "there", database_url=empty_postgres_url)
    assert restore(made.file, there, is_replacing=False).kept is None
    assert rows_of(empty_postgres_url) == made.manifest.counts
    assert (there.home / "labels.toml").read_text() == "# mine\n"
    database = Database(empty_postgres_url)
    assert (database.check().is_current, database.check_fully()) == (True, ())
    database.dispose()


@pytest.mark.parametrize(("is_restored", "is_empty"), [(False, False), (True, False), (True, True)])
def test_a_restore_that_is_killed_around_that_of_the_database_is_completed(
    filled: Settings,
    empty_postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_restored: bool,
    is_empty: bool,
) -> None:
    made = backed_up(filled)
    there = settings_of(tmp_path / "there", database_url=empty_postgres_url) if is_empty else filled
    if not is_empty:
        change(filled)
    restore_from = Database.restore_from

    def dying(database: Database, dump: Path, *, is_replacing: bool) -> None:
        if is_restored:
            restore_from(database, dump, is_replacing=is_replacing)
        kill_this_process()

    with monkeypatch.context() as patch:
        patch.setattr(Database, "restore_from", dying)
        assert killed(lambda: restore(made.file, there, is_replacing=True)) == -signal.SIGKILL
    with pytest.raises(BackupError, match=r"names .*another.*Set it to the former"):
        HomeUse(settings_of(there.home, database_url=str(make_url(there.database_address).set(database="another"))))
    HomeUse(there).close()
    assert rows_of(there.database_address) == made.manifest.counts
    assert (there.home / "labels.toml").read_text() == "# mine\n"
    assert not swap.restore_folder(there.home).exists()
    for kept in there.home.glob("replaced-*"):
        assert (kept / "labels.toml").read_text() == "# changed\n"
        copies.read_dump(kept / "database.pgdump")


def test_a_dump_that_cannot_be_restored_leaves_everything_as_it_was(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backed_up(filled)
    change(filled)
    before = rows_of(filled.database_address)
    with monkeypatch.context() as patch:
        patch.setattr(Database, "restore_from", failing)
        with pytest.raises(DatabaseProgramFailed):
            restore(made.file, filled, is_replacing=True)
    HomeUse(filled).close()
    assert rows_of(filled.database_address) == before
    assert (filled.home / "labels.toml").read_text() == "# changed\n"


def test_a_killed_restore_that_cannot_be_completed_says_how_to_give_it_up(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backed_up(filled)
    with monkeypatch.context() as patch:
        patch.setattr(swap, "_move", kill_this_process)
        assert killed(lambda: restore(made.file, filled, is_replacing=True)) == -signal.SIGKILL
        patch.setattr(Database, "restore_from", failing)
        with pytest.raises(BackupError, match=r"pg_restore failed.*To abandon the restore, delete .*restore-work"):
            HomeUse(filled)
    HomeUse(filled).close()
    assert not swap.restore_folder(filled.home).exists()


def failing(*_: object, **__: object) -> None:
    raise DatabaseProgramFailed("pg_restore failed.")


def change(filled: Settings) -> None:
    """Begin a trace and change the labels."""
    database = Database(filled.database_address)
    begin(database)
    database.dispose()
    (filled.home / "labels.toml").write_text("# changed\n")


def test_spare_databases_of_killed_processes_are_dropped_and_no_others(filled: Settings) -> None:
    url = filled.database_address
    server = Database(url)
    with psycopg.connect(url, autocommit=True) as alive, server.spare() as in_use:
        old = {"m1_check_0123456789ab", "m1_check_99999999_0123456789ab"}
        others = {"m1_check_mine", f"m1_check_{alive.info.backend_pid}_0123456789ab"}
        for name in (*old, *others):
            alive.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
        server.remove_old_spares()
        assert checks_of(alive) >= others
        assert checks_of(alive).isdisjoint(old)
        assert in_use is not None
        assert in_use.check().is_reachable
        for name in others:
            alive.execute(f'DROP DATABASE "{name}"')  # type: ignore[call-overload]
    server.dispose()


def test_a_backup_that_is_killed_while_it_is_verified_leaves_no_database_after_the_next(
    filled: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Database, "restore_from", kill_this_process)
        assert killed(lambda: backed_up(filled)) == -signal.SIGKILL
    with psycopg.connect(filled.database_address, autocommit=True) as connection:
        (left,) = checks_of(connection)
        assert wait_until(lambda: not is_alive(connection, left), "the killed process's session has ended")
        backed_up(filled)
        assert checks_of(connection) == set()


def checks_of(connection: psycopg.Connection) -> set[str]:
    names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'm1_check_%'").fetchall()
    return {row[0] for row in names}


def is_alive(connection: psycopg.Connection, spare: str) -> bool:
    """Whether the session that made a spare database, whose process is in its name, has not ended."""
    query = "SELECT FROM pg_stat_activity WHERE pid = %s"
    return connection.execute(query, [int(spare.split("_")[2])]).fetchone() is not None


def test_present_tables_are_replaced_only_when_asked_for_and_a_dump_of_them_is_kept(filled: Settings) -> None:
    made = backed_up(filled)
    url = filled.database_address
    database = Database(url)
    begin(database)
    database.dispose()
    with pytest.raises(BackupError, match="--replace"):
        restore(made.file, filled, is_replacing=False)
    assert rows_of(url)["trace"] == 3
    done = restore(made.file, filled, is_replacing=True)
    assert rows_of(url) == made.manifest.counts
    assert done.kept is not None
    copies.read_dump(done.kept / "database.pgdump")


def test_a_backup_of_another_version_replaces_no_tables(filled: Settings, tmp_path: Path) -> None:
    url, made = filled.database_address, {}
    with psycopg.connect(url, autocommit=True) as connection:
        head = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]  # type: ignore[index]
        for version in ("0999", "0004"):
            connection.execute("UPDATE alembic_version SET version_num = %s", [version])
            made[version] = backed_up(filled, target=tmp_path / f"{version}.zip").file
        connection.execute("UPDATE alembic_version SET version_num = %s", [head])
    before = rows_of(url)
    with pytest.raises(DatabaseTooNew, match="newer version of m1app"):
        restore(made["0999"], filled, is_replacing=True)
    with pytest.raises(BackupError, match="Create an empty database"):
        restore(made["0004"], filled, is_replacing=True)
    assert rows_of(url) == before
    database = Database(url)
    assert database.check().is_current
    database.dispose()
    assert list(filled.home.glob("replaced-*")) == []


def test_an_account_that_may_not_create_databases_has_its_dump_read_to_the_end(filled: Settings) -> None:
    url = filled.database_address
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS clerk")
        connection.execute("CREATE ROLE clerk LOGIN")
        for kind in ("TABLES", "SEQUENCES"):
            connection.execute(f"GRANT SELECT ON ALL {kind} IN SCHEMA public TO clerk")  # type: ignore[call-overload]
    made = backed_up(settings_of(filled.home, database_url=url.replace("//m1@", "//clerk@")))
    assert (made.is_restored, made.manifest.counts["trace"]) == (False, 2)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP OWNED BY clerk")
        connection.execute("DROP ROLE clerk")


def test_a_damaged_dump_is_found(filled: Settings, tmp_path: Path) -> None:
    database = Database(filled.database_address)
    database.copy_to(tmp_path / "dump")
    database.dispose()
    data = bytearray((tmp_path / "dump").read_bytes())
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    with pytest.raises(DatabaseProgramFailed, match="pg_restore failed"):
        copies.read_dump(tmp_path / "cut")


def test_missing_programs_are_a_message(filled: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(copies, "_DEBIAN", tmp_path)
    with pytest.raises(DatabaseProgramFailed, match=r"pg_dump was not found.*postgresql-client"):
        backed_up(filled)
    assert list((filled.home / "backups").iterdir()) == []


def test_a_password_is_neither_in_arguments_nor_in_messages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[list[str]] = []
    run = copies.subprocess.run

    def watched(command: list[str], **options: object) -> object:
        seen.append(command)
        return run(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(copies.subprocess, "run", watched)
    database = Database(f"postgresql://doctor:hunter2@/m1?host={tmp_path}&password=hunter2")
    with pytest.raises(DatabaseProgramFailed) as caught:
        database.restore_from(tmp_path / "none", is_replacing=False)
    assert "hunter2" not in str(seen) + str(caught.value)
