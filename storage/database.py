"""The database: its transactions, version and health.

Calls block, except `read` and `write`, which run in a thread for callers on an event loop. A `Database` may be shared
by threads; a session belongs to one.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

from sqlalchemy import NullPool, func, select
from sqlalchemy.orm import Session as Session  # callers use it in their signatures

from storage import migrations, tables  # noqa: F401 - every table is loaded before the first is used
from storage.connections import READ_ONLY, file_of, open_engine, parse_url, place_of
from storage.error_mapping import mapped_errors
from storage.errors import StorageError

BUSY_TIMEOUT_SECONDS = 5.0
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
        self._engine = open_engine(self._url, busy_timeout_seconds, None, has_foreign_keys=True)
        self._writing = Lock() if self.dialect == "sqlite" else None
        self._reading_engine = self._engine.execution_options(**{READ_ONLY: True})

    def __repr__(self) -> str:
        return f"Database({self.place!r})"

    def migrate(self) -> None:
        """Create the tables or migrate them to this app's version; safe to run in several processes at once.

        Raises:
            DatabaseTooNew: a newer version of the app has migrated it.
        """
        engine = open_engine(self._url, self._busy_timeout_seconds, NullPool, has_foreign_keys=False)
        try:
            with mapped_errors(self.place):
                migrations.upgrade(engine, self.place)
        finally:
            engine.dispose()

    @contextmanager
    def session(self, *, is_read_only: bool = False) -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back when it raises.

        Args:
            is_read_only: True never waits for writers, and makes writing an error.
        """
        engine = self._reading_engine if is_read_only else self._engine
        with (
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
        file = file_of(self._url)
        if file is None:
            return session.scalar(select(func.pg_database_size(func.current_database()))) or 0
        files = (file, Path(f"{file}-wal"))
        return sum(part.stat().st_size for part in files if part.exists())

    def dispose(self) -> None:
        """Close every connection; the next session opens new ones."""
        self._engine.dispose()
