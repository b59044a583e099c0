"""Scoring an answer against its question's target, by a named rule.

A rule decides both which letter was answered and whether it is correct, since published scorers do not always derive
one from the other. `RULES` is the registry: add an entry to add a rule. Averages, intervals and other statistics are
elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from m1app.question.answer_extraction import extract_answer
from m1app.question.errors import UnknownScoringRule
from m1app.question.m1_scorer import read_choice


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one answer."""

    letter: str | None
    """The option answered; None if there is not exactly one, and for an open question."""
    is_correct: bool | None
    """None if there is nothing to score: no target, or an open question."""
    how: str
    """The basis of the letter, or of its absence, in the rule's own terms."""


Rule = Callable[[str, Mapping[str, str], str | None], Score]


def _score_strict(text: str, options: Mapping[str, str], target: str | None) -> Score:
    found = extract_answer(text, options)
    is_scored = bool(options) and target is not None
    return Score(found.letter, found.letter == target if is_scored else None, found.how.value)


def _score_m1(text: str, options: Mapping[str, str], target: str | None) -> Score:
    if target is None or target not in options:
        return Score(None, None, "not_scored")
    letter, how = read_choice(text, options, target)
    return Score(letter if letter in options else None, letter.lower() == target.lower(), how.value)


RULES: dict[str, Rule] = {"strict": _score_strict, "m1": _score_m1}


def score(text: str, options: Mapping[str, str], target: str | None, rule: str = "strict") -> Score:
    """Score an answer by a rule.

    Args:
        text: the answer, without the thinking.
        options: letter -> text; empty for an open question.
        target: letter of the right option; None if unknown. With a target and options, an answer
            without a letter is wrong.
        rule: a key of `RULES`.

    The rule `m1` needs a target and options: it is made for scoring, not for reading answers.

    Raises:
        UnknownScoringRule: no such rule.
    """
    if rule not in RULES:
        raise UnknownScoringRule(f"Unknown scoring rule {rule!r}: choose one of {', '.join(sorted(RULES))}.")
    return RULES[rule](text, options, target)


def lead_in(close: str) -> str:
    """The last line of a closing, which the answer continues and which is scored with it."""
    return close.rpartition("\n")[2]
