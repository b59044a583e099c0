"""SQLite test databases start as copies of a migrated one: migrating takes five times as long.

If a test migrates a file that does not exist yet, a copy is placed there first, so there is nothing left to do; in the
tests' own processes, and in those that `tests/warm_python.py` forks. Tests of migration disable it: `copies.are_made`.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.connections import file_of
from storage.database import Database


class Copies:
    """Makes the copies."""

    def __init__(self) -> None:
        self.are_made = True
        self._template = b""
        self._migrate = Database.migrate

    def replace_migration(self) -> None:
        """From now on, in this process and those forked from it."""
        Database.migrate = lambda database: self.migrate(database)  # type: ignore[method-assign, assignment]

    def migrate(self, database: Database) -> None:
        """Replacement for `Database.migrate` in tests."""
        file = file_of(database._url)
        if self.are_made and file is not None and file.parent.is_dir() and not file.exists():
            self.put(file)
        self._migrate(database)

    def put(self, file: Path) -> None:
        """Place a copy of a migrated database, unless one has appeared meanwhile."""
        own = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
        own.write_bytes(self.prepare()._template)  # With the permissions that SQLite would give a new file.
        try:
            os.link(own, file)
        except FileExistsError:
            pass
        finally:
            own.unlink()

    def prepare(self) -> "Copies":
        """Migrate the database to be copied, if that has not been done."""
        if not self._template:
            with tempfile.TemporaryDirectory() as folder:
                template = Path(folder) / "migrated.sqlite3"
                database = Database(f"sqlite:///{template}")
                self._migrate(database)
                database.dispose()
                self._template = template.read_bytes()
        return self


@pytest.fixture(scope="session", autouse=True)
def migrated_copies() -> Iterator[Copies]:
    copies = Copies()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "migrate", lambda database: copies.migrate(database))
        yield copies
