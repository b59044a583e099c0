"""PDF files as blocks: the text of each page, without layout. Scanned pages have none.

A paragraph that goes on after a page break stays one, with the page where it begins. Headers, footers and columns come
as the file has them.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from m1app.knowledge.blocks import Block, cleaned
from m1app.knowledge.errors import InvalidCorpus
from m1app.wording import counted

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_PAGES = 20_000
_MAX_PAGE_CHARACTERS = 500_000
_MAX_PARAGRAPH_CHARACTERS = 20_000
_HYPHEN_AT_LINE_END = re.compile(r"(?<=[^\W\d_])-\n(?=[a-z])")
_ENDS_SENTENCE = re.compile(r"[.!?:][\"'”’)\]]*\s*\Z")
# What pypdf raises on damaged or hostile files besides its own errors.
_DAMAGES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def pdf_blocks(file: BinaryIO, file_name: str, note: Callable[[str], None]) -> Iterator[Block]:
    """Yield the paragraphs of an open PDF file.

    Args:
        file: can be read from any position.
        file_name: starts error messages.
        note: is told what was left out, in words for users.

    Raises:
        InvalidCorpus: it is no PDF, is protected by a password, has too many pages, or no text.
    """
    reader = _opened(file, file_name)
    count = _page_count(reader, file_name)
    empty = unreadable = 0
    carried: tuple[str, str] | None = None
    for number in range(count):
        text = _page_text(reader, number)
        parts = [(each, str(number + 1)) for each in _paragraphs(text or "")]
        unreadable += text is None
        empty += text is not None and not parts
        if not parts:
            continue
        if carried is not None:
            parts[0] = (_glued(carried[0], parts[0][0]), carried[1])
        carried = parts.pop() if _goes_on(parts[-1][0]) else None
        yield from (Block(each, page=page) for each, page in parts)
    if carried is not None:
        yield Block(carried[0], page=carried[1])
    _report(file_name, count, empty, unreadable, note)


def _report(file_name: str, count: int, empty: int, unreadable: int, note: Callable[[str], None]) -> None:
    if empty + unreadable == count:
        raise InvalidCorpus(
            f"{file_name}: no text was found on any page, as in a scan. Run text recognition (OCR) on it first, for "
            "example with ocrmypdf, then add the result."
            if empty
            else f"{file_name}: none of its {counted(count, 'page')} can be read. Save it as PDF again."
        )
    if empty:
        note(
            f"{counted(empty, 'page')} of {count:,} {'has' if empty == 1 else 'have'} no text. If these are scanned, "
            "run text recognition (OCR) first and add the file again."
        )
    if unreadable:
        were = "was" if unreadable == 1 else "were"
        note(f"{counted(unreadable, 'page')} of {count:,} could not be read and {were} left out.")


def _opened(file: BinaryIO, file_name: str) -> "PdfReader":
    from pypdf import PasswordType, PdfReader
    from pypdf.errors import PyPdfError

    file.seek(0)
    try:
        reader = PdfReader(file)
        is_closed = reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED
    except (PyPdfError, *_DAMAGES) as exc:
        raise InvalidCorpus(
            f"{file_name}: this is not a PDF file, or it is damaged ({type(exc).__name__}). Save it as PDF again."
        ) from exc
    if is_closed:
        raise InvalidCorpus(f"{file_name}: the file is encrypted. Save it without a password, then add it again.")
    return reader


def _page_count(reader: "PdfReader", file_name: str) -> int:
    from pypdf.errors import PyPdfError

    try:
        count = reader.get_num_pages()
    except (PyPdfError, *_DAMAGES) as exc:
        raise InvalidCorpus(
            f"{file_name}: its pages cannot be found ({type(exc).__name__}). Save it as PDF again."
        ) from exc
    if not 0 < count <= MAX_PAGES:
        raise InvalidCorpus(f"{file_name}: found {count:,} pages, expected 1 to {MAX_PAGES:,}. Split it.")
    return count


def _page_text(reader: "PdfReader", number: int) -> str | None:
    """The text of a page; None if it cannot be read."""
    from pypdf.errors import PyPdfError

    try:
        return cleaned(reader.pages[number].extract_text()[:_MAX_PAGE_CHARACTERS])
    except (PyPdfError, *_DAMAGES):
        return None


def _paragraphs(text: str) -> list[str]:
    found = [each.strip() for each in re.split(r"\n\s*\n", _HYPHEN_AT_LINE_END.sub("", text))]
    return [each for each in found if each]


def _goes_on(paragraph: str) -> bool:
    """Whether a paragraph at the end of a page may go on after it."""
    return len(paragraph) <= _MAX_PARAGRAPH_CHARACTERS and not _ENDS_SENTENCE.search(paragraph)


def _glued(first: str, second: str) -> str:
    return _HYPHEN_AT_LINE_END.sub("", f"{first}\n{second}")
