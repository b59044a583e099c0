"""A whole database in a file and back: SQLite's online backup, PostgreSQL's pg_dump and pg_restore.

A copy shows the database as it was at one moment. Neither kind keeps others from writing meanwhile.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL

from storage.errors import DatabaseProgramFailed
from storage.integrity import row_counts

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_MOST_CHARACTERS = 300
_DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of each version."""
_OLD_SPARES = """
    SELECT datname FROM pg_database AS spare
    WHERE datname ~ '^m1_check_([0-9]+_)?[0-9a-f]{12}$' AND pg_get_userbyid(datdba) = current_user
    AND NOT EXISTS (
        SELECT FROM pg_stat_activity AS other
        WHERE other.datname = spare.datname OR starts_with(spare.datname::text, 'm1_check_' || other.pid || '_')
    )
"""
"""The account's own spare databases that nobody is connected to, and whose maker, named by process, has gone."""


def copy_sqlite(connection: Connection, file: Path) -> dict[str, int]:
    """Copy the database behind `connection`, in whose transaction nothing was read yet; return its records per table.

    The copy is one file without a write-ahead log.
    """
    # The count starts the transaction's snapshot, which the copy then shows too.
    counts = row_counts(connection)
    source = connection.connection.driver_connection
    assert isinstance(source, sqlite3.Connection)
    file.touch(mode=0o600)
    with closing(sqlite3.connect(file)) as target:
        # In one step: a copy in several starts anew whenever somebody writes.
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    return counts


def dump_postgresql(connection: Connection, url: URL, file: Path) -> dict[str, int]:
    """Write an archive of pg_dump; the arguments and the result are as for `copy_sqlite`."""
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    snapshot = str(connection.scalar(select(func.pg_export_snapshot())))
    counts = row_counts(connection)
    file.touch(mode=0o600)
    _run("pg_dump", url, "--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={file}")
    return counts


def restore_postgresql(url: URL, file: Path, *, is_replacing: bool) -> None:
    """Put the tables of a dump into the database, in one transaction.

    Args:
        url: of the database.
        file: archive of pg_dump.
        is_replacing: whether to drop tables of the same names first; otherwise they are an error.

    Raises:
        DatabaseProgramFailed: pg_restore is missing or failed; nothing was changed.
    """
    replacing = ["--clean", "--if-exists"] if is_replacing else []
    _run("pg_restore", url, "--single-transaction", "--exit-on-error", "--no-owner", *replacing, str(file))


def read_dump(file: Path) -> None:
    """Read a dump to its end; raises DatabaseProgramFailed if it is damaged."""
    _run("pg_restore", None, f"--file={os.devnull}", str(file))


@contextmanager
def spare_database(url: URL) -> Iterator[URL | None]:
    """An empty database on the same server, dropped afterwards; None if the account may not create databases."""
    import psycopg

    with _server_connection(url) as connection:
        _drop_old_spares(connection)
        name = f"m1_check_{connection.info.backend_pid}_{uuid4().hex[:12]}"
        try:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        except psycopg.errors.InsufficientPrivilege:
            yield None
            return
        try:
            yield url.set(database=name)
        finally:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def drop_old_spares(url: URL) -> None:
    """Drop those databases of `spare_database` whose process was killed, as far as the server lets the account."""
    import psycopg

    with suppress(psycopg.Error), _server_connection(url) as connection:
        _drop_old_spares(connection)


def _drop_old_spares(connection: "psycopg.Connection[TupleRow]") -> None:
    import psycopg

    for (name,) in connection.execute(_OLD_SPARES).fetchall():
        # Somebody else may be dropping it, or pg_restore still end in it.
        with suppress(psycopg.errors.ObjectInUse, psycopg.errors.InvalidCatalogName):
            connection.execute(f'DROP DATABASE "{name}"')


def _server_connection(url: URL) -> "psycopg.Connection[TupleRow]":
    import psycopg

    return psycopg.connect(_address(url), password=url.password, autocommit=True)


def _address(url: URL) -> str:
    """A connection string of PostgreSQL's own programs, without the password."""
    from psycopg.conninfo import make_conninfo

    given = {**url.query, **url.translate_connect_args(username="user", database="dbname")}
    given.pop("password", None)
    return make_conninfo(**given)


def _run(program: str, url: URL | None, *arguments: str) -> None:
    command = [_path_of(program), *arguments, *([f"--dbname={_address(url)}"] if url else [])]
    password = (url.password or str(url.query.get("password", ""))) if url else ""
    environment = os.environ | ({"PGPASSWORD": password} if password else {}) | {"LC_ALL": "C"}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        # Further lines may quote stored values.
        said = done.stderr.decode(errors="replace").partition("\n")[0][:_MOST_CHARACTERS]
        raise DatabaseProgramFailed(f"{program} failed: {said or f'exit status {done.returncode}'}.")


def _path_of(program: str) -> str:
    """The program on PATH, or Debian's newest."""
    installed = sorted(_DEBIAN.glob(f"*/bin/{program}"), key=lambda path: (len(path.parts[-3]), path.parts[-3]))
    found = shutil.which(program) or (str(installed[-1]) if installed else "")
    if not found:
        raise DatabaseProgramFailed(
            f"The program {program} was not found, and a PostgreSQL database is backed up and restored with it. "
            "Install PostgreSQL's client programs of the server's version (Debian: apt install postgresql-client)."
        )
    return found
