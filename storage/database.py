"""The database: its transactions, version and health.

A database that is found to be damaged, by a check or by a failing statement, is only read from then on: writing could
spread the damage, and a person should know before more work goes into it.

Calls block, except `read` and `write`, which run in a thread for callers on an event loop. A `Database` may be shared
by threads; a session belongs to one.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

from sqlalchemy import Connection, NullPool, func, select, text
from sqlalchemy.orm import Session as Session  # callers use it in their signatures

from storage import migrations
from storage.connections import READ_ONLY, file_of, open_engine, parse_url, place_of
from storage.copies import copy_sqlite, drop_old_spares, dump_postgresql, restore_postgresql, spare_database
from storage.error_mapping import mapped_errors
from storage.errors import RESTORE, DatabaseCorrupt, StorageError
from storage.integrity import all_damage, first_damage, missing_tables, row_counts
from storage.scrubbing import scrub_postgresql, scrub_sqlite

BUSY_TIMEOUT_SECONDS = 5.0
_MOST_CHARACTERS = 300
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """What `Database.check` found."""

    is_reachable: bool
    dialect: str
    """"sqlite" or "postgresql"."""
    place: str
    """Path, or host and name; no credentials."""
    server_version: str = ""
    """Version of SQLite or of the PostgreSQL server; empty when unreachable."""
    revision: str | None = None
    """Version of the tables; None before the first migration."""
    is_current: bool = False
    """True if the tables are those this app expects."""
    size_bytes: int = 0
    """Size on disk, SQLite's write-ahead log included."""
    journal_mode: str | None = None
    """SQLite only: "wal" unless the file system does not allow it."""
    problem: str = ""
    """What is wrong and how to fix it; empty when reachable."""


