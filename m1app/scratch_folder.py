"""Folders for one piece of work of a coroutine, and what is left of those whose process was killed.

The owner holds a lock on its folder (`flock`), which the system releases when the process ends, however it ends. A
folder that can be locked therefore has no owner.
"""

import asyncio
import fcntl
import logging
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import product
from pathlib import Path

UPLOAD, CORRECTIONS, HUB, SITE, PRINTED = "upload-", "corrections-", "m1-hub-", ".m1-site-", "m1-print-"
"""Prefixes of the folders that the app makes. That of a site is beside a person's own, which never begin so."""
PREFIXES = (UPLOAD, CORRECTIONS, HUB, SITE, PRINTED)

_log = logging.getLogger(__name__)
_RANDOM = re.compile("[a-z0-9_]{8}")
"""What `mkdtemp` puts after a prefix."""


@asynccontextmanager
async def scratch_folder(prefix: str, parent: Path | None = None) -> AsyncIterator[Path]:
    """Make a folder in `parent`, or among the system's temporary files, and remove it with all its files afterwards.

    A large file takes a disk a while, so both happen in a thread.
    """
    folder, lock = await asyncio.to_thread(_make, prefix, parent)
    try:
        yield folder
    finally:
        await asyncio.shield(asyncio.to_thread(_remove, folder, lock))


def sweep_scratch_folders(parents: Iterable[Path], prefixes: Iterable[str] = PREFIXES) -> None:
    """Remove this account's folders that no running process owns; what cannot be removed stays and is logged.

    Args:
        parents: where they are.
        prefixes: of those that are made there. Among files of others, name no more: their folders may be named alike.
    """
    for parent, prefix in product(parents, prefixes):
        with suppress(OSError):
            for each in parent.iterdir():
                if each.name.startswith(prefix) and _RANDOM.fullmatch(each.name.removeprefix(prefix)):
                    _sweep(each)


def _make(prefix: str, parent: Path | None) -> tuple[Path, int | None]:
    """A new folder and its lock; None on a file system without locks."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            return folder, _lock(folder)
        except (BlockingIOError, FileNotFoundError):
            continue  # A sweep was faster than the lock; the folder is gone.
        except OSError:
            return folder, None


def _sweep(folder: Path) -> None:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return
        lock = _lock(folder)
    except OSError:
        return  # in use, gone, or on a file system without locks
    _log.info("removing %s, which a process that ended left behind", folder)
    _remove(folder, lock)


def _lock(folder: Path) -> int:
    """Lock a folder until its file descriptor is closed.

    Raises:
        BlockingIOError: another process has it.
        FileNotFoundError: it was removed.
        OSError: the file system has no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.stat()
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove(folder: Path, lock: int | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        os.close(lock)
