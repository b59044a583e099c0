"""Engines for SQLite and PostgreSQL, set up so that many threads and several processes can share one database.

SQLite: WAL lets readers and one writer work concurrently; a writing transaction takes its lock up front
(`BEGIN IMMEDIATE`), because upgrading from reading to writing fails immediately instead of waiting.
"""

import json
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Pool, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError

from storage.error_mapping import translate_in_statement
from storage.errors import DatabaseUnreachable

READ_ONLY = "m1_read_only"
"""Execution option of a connection whose transactions only read."""

_CACHE_KIB = 512
"""Pages cached per pooled SQLite connection; the operating system caches the file anyway."""
_READING_CACHE_KIB = 8192
"""The same for readers: looking up every question of a large run revisits the same pages."""
_POSTGRESQL_NAMES = ("postgres", "postgresql", "postgresql+psycopg")
_SQLITE_NAMES = ("sqlite", "sqlite+pysqlite")


def parse_url(url: str) -> URL:
    """The database URL with its driver spelled out.

    Raises:
        DatabaseUnreachable: not a SQLite (with a file) or PostgreSQL URL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not chained: the upstream message may quote a part of the URL that is the password.
        raise DatabaseUnreachable(_bad_url("is not valid")) from None
    if "@" in f"{parsed.host}{parsed.database}" and parsed.drivername not in _SQLITE_NAMES:
        # Otherwise part of the password would be parsed, and shown, as the host.
        raise DatabaseUnreachable(_bad_url("has more than one @"))
    if parsed.drivername in _POSTGRESQL_NAMES:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in _SQLITE_NAMES:
        raise DatabaseUnreachable(_bad_url(f"begins with {parsed.drivername!r}"))
    if parsed.database in (None, "", ":memory:"):
        raise DatabaseUnreachable(_bad_url("names no file (a database in memory cannot be shared)"))
    return parsed


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file, whatever characters its path has."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def _bad_url(found: str) -> str:
    return (
        f"The database URL {found}. Use sqlite:////absolute/path/m1.db or "
        "postgresql://user:password@host:5432/name, with special characters of the password percent-encoded."
    )


def place_of(url: URL) -> str:
    """Location of the database for messages: a path, or host and name, never credentials."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host") or "local socket"
    port = f":{url.port}" if url.port else ""
    return f"{url.database} at {host}{port}"


def file_of(url: URL) -> Path | None:
    """The database file, as an absolute path; None for a database server."""
    if url.get_backend_name() != "sqlite":
        return None
    name = str(url.database)
    return Path(name.removeprefix("file:")).absolute()


def open_engine(url: URL, busy_timeout_seconds: float, pool: type[Pool] | None, has_foreign_keys: bool) -> Engine:
    """Create an engine that raises this package's errors.

    Args:
        url: from `parse_url`.
        busy_timeout_seconds: how long a transaction waits for another before it fails.
        pool: kind of connection pool; None is SQLAlchemy's for the dialect, with room for 30 connections.
        has_foreign_keys: False only while a migration rebuilds SQLite tables.
    """
    options: dict[str, Any] = {"poolclass": pool} if pool else {"pool_size": 10, "max_overflow": 20}
    # Parameters hold questions and thinking, which must not reach logs or errors.
    options |= {"hide_parameters": True, "pool_pre_ping": True, "json_serializer": _as_json}
    engine = create_engine(url, **options)
    event.listen(engine, "handle_error", _error_raiser(place_of(url)), retval=True)
    if url.get_backend_name() == "sqlite":
        _set_up_sqlite(engine, busy_timeout_seconds, has_foreign_keys)
    else:
        _set_up_postgresql(engine, busy_timeout_seconds)
    return engine


# NaN and infinities are not valid JSON: PostgreSQL rejects them, so SQLite must not get them either.
_as_json = partial(json.dumps, allow_nan=False)


def _error_raiser(place: str) -> Any:
    def map_error(context: ExceptionContext) -> BaseException | None:
        if context.is_pre_ping:
            # The pool reconnects on the driver's own error.
            return None
        return translate_in_statement(context.original_exception, place)

    return map_error


def _set_up_sqlite(engine: Engine, busy_timeout_seconds: float, has_foreign_keys: bool) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # The driver must not open transactions: `begin` below does.
        connection.isolation_level = None
        # First, so that the pragmas below wait too.
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_seconds * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # What is deleted is overwritten with zeros, not only marked as free.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if has_foreign_keys else 'OFF'}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(READ_ONLY, False)
        # As on PostgreSQL, where a read-only transaction rejects writes.
        connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reads else 'OFF'}")
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_READING_CACHE_KIB if reads else _CACHE_KIB}")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def shrink(connection: sqlite3.Connection | None, _record: object) -> None:
        # It reads the schema; the next transaction reports a corrupt file.
        with suppress(sqlite3.Error):
            if connection is not None:
                connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _set_up_postgresql(engine: Engine, busy_timeout_seconds: float) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute(f"SET lock_timeout = {int(busy_timeout_seconds * 1000)}")
        connection.commit()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(READ_ONLY, False):
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
