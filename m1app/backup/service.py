"""Makes backups while the app runs, and verifies each by restoring it into a temporary folder.

A backup gets its name only after that. An interrupted one leaves its name free and its draft to be swept up later.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import m1app
from m1app.backup.archive import write_archive
from m1app.backup.encryption import encrypt
from m1app.backup.errors import BackupError
from m1app.backup.leftovers import noted_draft, remove_leftovers, remove_old_drafts, work_folder
from m1app.backup.manifest import DATABASE_PARTS, FILES, FOLDERS, Manifest, Part
from m1app.backup.naming import FoundBackup, already_exists, draft_of, give_name, new_backup, own_backups
from m1app.backup.swap import sync_folder
from m1app.backup.unpacking import check_content, opened
from m1app.settings import Settings
from models.busy_folder import file_sizes
from storage.database import Database

_OWNER_FILE = "job.txt"
"""In the folder of every fine-tuned model; see `m1app.training.tuned_models`."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made and verified."""

    file: Path
    size_bytes: int
    manifest: Manifest
    is_encrypted: bool
    is_restored: bool
    """True if it was verified by restoring it; False if a PostgreSQL dump could only be read to its end."""


class BackupService:
    """Backups of one home. Every method blocks."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._key = settings.backup_key.get_secret_value()

    def make(self, target: Path | None = None, *, has_models: bool = False) -> Backup:
        """Make a backup and verify it.

        Args:
            target: the new file; None names it after the home and the time, in the folder of backups.
            has_models: whether to include fine-tuned models, and the logs and files of jobs.

        Raises:
            BackupError: it cannot be made, or did not pass verification; no file is left.
            StorageError: the database cannot be read.
        """
        if target is not None and target.exists():
            raise already_exists(target.absolute())
        self._check_database()
        try:
            file = (target or new_backup(self._settings)).absolute()
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with work_folder(self._settings) as work, noted_draft(work, draft_of(file)) as draft:
                return self._made(work, draft, file, has_models)
        except OSError as exc:
            raise BackupError(
                f"No backup was made: {exc.strerror or exc}: {exc.filename or self._settings.home}."
            ) from exc

    def found(self) -> tuple[FoundBackup, ...]:
        """Backups of this home in the folder of backups, newest first."""
        return own_backups(self._settings)

    def remove_old(self) -> None:
        """Remove all but the newest backups of this home (M1_BACKUP_KEEP), and abandoned drafts."""
        for old in self.found()[self._settings.backup_keep :]:
            old.file.unlink(missing_ok=True)
        remove_old_drafts(self._settings.backups_directory)

    def remove_leftovers(self) -> None:
        """Remove what killed backups have left, unless one is being made."""
        remove_leftovers(self._settings)
        self._database.remove_old_spares()

    def _made(self, work: Path, draft: Path, file: Path, has_models: bool) -> Backup:
        manifest = self._write(work, work / "backup.zip", has_models)
        if self._key:
            encrypt(work / "backup.zip", draft, self._key)
        else:
            draft.touch(mode=0o600)
            shutil.copyfile(work / "backup.zip", draft)
        (work / "backup.zip").unlink()
        _sync(draft)
        is_restored = self._verified(work / "check", draft, manifest)
        give_name(draft, file)
        sync_folder(file.parent)
        return Backup(file, file.stat().st_size, manifest, bool(self._key), is_restored)

    def _write(self, work: Path, archive: Path, has_models: bool) -> Manifest:
        copy = work / DATABASE_PARTS[self._database.dialect]
        counts = self._database.copy_to(copy)
        health = self._database.check()

        def manifest_of(parts: tuple[Part, ...]) -> Manifest:
            return Manifest(
                format=1,
                app_version=m1app.__version__,
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                home=str(self._settings.home),
                dialect="sqlite" if self._database.dialect == "sqlite" else "postgresql",
                server_version=health.server_version,
                revision=health.revision or "",
                counts=counts,
                parts=parts,
            )

        manifest = write_archive(archive, [(copy.name, copy), *self._files(has_models)], manifest_of)
        copy.unlink()
        return manifest

    def _files(self, has_models: bool) -> Iterator[tuple[str, Path]]:
        home = self._settings.home
        folders = [home / name for name in FOLDERS]
        if has_models:
            folders += [owner.parent for owner in sorted((home / "models").glob(f"*/{_OWNER_FILE}"))]
            folders.append(home / "jobs")
        # What a link among these leads to is a part of the home; one deeper may lead anywhere.
        files = [home / name for name in FILES if (home / name).is_file()]
        for folder in folders:
            files += sorted(path for path, _ in file_sizes(folder))
        return ((str(path.relative_to(home)), path) for path in files)

    def _check_database(self) -> None:
        if self._database.file is not None and not self._database.file.exists():
            raise BackupError(f"There is nothing to back up: {self._database.place} does not exist. Check M1_HOME.")
        health = self._database.check()
        if health.is_reachable and health.revision is None:
            raise BackupError(f"There is nothing to back up: {self._database.place} has no tables. Check M1_HOME.")
        if problems := self._database.check_fully():
            raise BackupError(
                f"The database {self._database.place} is damaged ({'; '.join(problems)[:300]}), so it was not backed "
                f"up. {self._advice()}"
            )

    def _advice(self) -> str:
        found = self.found()
        if not found:
            return "docs/operations.md describes what you can do without an earlier backup."
        return f"Restore the last backup: `python -m m1app restore {found[0].file} --replace`."

    def _verified(self, folder: Path, draft: Path, manifest: Manifest) -> bool:
        """Restore the draft into a folder and compare; return whether the database was restored too."""
        with opened(draft, self._key, folder) as unpacked:
            if unpacked != manifest:
                raise BackupError(
                    "The backup file changed on the disk while it was being made. Check the disk, then try again."
                )
            return check_content(unpacked, folder, self._database)


def _sync(file: Path) -> None:
    with file.open("rb+") as opened_file:
        os.fsync(opened_file.fileno())
