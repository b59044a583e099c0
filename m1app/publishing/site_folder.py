"""The folder of a site: made beside its place, and put there when it is complete.

A folder that is there already is replaced only if it is empty, or an earlier site without a file that somebody added,
such as a repository that it is published from. Whatever ends the work before, nothing of it stays; what a killed
process left is removed by the next site that is made in the same place.
"""

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from m1app.publishing.errors import PublishRefused
from m1app.publishing.scripts import data_script
from m1app.scratch_folder import SITE, scratch_folder, sweep_scratch_folders

MANIFEST = "site.json"
_MADE_BY = "m1app publish"
_MOST_MANIFEST_BYTES = 64 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class SiteWriter:
    """Writes the files of a site."""

    def __init__(self, folder: Path, place: Path) -> None:
        """Args:
        folder: where they are made.
        place: where they are put, for messages.
        """
        self._folder = folder
        self._place = place
        self._names: list[str] = []
        self.bytes = 0

    @property
    def files(self) -> int:
        """How many are written."""
        return len(self._names)

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file, `name` with "/" between folders; raises PublishRefused if the disk is full."""
        data = content.encode("utf-8") if isinstance(content, str) else content
        path = self._folder / name
        with disk_errors(self._place):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self._names.append(name)
        self.bytes += len(data)

    def write_data(self, name: str, value: Any) -> None:
        """Write a piece of data, which the page loads as data/NAME.js."""
        self.write(f"data/{name}.js", data_script(name, value))

    def write_manifest(self, **facts: Any) -> None:
        """Write what says that this folder is a site, and which files are its own; the last one."""
        content = {"made_by": _MADE_BY, **facts, "files": [*self._names, MANIFEST]}
        self.write(MANIFEST, json.dumps(content, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn errors of files into messages."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            raise PublishRefused(
                f"The disk of {place.parent} is full. Nothing was kept. Free some space, or choose a folder on "
                "another disk."
            ) from exc
        raise PublishRefused(
            f"{exc.filename or place}: {exc.strerror}. Choose a folder that you can write to."
        ) from exc


@asynccontextmanager
async def new_site(target: Path) -> AsyncIterator[SiteWriter]:
    """Make a site for `target`; when the block ends without an error, it takes the place of what is there.

    Raises:
        PublishRefused: there is something else than an earlier site, or it cannot be written.
    """
    with disk_errors(target):
        target = await asyncio.to_thread(_prepare, target)
        async with scratch_folder(SITE, target.parent) as scratch:
            made = scratch / "site"
            await asyncio.to_thread(made.mkdir)
            yield SiteWriter(made, target)
            await asyncio.to_thread(_put, made, target, scratch / "old")


def _prepare(target: Path) -> Path:
    """Look at the place and clear up beside it; return its whole path, with a parent also for "."."""
    target = target.absolute()
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep_scratch_folders((target.parent,), (SITE,))
    return target


def check_target(target: Path) -> None:
    """Refuse a place that holds something else than an earlier site.

    Raises:
        PublishRefused: likewise.
    """
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir() or target.is_symlink():
        raise PublishRefused(f"{target} is not a folder. Choose a new folder, or the folder of an earlier site.")
    with disk_errors(target):
        own = _own_files(target)
        other = next((name for name in _files_in(target) if name not in own), "")
    if other:
        shown = other.encode(errors="backslashreplace").decode()
        what = f"{target} contains {shown}, which no site wrote" if own else f"{target} contains other files"
        raise PublishRefused(
            f"{what}, which a site would replace. Choose a new folder, or that of an earlier site with nothing else in "
            "it."
        )


def _own_files(folder: Path) -> frozenset[str]:
    """The files of the site in a folder; none if there is no site."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            found = json.loads(file.read(_MOST_MANIFEST_BYTES))
        is_site = isinstance(found, dict) and found.get("made_by") == _MADE_BY
        return frozenset(map(str, found["files"])) if is_site else frozenset()
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return frozenset()


def _files_in(folder: Path) -> Iterator[str]:
    """Names of all files and links below a folder, with "/" between folders."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        yield from (Path(parent, name).relative_to(folder).as_posix() for name in (*names, *links))


def _put(made: Path, target: Path, old: Path) -> None:
    """Move a site to its place; what was there goes into the scratch folder, which is removed."""
    check_target(target)  # Somebody may have put something there while the site was made.
    if not target.exists():
        made.rename(target)
        return
    target.rename(old)
    try:
        made.rename(target)
    except OSError:
        old.rename(target)
        raise


def write_one_file(target: Path, content: str) -> None:
    """Write a file whole, or leave what is there.

    Raises:
        PublishRefused: it cannot be written.
    """
    if target.is_dir():
        raise PublishRefused(f"{target} is a folder. Choose a file, such as {target / 'trace.html'}.")
    part = target.with_name(f"{target.name}.part")
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(content, encoding="utf-8")
            part.replace(target)
        except OSError:
            part.unlink(missing_ok=True)
            raise
