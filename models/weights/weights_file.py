"""Weights on disk: whether a file is complete, whether it fits, and how it is put in place.

A stamp (size, modification time, sha256) records a file that has passed, so that a start need not hash gigabytes; any
difference from the stamp causes the file to be hashed again.
"""

import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from models.errors import DownloadError, HashMismatch, NoDiskSpace
from models.weights.download_progress import DownloadStage, ProgressMeter

BLOCK_BYTES = 1 << 20
SPARE_BYTES = 16 << 20
"""Kept free for the database and logs on the same disk."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the catalog says about a file."""

    name: str
    """What messages call it."""
    sha256: str
    """Empty when not pinned."""
    size_bytes: int | None = None


def is_intact(path: Path, stamp: Path, expected: Expected, meter: ProgressMeter) -> bool:
    """Whether `path` contains exactly the expected bytes; hashes only if the stamp does not confirm it."""
    try:
        status = path.stat()
    except OSError:
        return False
    if expected.size_bytes not in (None, status.st_size):
        return False
    if _read_stamp(stamp) == _stamp_of(status, expected.sha256):
        return True
    if sha256_of(path, meter) != expected.sha256:
        return False
    with suppress(DownloadError):  # On a read-only disk the only cost is a hash at each start.
        write_stamp(path, stamp, expected.sha256)
    return True


def check_bytes(path: Path, expected: Expected, meter: ProgressMeter) -> None:
    """Raise HashMismatch unless the file has the expected size and hash, where known."""
    size = path.stat().st_size
    if expected.size_bytes not in (None, size):
        raise HashMismatch(
            f"{expected.name}: {size:,} bytes arrived, the catalog says {expected.size_bytes:,}. {_ADVICE}"
        )
    found = sha256_of(path, meter) if expected.sha256 else ""
    if found != expected.sha256:
        raise HashMismatch(f"{expected.name}: sha256 is {found}, the catalog says {expected.sha256}. {_ADVICE}")


_ADVICE = (
    "The file was not kept. Try again; if this persists, the source has changed and the catalog entry must be updated."
)


def sha256_of(path: Path, meter: ProgressMeter) -> str:
    """Hexadecimal sha256 of a file."""
    digest = hashlib.sha256()
    meter.start(DownloadStage.VERIFYING, 0, path.stat().st_size)
    for block in _blocks(path):
        digest.update(block)
        meter.advance(len(block))
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with disk_access(path), path.open("rb") as handle:
        while block := handle.read(BLOCK_BYTES):
            yield block


def publish(part: Path, path: Path, stamp: Path, sha256: str) -> None:
    """Move a checked file to its final name atomically, safe against crashes, and stamp it."""
    with disk_access(path):
        with part.open("rb+") as handle:
            os.fsync(handle.fileno())
        part.replace(path)
    write_stamp(path, stamp, sha256)


def write_stamp(path: Path, stamp: Path, sha256: str) -> None:
    """Record that `path` has this hash."""
    with disk_access(stamp):
        stamp.parent.mkdir(parents=True, exist_ok=True)
        draft = stamp.with_name(stamp.name + ".new")
        draft.write_text(json.dumps(_stamp_of(path.stat(), sha256)), encoding="utf-8")
        draft.replace(stamp)


def _stamp_of(status: os.stat_result, sha256: str) -> dict[str, object]:
    return {"size_bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256}


def _read_stamp(stamp: Path) -> object:
    """The stamp's content; None if it is missing or damaged, which only costs a hash."""
    try:
        return json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def check_space(directory: Path, needed_bytes: int) -> None:
    """Raise NoDiskSpace unless `needed_bytes` plus a small reserve are free at `directory`."""
    with disk_access(directory):
        directory.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(directory).free
    if free < needed_bytes + SPARE_BYTES:
        raise NoDiskSpace(
            f"{directory} has {free / 1e6:,.0f} MB free, but {(needed_bytes + SPARE_BYTES) / 1e6:,.0f} MB are "
            "needed. Free some space there, or choose another directory for the weights."
        )


def write_block(handle: io.FileIO, path: Path, block: bytes) -> None:
    """Write all of `block` to an unbuffered file, so that a full disk is noticed here and not again on close."""
    rest = memoryview(block)
    with disk_access(path):
        while rest:
            rest = rest[handle.write(rest) :]


@contextmanager
def disk_access(path: Path) -> Iterator[None]:
    """Turn OSErrors about `path` into errors users can act on."""
    try:
        yield
    except OSError as exc:
        raise disk_error(path, exc) from exc


def disk_error(path: Path, exc: OSError) -> DownloadError:
    """The error to raise from an OSError about `path`."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoDiskSpace(f"The disk is full at {path}. Free some space and try again.")
    return DownloadError(f"Cannot use {path}: {exc.strerror or exc}. Check the path and its permissions.")
