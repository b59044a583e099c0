"""Whether an answer agrees with its question's target, for data that is to be learned from.

The scoring rule `strict` decides where the answer commits to an option. Reasoning traces were often made from open
questions and commit in words only: there the last sentence decides, when it plainly names one option. Published
scorers guess further; in data to train on, a wrong guess would teach an error.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from m1app.benchmark.prompt_text import match_option_text, narrow
from m1app.benchmark.scoring import score

_LAST_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?\s]*\Z")
_WORD_START = re.compile(r"(?<!\w)\w")
# A sentence that denies or weighs names the option it decides against as readily as the one it decides for.
_UNDECIDED = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|unlikely|incorrect|except|cannot|while|whereas|although|though|but"
    r"|instead|rather|however|unlike|if|either|or)\b|n't\b",
    re.IGNORECASE,
)


class Verdict(StrEnum):
    """What an answer says about the target."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    """It names another option."""
    UNSTATED = "unstated"
    """It names no option, or several."""
    UNCHECKABLE = "uncheckable"
    """There is no target, or there are no options."""


def verify(answer: str, options: Mapping[str, str], target: str | None) -> Verdict:
    """The verdict on a final response, without its thinking."""
    if not options or target is None:
        return Verdict.UNCHECKABLE
    letter = score(answer, options, target).letter or concluded_letter(answer, options)
    if letter is None:
        return Verdict.UNSTATED
    return Verdict.AGREES if letter == target else Verdict.CONTRADICTS


def concluded_letter(answer: str, options: Mapping[str, str]) -> str | None:
    """The only option that the last sentence names in words; None when it denies or weighs something."""
    found = _LAST_SENTENCE.search(answer.rstrip())
    sentence = found[0] if found else ""
    if _UNDECIDED.search(sentence):
        return None
    folded = narrow(sentence)
    named: set[str] = set()
    end = 0
    for start in _WORD_START.finditer(folded):
        reference = match_option_text(folded, start.start(), options) if start.start() >= end else None
        if reference:
            named |= reference.letters
            end = reference.end
    return named.pop() if len(named) == 1 else None
