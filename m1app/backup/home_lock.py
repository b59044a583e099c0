"""Who uses a home: any number of apps, commands and workers, or one restore.

The lock is the kernel's (flock), so it ends with its process, however that ends.
"""

import errno
import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from m1app.backup.errors import HomeInUse
from m1app.backup.swap import complete, has_plan, restore_folder
from m1app.settings import Settings

_log = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
"""A file system that cannot lock."""


class HomeUse:
    """One process's use of a home, until it is closed."""

    def __init__(self, settings: Settings) -> None:
        """Begin to use the home, after completing a restore that was interrupted, or removing what it has left.

        Raises:
            HomeInUse: a backup is being restored into it.
            BackupError: a restore was interrupted and cannot be completed.
        """
        home = settings.home
        if has_plan(home):
            with only_user(home):
                complete(home, settings.database_address)
        self._file = _opened(home)
        if not _is_locked(self._file, fcntl.LOCK_SH):
            self.close()
            raise HomeInUse(
                f"A backup is being restored into {home}. Start the app when `python -m m1app restore` has ended."
            )
        # No restore runs now, and one that has no plan yet has changed nothing.
        if not has_plan(home):
            shutil.rmtree(restore_folder(home), ignore_errors=True)

    def close(self) -> None:
        """End it."""
        self._file.close()


@contextmanager
def only_user(home: Path) -> Iterator[None]:
    """Keep every app out of the home; raises HomeInUse while one uses it."""
    with _opened(home) as file:
        if not _is_locked(file, fcntl.LOCK_EX):
            raise HomeInUse(
                f"The app, one of its jobs or another restore is using {home}. Stop the app and its jobs, then try "
                "again."
            )
        yield


def _opened(home: Path) -> BinaryIO:
    path = home / "run" / "in-use.lock"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        # NFS locks a file exclusively only if it is open for writing.
        return path.open("rb+")
    except OSError as exc:
        # What is there can still be read, and backed up elsewhere.
        if exc.errno != errno.EROFS or not path.exists():
            raise
        _log.warning("the file system of %s is read-only: nothing can be saved there", home)
        return path.open("rb")


def _is_locked(file: BinaryIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        if exc.errno not in _NO_LOCKS:
            raise
        _log.warning("the file system of M1_HOME has no locks: do not restore a backup while the app runs")
    return True
