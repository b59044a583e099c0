"""Copies of the data beside the home's own: drafts of a backup, what a killed one has left, what a restore put aside.

One backup of a home is made at a time. Whoever holds its lock finds only what killed backups have left.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from m1app.backup.errors import BackupError
from m1app.backup.swap import restore_folder
from m1app.settings import Settings

_NOTE = "draft.txt"
"""In the work folder: the path of the draft, which may be anywhere."""
_DRAFTS = ".m1app-*.zip*.part"
_DRAFT_SECONDS = 24 * 3600
"""A draft in the folder of backups that is older has been left behind, whichever home made it."""


@contextmanager
def work_folder(settings: Settings) -> Iterator[Path]:
    """An empty folder in the home for one backup, removed afterwards with what killed ones have left.

    Raises:
        BackupError: another backup is being made.
    """
    with _only_backup(settings.home):
        _remove(settings)
        folder = _work_folder(settings.home)
        try:
            folder.mkdir(mode=0o700)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def noted_draft(work: Path, draft: Path) -> Iterator[Path]:
    """Note where a backup is written, so that a later one finds it after a kill; what is left there is removed."""
    (work / _NOTE).write_bytes(os.fsencode(draft))
    try:
        yield draft
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def remove_leftovers(settings: Settings) -> None:
    """Remove what killed backups have left, unless one is being made."""
    if _work_folder(settings.home).exists():
        with suppress(BackupError), _only_backup(settings.home):
            _remove(settings)


def remove_old_drafts(folder: Path) -> None:
    """Remove drafts in a folder of backups that nobody writes any more."""
    for draft in folder.glob(_DRAFTS):
        with suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > _DRAFT_SECONDS:
                draft.unlink()


def copies_beside(settings: Settings) -> tuple[Path, ...]:
    """Folders of what restores have put aside, and drafts of backups and restores, if there are any."""
    home = settings.home
    work = (_work_folder(home), restore_folder(home))
    folders = dict.fromkeys((settings.backups_directory, home / "backups"))
    drafts = dict.fromkeys((*(draft for folder in folders for draft in folder.glob(_DRAFTS)), *_noted(home)))
    return (*sorted(home.glob("replaced-*/")), *(path for path in (*work, *drafts) if path.exists()))


def _work_folder(home: Path) -> Path:
    return home / "backup-work"


def _noted(home: Path) -> tuple[Path, ...]:
    """The draft that a backup has noted, if one has."""
    try:
        path = Path(os.fsdecode((_work_folder(home) / _NOTE).read_bytes()))
    except FileNotFoundError:
        return ()
    return (path,) if path.name.startswith(".") and path.suffix == ".part" else ()


def _remove(settings: Settings) -> None:
    for draft in _noted(settings.home):
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    shutil.rmtree(_work_folder(settings.home), ignore_errors=True)


@contextmanager
def _only_backup(home: Path) -> Iterator[None]:
    (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = filelock.FileLock(home / "run" / "backup.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as exc:
        raise BackupError("Another backup of this home is being made. Wait until it is finished.") from exc
    try:
        yield
    finally:
        lock.release()
