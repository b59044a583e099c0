"""Unpacks a backup into a temporary folder and checks that its database is whole."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m1app.backup.archive import unpack
from m1app.backup.encryption import decrypt, is_encrypted
from m1app.backup.errors import BackupError
from m1app.backup.manifest import Manifest
from storage.connections import sqlite_url
from storage.copies import read_dump
from storage.database import Database


@contextmanager
def opened(file: Path, key: str, folder: Path, *, is_plain_accepted: bool = False) -> Iterator[Manifest]:
    """Unpack a backup into `folder`, which is made for it, and remove it again if the block raises.

    Args:
        file: the backup.
        key: the key of encrypted backups; empty if there is none.
        folder: becomes its content.
        is_plain_accepted: whether the file may be unencrypted although there is a key: anyone can have written it.

    Raises:
        BackupError: the file is no backup, is damaged, is not encrypted although there is a key, or needs another one.
    """
    folder.mkdir(mode=0o700, parents=True)
    plain = folder.with_name(f"{folder.name}.zip")
    try:
        if is_encrypted(file):
            decrypt(file, plain, key)
        elif key and not is_plain_accepted:
            raise BackupError(
                f"{file} is not encrypted, but M1_BACKUP_KEY is set, so your backups should be: someone else may have "
                "written or changed this file. If you trust it, for example because it is from before you had a key, "
                "add --unencrypted."
            )
        yield unpack(plain if plain.exists() else file, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        plain.unlink(missing_ok=True)


def check_content(manifest: Manifest, folder: Path, server: Database | None) -> bool:
    """Check that the unpacked database is sound and has the records that the manifest counts.

    Args:
        manifest: of the backup.
        folder: where it was unpacked.
        server: the PostgreSQL database whose server may be used for a spare one; None uses none.

    Returns:
        False if a PostgreSQL dump was only read to its end, because no spare database could be made.

    Raises:
        BackupError: something is wrong with it.
    """
    file = folder / manifest.database_part
    if manifest.dialect == "sqlite":
        database = Database(sqlite_url(file))
        try:
            _compare(manifest, database)
            _check_programs(database)
        finally:
            database.dispose()
        return True
    read_dump(file)
    if server is None:
        return False
    with server.spare() as spare:
        if spare is not None:
            spare.restore_from(file, is_replacing=False)
            _compare(manifest, spare)
        return spare is not None


def _check_programs(database: Database) -> None:
    """Refuse triggers and views that no version of the app makes: they would run, or show other records."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Database(sqlite_url(Path(folder) / "fresh.sqlite3"))
        try:
            fresh.migrate()
            known = fresh.programs()
        finally:
            fresh.dispose()
    if strange := sorted(database.programs() - known):
        kind, name, _ = strange[0]
        raise BackupError(
            f"The database in the backup has the {kind} {name[:100]!r}, which this app did not make and which could "
            "change or hide records. Use another backup; if you made it yourself, drop it and make a new backup."
        )


def _compare(manifest: Manifest, database: Database) -> None:
    problems = list(database.check_fully())
    if not problems:
        revision, counts = database.check().revision, database.row_counts()
        if revision != manifest.revision:
            problems.append(f"its version is {revision!r} and not {manifest.revision!r}")
        problems += [
            f"table {name} has {counts.get(name, 0):,} records and not {manifest.counts.get(name, 0):,}"
            for name in sorted(counts.keys() | manifest.counts.keys())
            if counts.get(name, 0) != manifest.counts.get(name, 0)
        ]
    if problems:
        raise BackupError(f"The database in the backup is damaged: {'; '.join(problems)[:300]}. Use another backup.")
