"""Which encoding a text file has.

Decided in this order: a byte order mark (UTF-8, UTF-16); UTF-8, if all of the file is; Windows-1252, which Excel and
older programs write, if nothing in the file is UTF-8 beyond ASCII and no byte is a control character. A file that is
UTF-8 in some places and not in others is damaged, and is refused.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from m1app.question_sets.errors import InvalidQuestionSet

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 4096
_MOSTLY = 0.4
_WORD_CHARACTERS = 30
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_ESCAPED = re.compile("[\udc80-\udcff]")
_UTF_8_BEYOND_ASCII = re.compile("[^\x00-\x7f\udc80-\udcff]")
# Control characters, and the five bytes that Windows-1252 leaves undefined.
_NOT_WINDOWS_1252 = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]")


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """The encoding of a file."""

    codec: str
    """For Python; it drops a byte order mark."""
    note: str = ""
    """For users; empty for UTF-8."""


_UTF_8 = TextEncoding("utf-8-sig")


def encoding_of(file: BinaryIO, file_name: str) -> TextEncoding:
    """Return the encoding of an open file, all of which is read.

    Args:
        file: can be read from any position.
        file_name: starts error messages.

    Raises:
        InvalidQuestionSet: the file is text in no known encoding, or is no text.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head.startswith(_UTF_32_MARKS):
        raise InvalidQuestionSet(f"{file_name}: found UTF-32 text, expected UTF-8. Save the file as UTF-8.")
    if head.startswith(_UTF_16_MARKS):
        _check_utf_16(file, file_name)
        return TextEncoding("utf-16", f"{file_name} was read as UTF-16, as its first bytes say.")
    if _looks_like_utf_16(head):
        raise InvalidQuestionSet(
            f"{file_name}: found a zero in every second byte, as in UTF-16 without a byte order mark; expected UTF-8 "
            "text. Save the file as UTF-8."
        )
    return _utf_8_or_windows(file, file_name)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _looks_like_utf_16(head: bytes) -> bool:
    shares = [half.count(0) / len(half) for half in (head[0::2], head[1::2]) if half]
    return len(shares) == 2 and min(shares) < _MOSTLY <= max(shares)


def _check_utf_16(file: BinaryIO, file_name: str) -> None:
    decoder = codecs.getincrementaldecoder("utf-16")()
    lines = 1
    try:
        for chunk in _chunks(file):
            lines += decoder.decode(chunk).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as exc:
        raise InvalidQuestionSet(
            f"{file_name}, line {lines:,} or a later one: this is not UTF-16, though its first bytes say so. Save the "
            "file as UTF-8."
        ) from exc


@dataclass(slots=True)
class _Seen:
    """What a pass over a file has found."""

    lines: int = 1
    bad_line: int = 0
    """Line of the first byte that is not UTF-8; 0 if there is none."""
    bad_byte: int = 0
    word: str = ""
    """The word around it, read as Windows-1252."""
    has_utf_8: bool = False
    """There are characters beyond ASCII that are UTF-8."""
    can_be_windows: bool = True

    def add(self, text: str) -> None:
        """Count what was decoded with `surrogateescape`."""
        if not text.isascii():
            self.has_utf_8 = self.has_utf_8 or bool(_UTF_8_BEYOND_ASCII.search(text))
            bad = None if self.bad_line else _ESCAPED.search(text)
            if bad:
                self.bad_line = self.lines + text.count("\n", 0, bad.start())
                self.bad_byte = ord(bad[0]) - 0xDC00
                self.word = _word_around(text, bad.start())
        self.lines += text.count("\n")


def _word_around(text: str, place: int) -> str:
    before = re.split(r"[\s,;\"]", text[max(0, place - _WORD_CHARACTERS) : place])[-1]
    after = re.split(r"[\s,;\"]", text[place : place + _WORD_CHARACTERS])[0]
    return (before + after).encode(errors="surrogateescape").decode("cp1252", errors="replace")


def _utf_8_or_windows(file: BinaryIO, file_name: str) -> TextEncoding:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    seen = _Seen()
    for chunk in _chunks(file):
        seen.can_be_windows = seen.can_be_windows and not _NOT_WINDOWS_1252.search(chunk)
        seen.add(decoder.decode(chunk))
    seen.add(decoder.decode(b"", final=True))
    if not seen.bad_line:
        return _UTF_8
    if seen.has_utf_8 or not seen.can_be_windows:
        raise InvalidQuestionSet(
            f"{file_name}, line {seen.bad_line:,}: found byte 0x{seen.bad_byte:02X}, expected UTF-8 text. "
            "Save the file as UTF-8."
        )
    return TextEncoding(
        "cp1252",
        f"{file_name} is not UTF-8 and was read as Windows-1252, for example {seen.word!r} in line "
        f"{seen.bad_line:,}. If that is wrong, save the file as UTF-8 and import it again.",
    )
