"""SQLite test databases start as copies of a migrated one: migrating takes five times as long.

If a test migrates a file that does not exist yet, a copy is placed there first, so there is nothing left to do. Tests
of migration itself disable this: `copies.are_made`.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.connections import file_of
from storage.database import Database


class Copies:
    """Makes the copies."""

    def __init__(self, folder: Path) -> None:
        self.are_made = True
        self._folder = folder
        self._template: Path | None = None
        self._migrate = Database.migrate

    def migrate(self, database: Database) -> None:
        """Replacement for `Database.migrate` in tests."""
        file = file_of(database._url)
        if self.are_made and file is not None and file.parent.is_dir() and not file.exists():
            self.put(file)
        self._migrate(database)

    def put(self, file: Path) -> None:
        """Place a copy of a migrated database, unless one has appeared meanwhile."""
        own = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
        shutil.copyfile(self._made(), own)  # With the permissions that SQLite would give a new file.
        try:
            os.link(own, file)
        except FileExistsError:
            pass
        finally:
            own.unlink()

    def _made(self) -> Path:
        if self._template is None:
            template = self._folder / "migrated.sqlite3"
            database = Database(f"sqlite:///{template}")
            self._migrate(database)
            database.dispose()
            self._template = template
        return self._template


@pytest.fixture(scope="session", autouse=True)
def migrated_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    copies = Copies(tmp_path_factory.mktemp("migrated"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "migrate", lambda database: copies.migrate(database))
        yield copies
