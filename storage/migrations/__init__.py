"""Builds the tables and carries them from version to version, with Alembic and without an alembic.ini.

Each file of `versions/` is one step, named after its revision: `v0004_what_it_does.py` is revision "0004". Alembic is
loaded only to migrate, because every process of the app compares versions when it starts. Processes that start at the
same time do not migrate twice: the whole upgrade is one transaction, which holds SQLite's write lock or a PostgreSQL
advisory lock. To draft a step after changing `tables.py`:
`python -m storage.migrations sqlite:////tmp/draft.db "what changes"`.
"""

import re
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect

from storage.errors import RESTORE, DatabaseCorrupt, DatabaseTooNew, StorageError
from storage.integrity import first_damage, own_tables

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic's `op` and `context` are process-wide globals.
_one_at_a_time = threading.Lock()

_VERSION = re.compile("[0-9]{4}")

_ADVISORY_LOCK = 0x6D31
"""An arbitrary number shared by all instances of the app ("m1")."""


def upgrade(engine: Engine, place: str) -> None:
    """Upgrade the database to the newest version; does nothing if it is current.

    Args:
        engine: its SQLite connections must not enforce foreign keys: rebuilding a table drops it, which would cascade.
            They are checked at the end instead.
        place: where the database is, for messages.

    Raises:
        DatabaseTooNew: this app does not know its version.
        DatabaseCorrupt: it is damaged, or its version is none of this app's.
        StorageError: a step cannot be found or carried out.
    """
    with _one_at_a_time, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        revision = current_revision(connection)
        if revision == head_revision():
            return
        _check_version(connection, place, revision)
        from alembic import command
        from alembic.util import CommandError

        try:
            command.upgrade(_config(connection), "head")
        except CommandError as exc:
            raise StorageError(
                f"The database {place} could not be migrated from version {revision or 'none'} ({exc}). Nothing was "
                "changed. Reinstall the app; if that does not help, report a bug."
            ) from exc
        _check_references(connection, place)


def _check_version(connection: Connection, place: str, revision: str | None) -> None:
    """Refuse what no step can start from."""
    if revision is None and (tables := own_tables(connection)):
        raise DatabaseCorrupt(
            f"The database {place} has tables of this app ({', '.join(tables)[:80]}) but no version, so they cannot be "
            f"migrated. Restore it from a backup with `{RESTORE}`; if the tables are another program's, use another "
            "database."
        )
    if revision not in known_revisions():
        raise unknown_version(place, str(revision))
    if revision is not None and (damage := first_damage(connection)):
        raise DatabaseCorrupt(
            f"The database {place} is damaged ({damage}), so it was not migrated from version {revision}, and nothing "
            f"was changed. Restore it from a backup with `{RESTORE}`."
        )


def unknown_version(place: str, revision: str) -> StorageError:
    """The error that says why this app cannot upgrade from a version that is not among `known_revisions`."""
    found = f"The database {place} has version {revision[:40]!r}"
    if _VERSION.fullmatch(revision) and revision > head_revision():
        return DatabaseTooNew(f"{found}, made by a newer version of m1app. Update the app or use another M1_HOME.")
    return DatabaseCorrupt(
        f"{found}, which no version of m1app writes: this app's is {head_revision()!r}. It is damaged, or is another "
        f"program's database. Restore it from a backup with `{RESTORE}`, or use another M1_HOME."
    )


def _check_references(connection: Connection, place: str) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise DatabaseCorrupt(
            f"The database {place} has records in table {broken[0]!r} that refer to missing ones, so it was not "
            f"migrated. Restore it from a backup with `{RESTORE}`."
        )


def current_revision(connection: Connection) -> str | None:
    """Version of the database; None if it has no tables yet.

    Raises:
        DatabaseCorrupt: it claims to have several versions.
    """
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = sorted(str(row[0]) for row in connection.exec_driver_sql("SELECT version_num FROM alembic_version"))
    if len(found) > 1:
        raise DatabaseCorrupt(
            f"The database claims to have several versions at once ({', '.join(found)[:80]}). Restore it from a backup "
            f"with `{RESTORE}`."
        )
    return found[0] if found else None


def head_revision() -> str:
    """Version of this app's tables."""
    return _revisions()[-1]


def known_revisions() -> set[str | None]:
    """Versions that this app can upgrade from; None is the empty database."""
    return {None, *_revisions()}


def draft(engine: Engine, message: str) -> None:
    """Draft a step from a migrated database to the tables in `tables.py`, for review."""
    from alembic import command

    with _one_at_a_time, engine.begin() as connection:
        revision = f"{int(head_revision()) + 1:04d}"
        command.revision(_config(connection), message, autogenerate=True, rev_id=revision)


def is_compared(_item: object, name: str | None, _kind: str, _is_reflected: bool, _other: object) -> bool:
    """Exclude the full-text indexes from comparisons with `tables.py`: only the steps create it."""
    return not (name or "").startswith(("search_index", "passage_index"))


@cache
def _revisions() -> list[str]:
    """The steps' revisions, oldest first."""
    return sorted(file.stem[1:5] for file in (Path(__file__).parent / "versions").glob("v[0-9][0-9][0-9][0-9]_*.py"))


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    return config
