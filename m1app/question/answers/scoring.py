"""Scoring an answer against its question's target, by a named rule.

A rule decides both which letter was answered and whether it is correct, since published scorers do not always derive
one from the other. `RULES` is the registry: add an entry to add a rule. Averages, intervals and other statistics are
elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from m1app.question.answers.claims import How
from m1app.question.answers.extraction import extract_answer
from m1app.question.answers.m1_scorer import read_choice
from m1app.question.errors import UnknownScoringRule
from m1app.targets import has_several

STRICT_VERSION = 5
"""Raised when `strict` reads some answer differently. Version 1 knew no JSON, no tags and only English; version 2 fewer
ways to lead to an option, such as an arrow; version 3 took the number of a reference, "B [3]", for a part of the
name; version 4 read letters that are taken back, improbable, struck out, or named as an error or a format."""


SEVERAL_NOT_SCORED = "several_not_scored"
"""Basis of the rule `m1` where several options are right: as published, it reads one letter and cannot tell."""


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one answer."""

    letter: str | None
    """The option answered; None if there is not exactly one, and for an open question. Where several are right, all
    that were answered, as "A, C"."""
    is_correct: bool | None
    """None if there is nothing to score: no target, or an open question; also if the rule cannot score it."""
    how: str
    """The basis of the letter, or of its absence, in the rule's own terms."""
    rule: str = ""
    """What the words are that it rests on, and their language: "answer is (en)"; empty if there are none."""
    span: tuple[int, int] | None = None
    """Start and end of those words in the scored text, in code points."""


Rule = Callable[[str, Mapping[str, str], str | None], Score]


def _score_strict(text: str, options: Mapping[str, str], target: str | None) -> Score:
    found = extract_answer(text, options, are_several=has_several(target))
    is_scored = bool(options) and target is not None
    is_correct = found.letter == target if is_scored else None
    return Score(found.letter, is_correct, found.how.value, found.rule, found.basis)


def _score_m1(text: str, options: Mapping[str, str], target: str | None) -> Score:
    if has_several(target):
        return Score(None, None, SEVERAL_NOT_SCORED)
    if target is None or target not in options:
        return Score(None, None, "not_scored")
    letter, how = read_choice(text, options, target)
    return Score(letter if letter in options else None, letter.lower() == target.lower(), how.value)


RULES: dict[str, Rule] = {"strict": _score_strict, "m1": _score_m1}


_REASONS: dict[str, str] = {
    How.AMBIGUOUS: "the answer points to more than one",
    How.UNSETTLED: "the answer names one only with a doubt, for another case, or takes it back",
    How.NOT_AN_OPTION: "the answer names none of these",
    How.UNCLEAR_SET: "the answer does not clearly say which ones",
}


def score(text: str, options: Mapping[str, str], target: str | None, rule: str = "strict") -> Score:
    """Score an answer by a rule.

    Args:
        text: the answer, without the thinking.
        options: letter -> text; empty for an open question.
        target: letter of the right option, or of all right ones, as "A, C"; None if unknown. With a target and
            options, an answer without a letter is wrong. Of several, the answer has to name all, and no other.
        rule: a key of `RULES`.

    The rule `m1` needs a target and options: it is made for scoring, not for reading answers. It does not score a
    question with several right options.

    Raises:
        UnknownScoringRule: no such rule.
    """
    if rule not in RULES:
        raise UnknownScoringRule(f"Unknown scoring rule {rule!r}: choose one of {', '.join(sorted(RULES))}.")
    return RULES[rule](text, options, target)


def no_letter_reason(how: str) -> str:
    """Why `strict` read no letter, in words; empty if the answer names none, and if it was read."""
    return _REASONS.get(how, "")


def lead_in(close: str) -> str:
    """The last line of a closing, which the answer continues and which is scored with it."""
    return close.rpartition("\n")[2]


def letter_basis(scored: Score, leading: str) -> dict[str, str | int | None]:
    """What the letter rests on, as it is stored with the answer: rule, start, end and the rule's version.

    Args:
        scored: a score by `strict`.
        leading: the lead-in that was scored before the answer; positions count from the answer on.
    """
    if scored.how == "open_question":
        return {}
    start, end = (max(0, place - len(leading)) for place in scored.span) if scored.span else (None, None)
    has_words = end is not None and end > 0
    return {
        "letter_rule": f"{scored.how}: {scored.rule}" if scored.rule else scored.how,
        "letter_start": start if has_words else None,
        "letter_end": end if has_words else None,
        "strict_version": STRICT_VERSION,
    }
