"""Names of backups: which home made them, and when.

Several homes may keep their backups in one folder. Each home has an id of its own, and counts and removes only backups
with that id.
"""

import errno
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from m1app.backup.errors import BackupError
from m1app.settings import Settings

_NAME = re.compile(r"m1app-(?:([0-9a-f]{8})-)?(\d{8}T\d{6}Z)\.zip(?:\.age)?")
_TIME = "%Y%m%dT%H%M%SZ"
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""A file system without hard links."""


@dataclass(frozen=True, slots=True)
class FoundBackup:
    """A backup in a folder of backups, by its name."""

    file: Path
    home_id: str
    """Of the home that made it; empty in names of earlier versions."""
    made_at: datetime


def backups_in(folder: Path) -> tuple[FoundBackup, ...]:
    """Backups of all homes in a folder, newest first; files with other names are left out."""
    named = [(path, match) for path in folder.glob("m1app-*") if (match := _NAME.fullmatch(path.name))]
    found = [
        FoundBackup(path, match[1] or "", datetime.strptime(match[2], _TIME).replace(tzinfo=UTC))
        for path, match in named
    ]
    return tuple(sorted(found, key=lambda each: each.made_at, reverse=True))


def own_backups(settings: Settings) -> tuple[FoundBackup, ...]:
    """Backups of this home in its folder of backups, newest first.

    One without an id may be of any home, unless the folder is in this one.
    """
    own = {_read_id(settings.home)}
    if settings.backups_directory.resolve() == (settings.home / "backups").resolve():
        own.add("")
    return tuple(each for each in backups_in(settings.backups_directory) if each.home_id in own)


def new_backup(settings: Settings) -> Path:
    """A name for a backup that this home makes now."""
    suffix = ".zip.age" if settings.backup_key.get_secret_value() else ".zip"
    name = f"m1app-{_home_id(settings.home)}-{datetime.now(UTC):{_TIME}}{suffix}"
    return settings.backups_directory / name


def draft_of(file: Path) -> Path:
    """Where a backup is written before it gets its name."""
    return file.with_name(f".{file.name}.part")


def give_name(draft: Path, file: Path) -> None:
    """Give a draft its name; raises BackupError if another file has it, even if it was made just now."""
    try:
        _rename_to_free(draft, file)
    except FileExistsError as exc:
        raise already_exists(file) from exc


def already_exists(file: Path) -> BackupError:
    """The error for a backup whose name is taken."""
    return BackupError(f"{file} already exists. Choose another name; a backup never replaces a file.")


def _rename_to_free(draft: Path, file: Path) -> None:
    try:
        os.link(draft, file)
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        # The name is taken first, since renaming would replace another's file.
        file.touch(mode=0o600, exist_ok=False)
        draft.rename(file)
    else:
        draft.unlink()


def _home_id(home: Path) -> str:
    """The id of a home, which is made when it is first needed; raises BackupError if its file has something else."""
    file = home / "home-id"
    if not file.exists():
        draft = home / f"home-id.{token_hex(4)}.part"
        draft.write_text(f"{token_hex(4)}\n", encoding="ascii")
        # Another process may have made one meanwhile.
        with suppress(FileExistsError):
            _rename_to_free(draft, file)
        draft.unlink(missing_ok=True)
    if found := _read_id(home):
        return found
    raise BackupError(
        f"{file} must contain 8 of the characters 0 to 9 and a to f, but does not. Delete it; a new one is made, and "
        "backups with the old id are no longer removed automatically."
    )


def _read_id(home: Path) -> str | None:
    """The id of a home; None if it has none yet, or its file has something else."""
    try:
        text = (home / "home-id").read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    return text if re.fullmatch("[0-9a-f]{8}", text) else None
