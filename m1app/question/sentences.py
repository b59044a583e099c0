"""Where sentences begin and end in thinking and answers, for quotes and for selecting by the sentence.

A rule for medical English and the marks of other scripts, not a parser. Where a full stop could be either, the longer
piece wins: a mark on two sentences can be read, a fragment such as "2." or "e.g." cannot.
"""

import re

Span = tuple[int, int]
"""Start and end in code points."""

# Each run of marks or of white space is tried once, at its beginning: at each of its characters, a model that repeats
# one of them for ever would make this quadratic.
_END = re.compile(r"(?<![.!?…؟।])[.!?…؟।]++[\"'”’»)\]*_]*+(?=\s|$)|[。！？]+[」』）”]*|(?<!\s)\s*\n\s*")
_MARK_CHARACTERS = 80
"""A list mark with what is around it, or an abbreviation, is shorter."""
_OPENERS = "\"'“‘«([*_#>-–—•·"
_LIST_MARK = re.compile(r"\(?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxIVX]{1,5})[.):]*")
_NEVER_LAST = frozenset(
    (
        *("dr", "mr", "mrs", "ms", "prof", "st", "ph.d", "m.d", "u.s", "u.k", "dept"),
        *("vs", "e.g", "i.e", "eg", "ie", "cf", "viz", "approx", "ca", "resp", "incl"),
        *("sp", "spp", "subsp", "var"),
    )
)
"""Abbreviations that something follows."""
_BEFORE_NUMBER = frozenset(
    ("no", "nos", "fig", "figs", "eq", "ref", "refs", "vol", "p", "pp", "ch", "sec", "al", "tab")
)
"""Abbreviations that a number or a parenthesis follows; elsewhere they are words, or end their sentence."""
_LOWER_START = re.compile(r"[a-z]{1,2}[A-Z]")
"""Words such as pH and mRNA begin a sentence although their first letter is small."""


def sentences(text: str) -> tuple[Span, ...]:
    """The sentences of a text in order, without the white space around them; lines end sentences too."""
    found: list[Span] = []
    start = 0
    for mark in _END.finditer(text):
        if _ends(text, start, mark):
            found.append((start, mark.end()))
            start = mark.end()
    found.append((start, len(text)))
    return tuple(span for span in (_trimmed(text, *each) for each in found) if span[0] < span[1])


def _ends(text: str, start: int, mark: re.Match[str]) -> bool:
    """Whether the sentence that begins at `start` ends with this mark."""
    if not mark[0].strip():
        # A number alone on its line belongs to what follows, unless that is another paragraph.
        return mark[0].count("\n") > 1 or not _is_list_mark(text[start : mark.start()])
    if mark[0][0] != ".":
        return True
    if _is_list_mark(text[start : mark.end()]):
        return False
    return not _is_abbreviation(text[start : mark.start()], text[mark.end() : mark.end() + 24].lstrip(" \t"))


def _is_list_mark(piece: str) -> bool:
    is_short = len(piece) <= _MARK_CHARACTERS
    return is_short and _LIST_MARK.fullmatch(piece.strip().strip(f"{_OPENERS})*_")) is not None


def _is_abbreviation(before: str, after: str) -> bool:
    """Whether a full stop between these ends no sentence, because of the word before it or what comes next."""
    if not after or after[0] == "\n":
        return False
    words = before[-_MARK_CHARACTERS:].split()
    word = words[-1].strip(_OPENERS).casefold() if words else ""
    if word in _NEVER_LAST:
        return True
    if word in _BEFORE_NUMBER and (after[0].isdigit() or after[0] == "("):
        return True
    following = after.lstrip(_OPENERS)
    return following[:1].islower() and not _LOWER_START.match(following)


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
