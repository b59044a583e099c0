"""Restores a backup into a home that no app uses.

The backup is unpacked, verified and migrated in a folder of its own first; only then do its files take the place of the
present ones, which are kept aside. A restore that is killed before that point has changed nothing, one that is killed
later is completed by whoever opens the home next (`swap.py`).
"""

import json
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from m1app.backup.errors import BackupError
from m1app.backup.home_lock import only_user
from m1app.backup.manifest import FILES, FOLDERS, MODEL_FOLDERS, Manifest
from m1app.backup.swap import Dump, Move, Plan, carry_out, complete, has_plan, restore_folder
from m1app.backup.unpacking import check_content, opened
from m1app.settings import Settings
from storage.connections import sqlite_url
from storage.database import Database
from storage.migrations import known_revisions, unknown_version

_SQLITE_ENDINGS = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that was restored."""

    manifest: Manifest
    kept: Path | None
    """Folder with what was replaced; None if nothing was."""


def restore(file: Path, settings: Settings, *, is_replacing: bool, is_plain_accepted: bool = False) -> Restored:
    """Restore a backup into the home and database of the settings.

    Args:
        file: the backup.
        settings: which home, which database, and the key.
        is_replacing: whether present data may be replaced; they are kept in a folder of the home.
        is_plain_accepted: as for `unpacking.opened`.

    Raises:
        HomeInUse: the app runs on the home.
        BackupError: the backup is not sound, does not fit the settings, or would replace data.
        StorageError: the database in it cannot be used by this version of the app.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database_address)
    try:
        with only_user(settings.home):
            complete(settings.home, settings.database_address)
            folder = restore_folder(settings.home)
            shutil.rmtree(folder, ignore_errors=True)
            try:
                key = settings.backup_key.get_secret_value()
                opening = opened(file, key, folder / "new", is_plain_accepted=is_plain_accepted)
                return _restore(opening, folder / "new", settings, database, is_replacing)
            finally:
                # A plan that could not be carried out is completed later, with these files.
                if not has_plan(settings.home):
                    shutil.rmtree(folder, ignore_errors=True)
    finally:
        database.dispose()


def _restore(
    opening: AbstractContextManager[Manifest], folder: Path, settings: Settings, database: Database, is_replacing: bool
) -> Restored:
    with opening as manifest:
        _check_fit(manifest, settings, database)
        kept = settings.home / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        plan = _plan(manifest, folder, settings, database, kept)
        present_revision = database.check().revision if database.file is None else None
        has_tables = present_revision is not None
        if (plan.aside or has_tables) and not is_replacing:
            present = plan.aside[0].source if plan.aside else database.place
            raise BackupError(
                f"{present} exists, and the restore would replace it. Nothing was changed. With --replace, the "
                "existing data is first moved into a folder of the home."
            )
        if present_revision not in (None, manifest.revision):
            raise _other_version(manifest, database, str(present_revision))
        check_content(manifest, folder, None)
        _make_usable(manifest, folder, settings)
    if has_tables:
        kept.mkdir(mode=0o700)
        database.copy_to(kept / manifest.database_part)
    carry_out(settings.home, plan, database)
    return Restored(manifest, kept if kept.exists() else None)


def _check_fit(manifest: Manifest, settings: Settings, database: Database) -> None:
    if manifest.dialect != database.dialect:
        raise BackupError(
            f"The backup is of a {manifest.dialect} database, and M1_DATABASE_URL names a {database.dialect} one. Set "
            "it to a database of the same kind."
        )
    if manifest.revision not in known_revisions():
        raise unknown_version("in the backup", manifest.revision)
    if database.file is not None and database.file.parent.stat().st_dev != settings.home.stat().st_dev:
        raise BackupError(
            f"The database {database.place} is on another disk than {settings.home}, so their files cannot be replaced "
            "together. Restore with M1_DATABASE_URL unset, then move the database."
        )


def _other_version(manifest: Manifest, database: Database, present: str) -> BackupError:
    """pg_restore drops only tables that are in the dump; those of another version would stay or be missing."""
    return BackupError(
        f"The backup has version {manifest.revision!r} of the tables, and {database.place} has {present!r}, so its "
        "tables cannot be replaced. Nothing was changed. Create an empty database, name it in M1_DATABASE_URL, and "
        "restore into that."
    )


def _plan(manifest: Manifest, folder: Path, settings: Settings, database: Database, kept: Path) -> Plan:
    """Which dump is restored, which present files go aside, and which restored ones take which places."""
    home, into, dump = settings.home, list[Move](), None
    # Of models and jobs, those that the backup has not stay.
    single = (f"{name}/{path.name}" for name in MODEL_FOLDERS for path in sorted((folder / name).glob("*")))
    names = [*FILES, *FOLDERS, *single]
    restored = [name for name in names if (folder / name).exists()]
    into += [Move(source=folder / name, target=home / name) for name in restored]
    # What the home had and the backup has not is not a part of the restored state.
    present = {name: home / name for name in (*FILES, *FOLDERS, *restored)}
    if database.file is None:
        dump = Dump(file=folder / manifest.database_part, place=database.place)
    else:
        into.append(Move(source=folder / manifest.database_part, target=database.file))
        files = [database.file.with_name(database.file.name + ending) for ending in _SQLITE_ENDINGS]
        present = {path.name: path for path in files} | present
    aside = [Move(source=path, target=kept / name) for name, path in present.items() if path.exists()]
    return Plan(dump=dump, aside=tuple(aside), into=tuple(into))


def _make_usable(manifest: Manifest, folder: Path, settings: Settings) -> None:
    """Migrate a SQLite database of an earlier version, and correct the places of fine-tuned models."""
    if manifest.dialect == "sqlite":
        database = Database(sqlite_url(folder / manifest.database_part))
        database.migrate()
        database.dispose()
    catalog = folder / "catalog.toml"
    if manifest.has_models and catalog.exists():
        before, after = (
            json.dumps(f"file:{home}/", ensure_ascii=False)[:-1].encode() for home in (manifest.home, settings.home)
        )
        # As bytes: a file that is not text is restored as it was, and the app says what is wrong with it.
        catalog.write_bytes(catalog.read_bytes().replace(before, after))
