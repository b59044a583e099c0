"""The file of a backup: a ZIP archive of its parts, with `manifest.json` last.

Unpacking trusts nothing: names come from the checked manifest, only plain files are written, no more bytes than it
lists, into a folder made for it, and every hash must agree.
"""

import errno
import hashlib
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from m1app.backup.errors import BackupError
from m1app.backup.manifest import Manifest, Part
from m1app.wording import size

_MANIFEST = "manifest.json"
_MOST_MANIFEST_BYTES = 64 * 1024 * 1024
_BLOCK_BYTES = 1024 * 1024
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, struct.error, RuntimeError, NotImplementedError),
    *(ValueError, OverflowError, KeyError, FileExistsError, NotADirectoryError),
)
"""What reading a damaged archive may raise."""


def write_archive(
    target: Path, files: Iterable[tuple[str, Path]], manifest_of: Callable[[tuple[Part, ...]], Manifest]
) -> Manifest:
    """Write an archive of files, given with the names of their parts; those that disappear meanwhile are left out."""
    target.touch(mode=0o600)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        parts = tuple(part for name, path in files if (part := _add(archive, name, path)) is not None)
        manifest = manifest_of(parts)
        archive.writestr(_entry(_MANIFEST), manifest.model_dump_json(indent=1))
    return manifest


def unpack(file: Path, folder: Path) -> Manifest:
    """Unpack an archive into an empty folder and check every hash.

    Raises:
        BackupError: it is damaged, incomplete, or contains what no backup does.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _entries(archive, file)
            manifest = _manifest(archive, entries.pop(_MANIFEST, None), file)
            _check_entries(manifest, entries, file)
            _check_room(manifest, folder)
            for part in manifest.parts:
                _extract(archive, part, folder, file)
    except _UNREADABLE as exc:
        raise BackupError(_damaged(file, f"{type(exc).__name__}: {str(exc)[:100]}")) from exc
    except OSError as exc:
        # A damaged directory leads to a place before the start of the file.
        if exc.errno != errno.EINVAL:
            raise
        raise BackupError(_damaged(file, "its directory points outside of it")) from exc
    return manifest


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> Part | None:
    digest, count = hashlib.sha256(), 0
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return None
    with source, archive.open(_entry(name), "w", force_zip64=True) as target:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
            count += len(block)
            target.write(block)
    return Part(name=name, size_bytes=count, sha256=digest.hexdigest())


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, datetime.now(UTC).timetuple()[:6])
    entry.external_attr = (stat.S_IFREG | 0o600) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _entries(archive: zipfile.ZipFile, file: Path) -> dict[str, zipfile.ZipInfo]:
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) != len(archive.infolist()):
        raise BackupError(_damaged(file, "it contains a name twice"))
    for entry in entries.values():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        # ZipInfo.is_dir fails for an empty name.
        is_file = kind in (0, stat.S_IFREG) and entry.filename[-1:] not in ("", "/")
        if not is_file or entry.compress_type not in _METHODS:
            raise BackupError(_damaged(file, f"{entry.filename[:100]!r} is not a plain file"))
    return entries


def _manifest(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None, file: Path) -> Manifest:
    if entry is None:
        raise BackupError(f"{file} is not a backup of this app: it has no {_MANIFEST}.")
    if entry.file_size > _MOST_MANIFEST_BYTES:
        raise BackupError(_damaged(file, f"its {_MANIFEST} has {size(entry.file_size)}"))
    try:
        return Manifest.model_validate_json(archive.read(entry))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BackupError(
            f"{file} cannot be used: in its {_MANIFEST}, {place or 'the whole'} is wrong ({first['msg']}). It was made "
            "by another version of the app, or has been changed."
        ) from exc


def _check_entries(manifest: Manifest, entries: dict[str, zipfile.ZipInfo], file: Path) -> None:
    listed = {part.name: part.size_bytes for part in manifest.parts}
    if extra := sorted(entries.keys() - listed.keys()):
        raise BackupError(_damaged(file, f"{extra[0][:100]!r} is in it and not in its {_MANIFEST}"))
    for name, count in listed.items():
        if name not in entries or entries[name].file_size != count:
            raise BackupError(_damaged(file, f"{name!r} is missing or has another size"))


def _check_room(manifest: Manifest, folder: Path) -> None:
    needed, free = sum(part.size_bytes for part in manifest.parts), shutil.disk_usage(folder).free
    if needed > free:
        raise BackupError(
            f"The backup needs {size(needed)} at {folder}, but only {size(free)} is free. Free some space."
        )


def _extract(archive: zipfile.ZipFile, part: Part, folder: Path, file: Path) -> None:
    path = folder / part.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    with archive.open(part.name) as source, path.open("wb") as target:
        digest = _copy(source, target, part.size_bytes)
        target.flush()
        os.fsync(target.fileno())
    if digest != part.sha256:
        raise BackupError(_damaged(file, f"{part.name!r} does not have the hash in its {_MANIFEST}"))


def _copy(source: IO[bytes], target: IO[bytes], most_bytes: int) -> str:
    """Copy at most so many bytes, and one more to tell; return the hash of what was read."""
    digest, left = hashlib.sha256(), most_bytes + 1
    while left > 0 and (block := source.read(min(_BLOCK_BYTES, left))):
        digest.update(block)
        target.write(block)
        left -= len(block)
    return digest.hexdigest()


def _damaged(file: Path, found: str) -> str:
    return f"The backup {file} is damaged or was changed: {found}. Use another one."