class Database:
    """A database of the app."""

    def __init__(self, url: str, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        """Configure connections without opening any.

        Args:
            url: `sqlite:////path/m1.db`, `postgresql://...` or `postgres://...`.
            busy_timeout_seconds: how long a transaction waits for another before `DatabaseLocked`.

        Raises:
            DatabaseUnreachable: the URL has another form.
        """
        self._url = parse_url(url)
        self._busy_timeout_seconds = busy_timeout_seconds
        self.place = place_of(self._url)
        """Human-readable location; no credentials."""
        self.dialect = self._url.get_backend_name()
        self.file = file_of(self._url)
        """The database file; None for a database server."""
        self._damage = ""
        self._checking: Connection | None = None
        self._is_interrupted = False
        self._engine = open_engine(self._url, busy_timeout_seconds, None, has_foreign_keys=True)
        self._writing = Lock() if self.dialect == "sqlite" else None
        self._reading_engine = self._engine.execution_options(**{READ_ONLY: True})

    def __repr__(self) -> str:
        return f"Database({self.place!r})"

    @property
    def damage(self) -> str:
        """What is damaged and what to do; empty as long as nothing is known to be. A damaged database is only read."""
        return self._damage

    def migrate(self) -> None:
        """Create the tables or migrate them to this app's version; safe to run in several processes at once.

        A current version without all of its tables becomes `damage`.

        Raises:
            DatabaseTooNew: a newer version of the app has migrated it.
            DatabaseCorrupt: it is damaged and of an earlier version, so that it cannot be migrated.
        """
        engine = open_engine(self._url, self._busy_timeout_seconds, NullPool, has_foreign_keys=False)
        try:
            with mapped_errors(self.place):
                migrations.upgrade(engine, self.place)
                with engine.connect() as connection:
                    self.note_damage("; ".join(missing_tables(connection)))
        finally:
            engine.dispose()

    def look_for_damage(self) -> None:
        """Read every page of a SQLite file once, and note `damage`; a large file takes seconds. Ends on `dispose`."""
        with suppress(DatabaseCorrupt), self._fresh_connection() as connection:
            self._checking, self._is_interrupted = connection, False
            try:
                self.note_damage(first_damage(connection))
            except StorageError:
                if not self._is_interrupted:
                    raise
            finally:
                self._checking = None

    def note_damage(self, problem: str) -> None:
        """Only read from now on, because of `problem`; an empty one changes nothing."""
        if problem and not self._damage:
            self._damage = _damaged(self.place, problem)

    @contextmanager
    def session(self, *, is_read_only: bool = False) -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back when it raises.

        Args:
            is_read_only: True never waits for writers, and makes writing an error.

        Raises:
            DatabaseCorrupt: what is read is damaged, or the database is and was to be written.
        """
        if self._damage and not is_read_only:
            raise DatabaseCorrupt(self._damage)
        engine = self._reading_engine if is_read_only else self._engine
        with (
            self._noting_damage(),
            self._turn(is_read_only),
            mapped_errors(self.place),
            Session(engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def read_now(self, use: Callable[[Session], _T]) -> _T:
        """Return the result of `use` in a read-only transaction; blocks."""
        with self.session(is_read_only=True) as session:
            return use(session)

    def write_now(self, use: Callable[[Session], _T]) -> _T:
        """Return the result of `use` in its own transaction, rolled back if it raises; blocks."""
        with self.session() as session:
            return use(session)

    async def read(self, use: Callable[[Session], _T]) -> _T:
        """`read_now` in a thread."""
        return await asyncio.to_thread(self.read_now, use)

    async def write(self, use: Callable[[Session], _T]) -> _T:
        """`write_now` in a thread."""
        return await asyncio.to_thread(self.write_now, use)

    @contextmanager
    def _fresh_connection(self) -> Iterator[Connection]:
        """A read-only transaction whose connection has no page in memory yet, so that it reads all from the disk."""
        engine = open_engine(self._url, self._busy_timeout_seconds, NullPool, has_foreign_keys=True)
        try:
            reading = engine.execution_options(**{READ_ONLY: True})
            with self._noting_damage(), mapped_errors(self.place), reading.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    @contextmanager
    def _noting_damage(self) -> Iterator[None]:
        try:
            yield
        except DatabaseCorrupt:
            self.note_damage("reading or writing a part of it failed")
            raise

    @contextmanager
    def _turn(self, is_read_only: bool) -> Iterator[None]:
        """Serialize this process's SQLite writers: SQLite itself would make them sleep up to 0.1 s at a time."""
        if is_read_only or self._writing is None:
            yield
            return
        # If its turn does not come in time it continues anyway, and SQLite reports the error.
        is_taken = self._writing.acquire(timeout=self._busy_timeout_seconds)
        try:
            yield
        finally:
            if is_taken:
                self._writing.release()

    def check(self) -> DatabaseHealth:
        """Check the database; an unreachable one is reported, not raised."""
        try:
            with self.session(is_read_only=True) as session:
                return self._healthy(session)
        except StorageError as exc:
            return DatabaseHealth(False, self.dialect, self.place, problem=str(exc))

    def check_fully(self) -> tuple[str, ...]:
        """Return everything that is wrong with the records, and note `damage`; a large database takes minutes.

        Raises:
            StorageError: the database cannot be read at all for another reason than damage.
        """
        try:
            with self._fresh_connection() as connection:
                is_current = migrations.current_revision(connection) == migrations.head_revision()
                found = all_damage(connection, is_current=is_current)
        except DatabaseCorrupt as exc:
            found = (str(exc),)
        self.note_damage("; ".join(found))
        return found

    def programs(self) -> frozenset[tuple[str, str, str]]:
        """Kind, name and SQL of the triggers and views of a SQLite database."""
        query = text("SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')")
        with self.session(is_read_only=True) as session:
            return frozenset((row.type, row.name, row.sql) for row in session.execute(query))

    def row_counts(self) -> dict[str, int]:
        """Number of records in each table."""
        with self.session(is_read_only=True) as session:
            return row_counts(session.connection())

    def copy_to(self, file: Path) -> dict[str, int]:
        """Copy the database as it is at one moment to a new file, while others write.

        Args:
            file: becomes a SQLite database, or an archive of pg_dump.

        Returns:
            The number of records in each table of the copy.

        Raises:
            DatabaseProgramFailed: pg_dump is missing or failed.
        """
        with self.session(is_read_only=True) as session:
            connection = session.connection()
            if self.dialect == "sqlite":
                return copy_sqlite(connection, file)
            return dump_postgresql(connection, self._url, file)

    def restore_from(self, dump: Path, *, is_replacing: bool) -> None:
        """Put a dump of `copy_to` into this PostgreSQL database, in one transaction.

        Raises:
            DatabaseProgramFailed: pg_restore is missing or failed; nothing was changed.
        """
        restore_postgresql(self._url, dump, is_replacing=is_replacing)

    def scrub(self, *, is_whole: bool) -> str:
        """Overwrite what deleted records have left behind; return what could not be done, empty if all was.

        Args:
            is_whole: whether SQLite writes the whole file anew.

        Raises:
            DatabaseCorrupt: it is damaged.
        """
        if self._damage:
            raise DatabaseCorrupt(self._damage)
        engine = open_engine(self._url, self._busy_timeout_seconds, NullPool, has_foreign_keys=True)
        try:
            with self._turn(is_read_only=False), mapped_errors(self.place):
                is_sqlite = self.dialect == "sqlite"
                return scrub_sqlite(engine, is_whole=is_whole) if is_sqlite else scrub_postgresql(engine)
        finally:
            engine.dispose()

    @contextmanager
    def spare(self) -> Iterator["Database | None"]:
        """An empty database on this PostgreSQL server, dropped afterwards; None if the account may not create one."""
        with mapped_errors(self.place), spare_database(self._url) as url:
            database = Database(url.render_as_string(hide_password=False)) if url else None
            try:
                yield database
            finally:
                if database is not None:
                    database.dispose()

    def remove_old_spares(self) -> None:
        """Drop the databases that killed uses of `spare` have left on this PostgreSQL server."""
        if self.dialect == "postgresql":
            drop_old_spares(self._url)

    def _healthy(self, session: Session) -> DatabaseHealth:
        connection = session.connection()
        is_sqlite = self.dialect == "sqlite"
        version = select(func.sqlite_version()) if is_sqlite else select(func.current_setting("server_version"))
        revision = migrations.current_revision(connection)
        return DatabaseHealth(
            is_reachable=True,
            dialect=self.dialect,
            place=self.place,
            server_version=str(session.scalar(version)),
            revision=revision,
            is_current=revision == migrations.head_revision(),
            size_bytes=self._size_bytes(session),
            journal_mode=connection.exec_driver_sql("PRAGMA journal_mode").scalar() if is_sqlite else None,
        )

    def _size_bytes(self, session: Session) -> int:
        if self.file is None:
            return session.scalar(select(func.pg_database_size(func.current_database()))) or 0
        files = (self.file, Path(f"{self.file}-wal"))
        return sum(part.stat().st_size for part in files if part.exists())

    def dispose(self) -> None:
        """Close every connection; the next session opens new ones."""
        if (checking := self._checking) is not None:
            self._is_interrupted = True
            driver = checking.connection.driver_connection
            if isinstance(driver, sqlite3.Connection):
                with suppress(sqlite3.Error):
                    driver.interrupt()
        self._engine.dispose()


def _damaged(place: str, problem: str) -> str:
    return (
        f"The database {place} is damaged ({problem[:_MOST_CHARACTERS]}). It is now read-only, and nothing new is "
        f"saved. Stop the app and restore a backup with `{RESTORE}`; docs/operations.md has the steps."
    )
