"""Reading a ZIP archive, which a workbook is too: what it unpacks to is known to be small enough before it is read.

A ZIP archive states the size of each member, and Python reads no more of it than that. The names of folders in it are
ignored, and nothing is written to the disk.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from m1app.question_sets.errors import InvalidQuestionSet

MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
MAX_UNPACKED_BYTES = 2 * 2**30
"""Largest size of a compressed file after decompression; of all members together."""
MAX_RATIO = 500
"""Largest ratio of sizes after and before decompression; text seldom reaches 20."""
_RATIO_COUNTS_FROM_BYTES = 16 * 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1


def check_unpacked(unpacked: int, packed: int, file_name: str) -> None:
    """Raise InvalidQuestionSet if a file becomes too large by decompression, or larger than text would."""
    if unpacked > MAX_UNPACKED_BYTES:
        raise InvalidQuestionSet(
            f"{file_name}: found more than {MAX_UNPACKED_BYTES // 2**30} GB of data after decompression, which is the "
            "limit. Split it into several files."
        )
    if unpacked > _RATIO_COUNTS_FROM_BYTES and unpacked > MAX_RATIO * max(1, packed):
        raise InvalidQuestionSet(
            f"{file_name}: found data that decompresses to more than {MAX_RATIO} times its size, expected text. "
            "Decompress it and import its content."
        )


def opened_zip(file: BinaryIO, file_name: str) -> zipfile.ZipFile:
    """Open an archive whose members can be read.

    Raises:
        InvalidQuestionSet: it is damaged, protected by a password, compressed in another way than usual, or unpacks to
            too much.
    """
    with explained(file_name):
        archive = zipfile.ZipFile(file)
    members = archive.infolist()
    check_unpacked(sum(each.file_size for each in members), sum(each.compress_size for each in members), file_name)
    for each in members:
        if each.flag_bits & _ENCRYPTED:
            raise InvalidQuestionSet(f"{file_name}: found a password-protected file. Remove the password.")
        if each.compress_type not in _METHODS:
            raise InvalidQuestionSet(
                f"{file_name}: found compression method {each.compress_type}, expected the usual one (Deflate). "
                "Make the ZIP again."
            )
    return archive


@contextmanager
def explained(file_name: str) -> Iterator[None]:
    """Raise InvalidQuestionSet for what zipfile raises on a damaged archive."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as exc:
        raise InvalidQuestionSet(
            f"{file_name}: this file is damaged or cut off ({str(exc)[:100] or type(exc).__name__}). Download or save "
            "it again."
        ) from exc
