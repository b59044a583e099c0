"""Percentages behind options that say how many people chose each, as pages of question banks have them.

A percentage that belongs to its option stays: it stands before or within the text ("0.9% saline"), is all of the text,
or follows a word that asks for it ("oxygen at 24%").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from m1app.question.pastes.line_kinds import share_words, words_before_own_percentage
from m1app.question.prompt_text import narrow

_END_CHARACTERS = 120
"""How much of the end of an option is looked at."""
_CERTAIN_SUM = (97.0, 103.0)
"""Shares of all options are rounded, so they rarely add up to 100 exactly."""
_POSSIBLE_SUM = (85.0, 110.0)


@dataclass(frozen=True, slots=True)
class AnswerShares:
    """Options that end with the share of people who chose them."""

    options: Mapping[str, str]
    """Letter -> text without the share."""
    shown: str
    """What was taken off, for people: "A 62%, B 13%"."""
    is_certain: bool
    """False if the percentages may also belong to the options."""


def answer_shares(options: Mapping[str, str]) -> AnswerShares | None:
    """The shares at the ends of options; None if there are none."""
    read = {letter: _read(text) for letter, text in options.items()}
    found = {letter: each for letter, each in read.items() if each.number is not None}
    texts = [each.text.casefold() for each in read.values()]
    # Half of them: a share of 0% is left out on some pages.
    is_list = len(found) > 1 and 2 * len(found) >= len(options)
    if not is_list or len(set(texts)) < len(texts) or not all(texts):
        return None
    total = sum(each.number or 0.0 for each in found.values())
    is_said = all(each.is_said for each in found.values())
    if not (is_said or _POSSIBLE_SUM[0] <= total <= _POSSIBLE_SUM[1]):
        return None
    is_certain = is_said or (len(found) == len(options) and _CERTAIN_SUM[0] <= total <= _CERTAIN_SUM[1])
    shown = ", ".join(f"{letter} {each.number:g}%" for letter, each in found.items())
    return AnswerShares({letter: each.text for letter, each in read.items()}, shown, is_certain)


@dataclass(frozen=True, slots=True)
class _Option:
    text: str
    """Without the share."""
    number: float | None
    """None without a share."""
    is_said: bool = False
    """Words say that it is one: "62% chose this"."""


def _read(text: str) -> _Option:
    rest, number, is_said = text, None, False
    # Twice: below the last option also stands how many were right.
    for _ in range(2):
        start = max(0, len(rest) - _END_CHARACTERS)
        found = _share_at_end().search(narrow(rest[start:]))
        if not found or not (found["after"] or found["before"] or _is_share(rest[: start + found.start()], found)):
            break
        rest, number = rest[: start + found.start()].rstrip(" \t-–—:|,;"), float(found["number"].replace(",", "."))
        is_said = bool(found["after"] or found["before"])
    return _Option(rest.strip(), number, is_said)


def _is_share(before: str, found: "re.Match[str]") -> bool:
    """Whether a percentage without words is apart from the text before it."""
    last = before.rstrip().rpartition(" ")[2].casefold()
    if last in words_before_own_percentage() or last[-1:] in set("<>≤≥~≈=±+/") or float(_number(found)) > 100:
        return False
    return not (found["dash"] and last[-1:].isdigit())


def _number(found: "re.Match[str]") -> str:
    return str(found["number"]).replace(",", ".")


@cache
def _share_at_end() -> "re.Pattern[str]":
    words = "|".join(re.escape(word) for word in sorted(share_words(), key=len, reverse=True))
    return re.compile(
        rf"""(?:^|(?<=\S))(?:\s+|(?=[(\[]))(?P<dash>[-–—:|]\s*)?[(\[]?\s*
        (?P<before>(?:{words})\s{{1,4}}(?:by\s{{1,4}})?)?
        (?P<number>\d{{1,3}}(?:[.,]\d{{1,2}})?)\s?(?:%|٪|percent\b)
        (?P<after>\s*(?:[^\W\d_]+\s+){{0,4}}(?:{words})\b[^\d%]{{0,60}})?\s*[)\]]?[\s.]*\Z""",
        re.IGNORECASE | re.VERBOSE,
    )
