"""Each test that uses `database` runs on SQLite and on the session's own PostgreSQL server."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from storage.database import Database
from tests.storage.trash.hidden import statements_checked

_numbers = count(1)


@pytest.fixture(scope="package", autouse=True)
def every_statement_leaves_out_the_trash() -> Iterator[None]:
    """A statement of any test here that could see what is in the trash fails."""
    with statements_checked():
        yield


def _programs() -> Path:
    """Where initdb and pg_ctl are; Debian keeps them out of PATH."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    usable = [folder for folder in found if (folder / "initdb").exists() and (folder / "pg_ctl").exists()]
    if not usable:
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed (Debian: apt install postgresql)")
    return usable[0]


def _run(*command: str | Path) -> None:
    """Run as the user postgres if we are root: PostgreSQL refuses to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *map(str, command)], check=True, timeout=90, stdout=subprocess.DEVNULL, cwd="/")


def _new_home() -> Path:
    if os.geteuid() == 0 and "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("as root, PostgreSQL needs a user named postgres to run as")
    home = Path(tempfile.mkdtemp(prefix="m1-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
    return home


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """Socket directory of a fresh cluster; it listens nowhere else."""
    programs = _programs()
    home = _new_home()
    data = home / "data"
    _run(programs / "initdb", "-D", data, "-U", "m1", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off"
    _run(programs / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start")
    try:
        yield home
    finally:
        _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


def _postgres_url(socket: Path, name: str) -> str:
    return f"postgresql://m1@/{name}?host={socket}"


def _create(socket: Path, name: str, template: str) -> str:
    with psycopg.connect(host=str(socket), user="m1", dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')  # type: ignore[arg-type]
    return _postgres_url(socket, name)


@pytest.fixture(scope="session")
def postgres_template(postgres_socket: Path) -> str:
    """Name of a database that Alembic has migrated, to be copied for each test."""
    database = Database(_create(postgres_socket, "migrated", "template1"))
    database.migrate()
    database.dispose()
    return "migrated"


@pytest.fixture
def empty_postgres_url(postgres_socket: Path) -> str:
    return _create(postgres_socket, f"empty{next(_numbers)}", "template1")


class _Databases:
    """Migrated databases to be used one after the other; making one takes longer than most tests.

    One that is not as migrated after a test is never used again.
    """

    def __init__(self, socket: Path, template: str) -> None:
        self._socket = socket
        self._template = template
        self._free: list[str] = []
        self._migrated: list[tuple[object, ...]] = []

    def take(self) -> str:
        """URL of a database that is as migrated."""
        url = self._free.pop() if self._free else _create(self._socket, f"test{next(_numbers)}", self._template)
        if not self._migrated:
            with psycopg.connect(url, autocommit=True) as connection:
                self._migrated = _description(connection)
        return url

    def give_back(self, url: str) -> None:
        """Empty it for the next test; the connections to it end."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            empty = [f'DELETE FROM "{table}"' for (table,) in tables if table != "alembic_version"]
            # Foreign keys may be broken meanwhile. One request, because forty take longer than most tests.
            connection.execute("; ".join(["SET session_replication_role = replica", *empty]))  # type: ignore[arg-type]
            if _description(connection) == self._migrated:
                self._free.append(url)


def _description(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The version, columns, indexes and triggers of a database, and how many rows its tables have."""
    columns = (
        "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull"
        " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped"
        " ORDER BY relname, attname"
    )
    indexes = "SELECT indexdef, '' FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexdef"
    triggers = "SELECT tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname"
    shape = connection.execute(columns).fetchall()
    tables = sorted({str(table) for table, *_ in shape})
    counts = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM \"{table}\"" for table in tables)
    counts += " UNION ALL SELECT version_num, 0 FROM alembic_version"
    return shape + [row for query in (indexes, triggers, counts) for row in connection.execute(query).fetchall()]  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def postgres_databases(postgres_socket: Path, postgres_template: str) -> _Databases:
    return _Databases(postgres_socket, postgres_template)


@pytest.fixture
def postgres_url(postgres_databases: _Databases) -> Iterator[str]:
    url = postgres_databases.take()
    yield url
    postgres_databases.give_back(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/m1.db"
    database = Database(url)
    database.migrate()
    database.dispose()
    return url


_BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=_BOTH)
def url(request: pytest.FixtureRequest) -> str:
    """URL of a separate migrated database, on each dialect."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url, busy_timeout_seconds=5.0)
    yield database
    database.dispose()


@pytest.fixture(params=_BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without tables, on each dialect."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    return str(request.getfixturevalue("empty_postgres_url"))
