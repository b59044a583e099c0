"""Files of a folder that other programs write to, and remove from, meanwhile."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG


def file_sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    """Regular files anywhere below a folder with their bytes, in no order; links are left out and not followed.

    Files and folders that vanish meanwhile are left out, where `Path.rglob` would raise FileNotFoundError.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = os.lstat(os.path.join(place, name))  # noqa: PTH118 - called for every file of a home
                if S_ISREG(status.st_mode):
                    yield Path(place) / name, status.st_size
