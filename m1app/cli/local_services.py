"""Services that need a database but no engine: commands with these do not start one."""

from collections.abc import Iterator
from contextlib import contextmanager

from m1app.access.service import Access
from m1app.backup.home_lock import HomeUse
from m1app.bootstrap import make_home
from m1app.jobs.service import JobService
from m1app.settings import load_settings
from m1app.trash.service import TrashService
from storage.database import Database


@contextmanager
def open_database() -> Iterator[Database]:
    """The migrated database of the home in the environment."""
    settings = load_settings()
    make_home(settings)
    home_use = HomeUse(settings)
    database = Database(settings.database_address)
    try:
        database.migrate()
        yield database
    finally:
        database.dispose()
        home_use.close()


def access_over(database: Database) -> Access:
    """Accounts and the audit log."""
    return Access(load_settings(), database)


def trash_over(database: Database) -> TrashService:
    """The trash."""
    settings = load_settings()
    return TrashService(database, settings.trash_days, JobService(database, settings).remove_files, settings.home)
