"""Finds files of a home that contain something that is erased from the database: training data, files of jobs, logs.

Only plain text is found, as it is or as in JSON. Weights and downloads are not read, nor are databases and backups.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from m1app.settings import Settings

_LEFT_OUT = ("models", "hub", "backups", "backup-work")
_LEAST_CHARACTERS = 60
"""Shorter lines are often the same in different questions and answers ("Which is the most likely diagnosis?")."""
_MOST_CHARACTERS = 1000
_BLOCK_BYTES = 1 << 20
_SQLITE_ENDINGS = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class SearchedFiles:
    """What a search has found."""

    containing: tuple[Path, ...] = ()
    """Files that contain one of the passages."""
    unread: tuple[Path, ...] = ()
    """Files and folders that could not be read, so that they may contain one."""


def search_files(
    passages: Iterable[str], settings: Settings, database_file: Path | None, is_shared: Callable[[str], bool]
) -> SearchedFiles:
    """Find the files of the home that contain the longest line of one of the passages; blocks.

    Args:
        passages: texts; those whose lines are all short are not looked for.
        settings: which home.
        database_file: the app's own database; None on a server.
        is_shared: whether something that stays contains the line too, so that a file need not have it from what is
            erased.
    """
    lines = {spelling: line for line in map(_longest_line, passages) if line for spelling in _spellings(line)}
    if not lines:
        return SearchedFiles()
    is_own = cache(lambda line: not is_shared(line))
    containing, unread = list[Path](), list[Path]()
    for path in _searched(settings, database_file, unread):
        try:
            if not path.is_symlink() and path.is_file() and any(map(is_own, _lines_in(path, lines))):
                containing.append(path)
        except FileNotFoundError:  # Removed meanwhile.
            continue
        except OSError:
            unread.append(path)
    return SearchedFiles(tuple(containing), tuple(unread))


def databases_aside(home: Path, own: Path | None) -> tuple[Path, ...]:
    """Files of SQLite databases in the home that are not the app's own, such as those that a restore has put aside.

    Args:
        home: where to look.
        own: the app's database file; None on a server.
    """
    in_use = {Path(f"{own.resolve()}{ending}") for ending in _SQLITE_ENDINGS} if own else set()
    names = _names_of(own)
    return tuple(path for path in _walk(home, []) if _is_database(path, names) and path.resolve() not in in_use)


def _longest_line(passage: str) -> str:
    line = max(passage.splitlines(), key=len, default="").strip()[:_MOST_CHARACTERS]
    return line if len(line) >= _LEAST_CHARACTERS else ""


def _spellings(line: str) -> Iterator[bytes]:
    yield line.encode()
    for is_ascii in (True, False):
        yield json.dumps(line, ensure_ascii=is_ascii)[1:-1].encode()


def _searched(settings: Settings, database_file: Path | None, unread: list[Path]) -> Iterator[Path]:
    left_out = {settings.backups_directory, *(settings.home / name for name in _LEFT_OUT)}
    names = _names_of(database_file)
    return (path for path in _walk(settings.home, unread, left_out) if not _is_database(path, names))


def _walk(home: Path, unread: list[Path], left_out: Iterable[Path] = ()) -> Iterator[Path]:
    """Files, links and such below a folder, without some folders; adds those that cannot be read to `unread`."""
    for name, folders, files in os.walk(home, onerror=lambda exc: unread.append(Path(exc.filename))):
        folder = Path(name)
        folders[:] = sorted(each for each in folders if folder / each not in left_out)
        yield from (folder / each for each in sorted(files))


def _names_of(database_file: Path | None) -> frozenset[str]:
    """Names of the files of a database, wherever they are; empty for None."""
    files = (database_file, database_file.resolve()) if database_file else ()
    return frozenset(f"{file.name}{ending}" for file in files for ending in _SQLITE_ENDINGS)


def _is_database(path: Path, names: frozenset[str]) -> bool:
    return ".sqlite3" in path.name or path.name in names


def _lines_in(path: Path, lines: Mapping[bytes, str]) -> set[str]:
    """Those of the lines that a file contains, by their spellings."""
    overlap = max(map(len, lines)) - 1
    found, before = set[str](), b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            text = before + block
            found |= {line for spelling, line in lines.items() if spelling in text}
            before = text[-overlap:]
    return found
