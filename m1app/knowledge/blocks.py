"""Blocks of text as a file has them, and what is taken out of any text before it is stored."""

import re
import unicodedata
from dataclasses import dataclass

MAX_HEADING_CHARACTERS = 300
MAX_LABEL_CHARACTERS = 300
"""Of a source, a page or a key."""
_BETWEEN_HEADINGS = " › "
# Control characters but tab and line feed, and marks that change the direction of what follows.
_UNWANTED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, or another piece of text that ends where a sentence ends."""

    text: str
    heading: str = ""
    """The headings above it, outermost first."""
    source: str = ""
    page: str = ""
    key: str = ""
    """Id of the row it is from, or where that row is in its file; empty for other kinds of file."""


def cleaned(text: str) -> str:
    """A text that can be stored and shown: composed, without control characters, line ends as line feeds."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    return unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", _UNWANTED.sub("", text)))


def label(text: str) -> str:
    """A source, page or key on one line, not too long."""
    return " ".join(cleaned(text).split())[:MAX_LABEL_CHARACTERS]


def joined_headings(headings: list[str]) -> str:
    """Headings as one text; of too long ones the end counts."""
    return _BETWEEN_HEADINGS.join(filter(None, headings))[-MAX_HEADING_CHARACTERS:]
