"""Splits blocks into passages of about 120 to 250 words.

A passage has whole sentences under one heading of one source; its page is where it begins. Items of a list keep their
lines. A section is divided evenly, where possible between paragraphs. Only a sentence longer than a passage is cut,
between words if it has any. The same blocks always make the same passages.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from m1app.knowledge.blocks import Block
from m1app.question.sentences import sentences

LEAST_WORDS = 120
MOST_WORDS = 250
_AIM_WORDS = 180
_WINDOW_WORDS = 20 * _AIM_WORDS
"""A longer section is divided in parts of this size, so that its length does not matter."""
_WORD_CHARACTERS = 10
"""Scripts without spaces, and what is no prose, count as one word for so many characters."""
_ITEM = re.compile(r"\s*(?:[-*+•–]|\(?(?:\d{1,3}|[A-Za-z])[.)])\s+\S")
"""How a line begins that is an item of a list."""


@dataclass(frozen=True, slots=True)
class PassageText:
    """A passage of a file."""

    text: str
    heading: str
    source: str
    page: str
    key: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, or a part of one that is too long."""

    text: str
    words: int
    page: str
    begins_paragraph: bool
    begins_item: bool


def split(blocks: Iterable[Block]) -> Iterator[PassageText]:
    """Yield the passages of blocks, in order."""
    for (heading, source, key), section in groupby(blocks, lambda each: (each.heading, each.source, each.key)):
        for window in _windows(section):
            for part in _parts(window):
                yield PassageText(_joined(part), heading, source, part[0].page, key)


def _windows(section: Iterable[Block]) -> Iterator[list[_Piece]]:
    window: list[_Piece] = []
    words = 0
    for block in section:
        for piece in _pieces(block):
            if words >= _WINDOW_WORDS:
                yield window
                window, words = [], 0
            window.append(piece)
            words += piece.words
    if window:
        yield window


def _pieces(block: Block) -> Iterator[_Piece]:
    """The sentences of a block."""
    for place, text in enumerate(_items(block.text)):
        begins = True
        for start, end in sentences(text):
            for piece in _cut(text[start:end]):
                yield _Piece(piece, _words_in(piece), block.page, begins and not place, begins and place > 0)
                begins = False


def _items(text: str) -> Iterator[str]:
    """The items of a list in a paragraph, and what comes before them; each with its lines joined."""
    lines: list[str] = []
    for line in text.splitlines():
        if lines and _ITEM.match(line):
            yield " ".join(" ".join(lines).split())
            lines = []
        lines.append(line)
    yield " ".join(" ".join(lines).split())


def _cut(sentence: str) -> Iterator[str]:
    """A sentence; of one that is longer than a passage, parts."""
    while _words_in(sentence) > MOST_WORDS:
        most = _AIM_WORDS * _WORD_CHARACTERS // 2
        at = sentence.rfind(" ", 1, most) if " " in sentence[1:most] else most
        yield sentence[:at].strip()
        sentence = sentence[at:].strip()
    if sentence:
        yield sentence


def _words_in(text: str) -> int:
    return max(text.count(" ") + 1, len(text) // _WORD_CHARACTERS)


def _parts(window: Sequence[_Piece]) -> list[list[_Piece]]:
    total = sum(piece.words for piece in window)
    aim = total / max(1, -(-total // _AIM_WORDS)) if total > MOST_WORDS else total
    parts: list[list[_Piece]] = [[]]
    words = 0
    for piece in window:
        if parts[-1] and _is_full(words, piece, aim):
            parts.append([])
            words = 0
        parts[-1].append(piece)
        words += piece.words
    return _without_rest(parts)


def _is_full(words: int, piece: _Piece, aim: float) -> bool:
    """Whether a part with so many words is over before a piece."""
    if words + piece.words > MOST_WORDS:
        return True
    if piece.begins_paragraph and words >= min(LEAST_WORDS, aim):
        return words + piece.words > aim
    return words + piece.words / 2 > aim


def _without_rest(parts: list[list[_Piece]]) -> list[list[_Piece]]:
    """Parts whose last one is not much too short, if the one before has room."""
    if len(parts) < 2:
        return parts
    last, before = (sum(piece.words for piece in part) for part in (parts[-1], parts[-2]))
    if last < LEAST_WORDS / 2 and last + before <= MOST_WORDS:
        return [*parts[:-2], parts[-2] + parts[-1]]
    return parts


def _joined(part: Sequence[_Piece]) -> str:
    text = part[0].text
    for piece in part[1:]:
        text += ("\n\n" if piece.begins_paragraph else "\n" if piece.begins_item else " ") + piece.text
    return text
