"""Checks whether answers agree with their question's target, for training data.

If the answer commits to an option, the scoring rule `strict` decides. Reasoning traces are often made from open
questions and commit in words only: then the last sentence decides if it plainly names one option, and an answer that
names only the target agrees with it. Where several options are right, only the rule decides. Published scorers guess
more; in training data, a wrong guess would teach an error.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from m1app.question.answers.scoring import score
from m1app.question.prompt_text import match_option_text, narrow
from m1app.runs.sentences import sentences
from m1app.targets import has_several

_WORD_START = re.compile(r"(?<!\w)\w")
_TELLING_CHARACTERS = 3
# A sentence that negates or weighs options may name a rejected one as well as the chosen one.
_UNDECIDED = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|unlikely|incorrect|except|cannot|while|whereas|although|though|but"
    r"|instead|rather|however|unlike|if|either|or)\b|n't\b",
    re.IGNORECASE,
)


class Verdict(StrEnum):
    """Whether an answer agrees with the target."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    """It names another option, or other ones."""
    UNSTATED = "unstated"
    """It names no option, or several."""
    UNCHECKABLE = "uncheckable"
    """There is no target, or there are no options."""


def verify(answer: str, options: Mapping[str, str], target: str | None) -> Verdict:
    """Return the verdict on a final response, without its thinking."""
    if not options or target is None:
        return Verdict.UNCHECKABLE
    letter = score(answer, options, target).letter
    if letter is None and not has_several(target):
        letter = concluded_letter(answer, options)
    if letter is not None:
        return Verdict.AGREES if letter == target else Verdict.CONTRADICTS
    return Verdict.AGREES if only_named_letter(answer, options) == target else Verdict.UNSTATED


def concluded_letter(answer: str, options: Mapping[str, str]) -> str | None:
    """The only option that the last sentence names in words; None if it negates or weighs options."""
    said = _sentences(answer)
    named = _named_plainly(said[-1], options) if said else frozenset()
    return next(iter(named)) if len(named) == 1 else None


def only_named_letter(answer: str, options: Mapping[str, str]) -> str | None:
    """The only option named in the whole answer, if a sentence states it plainly.

    It can confirm a target but not refute one: the option may be mentioned in passing.
    """
    plain = {letter for sentence in _sentences(answer) for letter in _named_plainly(sentence, options)}
    return plain.pop() if len(_named(answer, options)) == 1 and plain else None


def _sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def _named_plainly(sentence: str, options: Mapping[str, str]) -> frozenset[str]:
    return frozenset() if _UNDECIDED.search(sentence) else _named(sentence, options)


def _named(text: str, options: Mapping[str, str]) -> frozenset[str]:
    """Letters of the options whose texts occur in `text`, except short ones ("be", "12"), which any text may
    contain."""
    folded = narrow(text)
    named: set[str] = set()
    end = 0
    for start in _WORD_START.finditer(folded):
        reference = match_option_text(folded, start.start(), options) if start.start() >= end else None
        if reference and reference.end - reference.start >= _TELLING_CHARACTERS:
            named |= reference.letters
            end = reference.end
    return frozenset(named)
