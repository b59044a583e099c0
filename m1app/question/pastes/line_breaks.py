"""Joins lines that a PDF or a mail has broken: soft line breaks, and words divided by a hyphen."""

import re
from collections.abc import Iterable
from itertools import pairwise

from m1app.question.pastes.line_kinds import keeps_hyphen

# Nobody divides a word after its first letter: "vitamin K-" goes on with another word.
_DIVIDED = re.compile(r"([^\W\d_]{2,})[-‐\u00ad]\Z")
_LAST_WORD_CHARACTERS = 40
_OWN_LINE = re.compile(r"\s{0,40}(?:[-+•·‣▪◦●○*■□☐☑>#|]\s|\||\(?(?:\d{1,2}|[A-Za-z])[.):]\s|[^\n]{0,200}\t)")
_SENTENCE_END = re.compile(r"[.!?:;。！？：；؟][\"'”’)\]*_]{0,3}\Z")
_SHORT = 0.6
"""Share of the longest line below which a line that ends a sentence ends its paragraph."""


def joined(lines: Iterable[str]) -> str:
    """Lines as one, with words that were divided at a line's end put together; blank lines are left out."""
    parts: list[str] = []
    for line in filter(None, (line.strip() for line in lines)):
        if parts:
            parts[-1], gap = _seam(parts[-1], line)
            parts.append(gap)
        parts.append(line)
    return "".join(parts)


def join_soft_breaks(text: str) -> str:
    """`text` with its paragraphs on one line each; lists, tables and short lines keep their breaks."""
    lines = text.split("\n")
    longest = max(map(len, lines))
    paragraphs: list[list[str]] = []
    for line in lines:
        previous = paragraphs[-1][-1] if paragraphs else ""
        if paragraphs and _is_soft(previous, line, longest):
            paragraphs[-1].append(line)
        else:
            paragraphs.append([line])
    return "\n".join(joined(each) if len(each) > 1 else each[0] for each in paragraphs)


def has_soft_breaks(text: str) -> bool:
    """Whether some line rather goes on in the next one than ends there."""
    lines = [line.strip() for line in text.split("\n")]
    return any(
        one
        and other
        and not _OWN_LINE.match(other)
        and (_DIVIDED.search(one[-_LAST_WORD_CHARACTERS:]) or _goes_on(one, other))
        for one, other in pairwise(lines)
    )


def _goes_on(one: str, other: str) -> bool:
    return not _SENTENCE_END.search(one) and "\t" not in one and (other[0].islower() or _is_packed(one[-1], other[0]))


def _is_soft(previous: str, line: str, longest: int) -> bool:
    if not previous.strip() or not line.strip() or _OWN_LINE.match(line) or "\t" in previous or "|" in previous:
        return False
    if previous.rstrip().endswith("-") and line.strip()[0].isdigit():
        return True
    is_short = len(previous) < _SHORT * longest
    return not (is_short and (_SENTENCE_END.search(previous.rstrip()) or not line.strip()[0].islower()))


def _seam(one: str, other: str) -> tuple[str, str]:
    """The first line as it is joined, and what stands between it and the next."""
    if _is_packed(one[-1], other[0]):
        return one, ""
    divided = _DIVIDED.search(one[-_LAST_WORD_CHARACTERS:])
    if not divided or not other[0].isalpha():
        return one, "" if one[-1] in "-–" and one[-2:-1].isalnum() and other[0].isdigit() else " "
    if one.endswith("\u00ad"):
        return one[:-1], ""
    if not other[0].islower() or keeps_hyphen(divided[1]):
        return one, ""
    return one[:-1], ""


def _is_packed(one: str, other: str) -> bool:
    """Whether both belong to a script that is written without spaces."""
    return all("\u3000" <= letter <= "\u9fff" or "\uff00" <= letter <= "\uffef" for letter in (one, other))
