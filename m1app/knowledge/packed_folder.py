"""A folder as a ZIP archive of the files in it that can be read, which is the same whenever the files are."""

import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from m1app.knowledge.archive_files import is_used
from m1app.knowledge.errors import KnowledgeError
from m1app.knowledge.passage_messages import check_size
from m1app.wording import counted

_PACKED_AT = (2000, 1, 1, 0, 0, 0)
_CHUNK_BYTES = 1 << 20
_KINDS = ("folder", "link", "file")


def packed(folder: Path, into: Path, note: Callable[[str], None]) -> Path:
    """Pack the folder's own files, without those of folders in it and without links; blocks.

    Args:
        folder: the folder.
        into: another one, where the archive is written.
        note: is told what was left out, in words for users.

    Returns:
        The archive, named as the folder.

    Raises:
        InvalidCorpus: the files are too large together; nothing was read.
        KnowledgeError: a file cannot be read, or the archive cannot be written.
    """
    shown = _spelled(folder.resolve().name) or "folder"
    files = _files(folder, shown, note)
    check_size(sum(size for _, size in files), shown)
    archive = into / f"{folder.resolve().name or shown}.zip"
    try:
        with zipfile.ZipFile(archive, "w") as writer:
            copied = 0
            for name, size in files:
                member = zipfile.ZipInfo(_spelled(name), _PACKED_AT)
                member.file_size = size
                with _opened(folder / name) as file, writer.open(member, "w") as target:
                    while chunk := _read(file, folder / name):
                        copied += len(chunk)
                        check_size(copied, shown)  # It may grow meanwhile.
                        target.write(chunk)
    except OSError as exc:
        raise KnowledgeError(
            f"{shown}: the folder cannot be packed in {into.parent} ({exc.strerror}). Free some space on that disk."
        ) from exc
    return archive


def _files(folder: Path, shown: str, note: Callable[[str], None]) -> Sequence[tuple[str, int]]:
    """Names and sizes in bytes of the files that are used, by name."""
    left_out = dict.fromkeys(_KINDS, 0)
    found = []
    try:
        with os.scandir(folder) as entries:
            for each in entries:
                if each.is_symlink():
                    left_out["link"] += 1
                elif each.is_dir():
                    left_out["folder"] += 1
                elif each.is_file() and is_used(each.name):
                    found.append((each.name, each.stat().st_size))
                else:
                    left_out["file"] += 1
    except OSError as exc:
        raise KnowledgeError(f"{shown}: the folder cannot be read ({exc.strerror}). Check its permissions.") from exc
    if parts := [counted(count, kind) for kind, count in left_out.items() if count]:
        why = ": of another kind, or named README" if left_out["file"] else ""
        note(f"{shown}: {', '.join(parts)} left out{why}.")
    return sorted(found)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _read(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.read(_CHUNK_BYTES)
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _unreadable(path: Path, problem: OSError) -> KnowledgeError:
    return KnowledgeError(
        f"{_spelled(path.name)}: the file cannot be read ({problem.strerror}). Check its permissions, or take it out "
        "of the folder."
    )


def _spelled(name: str) -> str:
    """A name that is not UTF-8 with question marks in place of what cannot be spelled."""
    return name.encode(errors="replace").decode()
