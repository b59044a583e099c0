"""Options with a verdict and its reason, as explained questions have them: "B. Zinc - Correct. It is lacking."."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from m1app.question.pastes.line_kinds import any_of, words_for
from m1app.question.prompt_text import narrow

_MOST_CHARACTERS = 2_000
_END_CHARACTERS = 60
_TRUTH = re.compile(
    r"(?:[-–—→>:=]\s{0,3}|[(\[]\s?)(?P<word>true|false|yes|no|t|f|wahr|falsch|ja|nein|sí|no|oui|non|vrai|faux|verdadero|falso)"
    r"\s?[)\]]?[\s.]{0,4}\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class JudgedOptions:
    """Options without their verdicts."""

    options: Mapping[str, str]
    """Letter -> text."""
    right: str
    """Letter of the one that is called right."""
    reasons: tuple[str, ...]
    """The verdicts with their reasons, as pasted."""


def judged_options(options: Mapping[str, str], marked: str | None = None) -> JudgedOptions | None:
    """Options that are called right or wrong one by one; None unless at least two are, and one of them right.

    Args:
        options: letter -> text.
        marked: the letter of an option that is marked as right otherwise, if one is.
    """
    judged = _judged(options)
    right = {letter for letter, match in judged.items() if match["right"]} | ({marked} if marked else set())
    texts = {letter: text[: judged[letter].start()] if letter in judged else text for letter, text in options.items()}
    texts = {letter: text.rstrip(" .:") if letter in judged else text for letter, text in texts.items()}
    if len(judged) < 2 or len(right) != 1 or not all(texts.values()):
        return None
    reasons = tuple(f"{letter}: {options[letter][match.start() :].strip()}" for letter, match in judged.items())
    return JudgedOptions(texts, right.pop(), reasons)


def has_verdict(options: Mapping[str, str]) -> bool:
    """Whether words behind the options set one of them apart: it is called right, or all others are called wrong."""
    rights = [bool(match["right"]) for match in _judged(options).values()]
    truths = [
        found["word"].casefold() for text in options.values() if (found := _TRUTH.search(text[-_END_CHARACTERS:]))
    ]
    is_one_apart = len(truths) == len(options) > 2 and 1 in (truths.count(word) for word in set(truths))
    return is_one_apart or 0 < sum(rights) < len(options) or rights.count(False) == len(options) - 1


def _judged(options: Mapping[str, str]) -> dict[str, re.Match[str]]:
    found = {letter: _verdict().search(narrow(text[:_MOST_CHARACTERS])) for letter, text in options.items()}
    return {letter: match for letter, match in found.items() if match}


@cache
def _verdict() -> re.Pattern[str]:
    right, wrong = any_of(words_for("right_verdict")), any_of(words_for("wrong_verdict"))
    # With a capital, or behind a dash or bracket: "the correct dose" is part of an option.
    return re.compile(
        r"(?:(?<=\S)\s{0,4}[(\[]\s?|(?<=\S)\s{1,4}[-–—]\s{1,4}|(?<=\S)\s{1,4}(?=[A-ZÀ-ÞА-Я])|(?<=[\u3040-\u9fff])[。;]?)"
        rf"(?:(?i:(?P<right>{right})|(?P<wrong>{wrong})))(?=\s{{0,4}}(?:[.:;,!)\]—–]|\Z)|\s{{1,4}}[-–—]\s|[。])"
    )
