"""What a fact test says: one of five verdicts, in a sentence, and how many seeds would decide it. Pure.

An arm *beats* another if it is right more often at the same seeds: exact one-sided McNemar test, 5%. See
docs/missing-fact.md for why the test has one side, and what the limits mean.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from m1app.benchmark.intervals import wilson
from m1app.fact_tests.design import MOST_SEEDS
from m1app.fact_tests.statistics import Paired, compare
from m1app.wording import counted

_SIGNIFICANT = 0.05
_HALF = 0.5
_MOST_PROJECTED = 200

VERDICTS: Mapping[str, str] = {
    "knowledge_missing": "Knowledge was missing",
    "did_not_help": "The fact did not help",
    "any_text": "Any text changes it",
    "right_anyway": "Right without it",
    "not_decidable": "Not decidable",
}
"""Verdict -> its name in lists."""
Outcome = tuple[bool, bool, bool]
"""Whether arm A, B and C was right at a seed."""


class VerdictKind(StrEnum):
    """What a test says."""

    KNOWLEDGE_MISSING = "knowledge_missing"
    """The fact beats both nothing and an unrelated fact."""
    DID_NOT_HELP = "did_not_help"
    """The fact adds less than half of the answers: it was ignored, or the reasoning is at fault."""
    ANY_TEXT = "any_text"
    """An unrelated fact beats nothing, and the corrected fact does not beat the unrelated one."""
    RIGHT_ANYWAY = "right_anyway"
    """Going on from the cut with nothing inserted is right more often than not: the failure was a matter of chance."""
    NOT_DECIDABLE = "not_decidable"
    """None of the above can be said with so few seeds."""


@dataclass(frozen=True, slots=True)
class FactVerdict:
    """The verdict of a test, or of what there is of it."""

    kind: VerdictKind
    sentence: str
    n: int
    """Seeds that all of A, B and C have answered."""
    right: tuple[int, int, int]
    """At how many of them A, B and C were right."""
    against_nothing: Paired
    """B against A."""
    against_unrelated: Paired
    """B against C."""
    enough_seeds: int | None = None
    """Seeds at which rates like these would decide it; None if it is decided, or no number up to 200 does."""


def judge(outcomes: Sequence[Outcome]) -> FactVerdict:
    """The verdict on outcomes, one for each seed that all three arms have answered."""
    kind, enough = _kind(outcomes), None
    if kind is VerdictKind.NOT_DECIDABLE:
        enough = _enough_seeds(outcomes)
    nothing, fact, unrelated = _arms(outcomes)
    right = (sum(nothing), sum(fact), sum(unrelated))
    sentence = _sentence(kind, len(outcomes), right, enough)
    return FactVerdict(kind, sentence, len(outcomes), right, compare(fact, nothing), compare(fact, unrelated), enough)


def _arms(outcomes: Sequence[Outcome]) -> tuple[list[bool], list[bool], list[bool]]:
    return [each[0] for each in outcomes], [each[1] for each in outcomes], [each[2] for each in outcomes]


def _kind(outcomes: Sequence[Outcome]) -> VerdictKind:
    if not outcomes:
        return VerdictKind.NOT_DECIDABLE
    nothing, fact, unrelated = _arms(outcomes)
    if wilson(sum(nothing), len(outcomes)).low > _HALF:
        return VerdictKind.RIGHT_ANYWAY
    helps, helps_more = compare(fact, nothing), compare(fact, unrelated)
    if _beats(helps) and _beats(helps_more):
        return VerdictKind.KNOWLEDGE_MISSING
    if _beats(compare(unrelated, nothing)) and not _beats(helps_more):
        return VerdictKind.ANY_TEXT
    if helps.high < _HALF and not _beats(helps):
        return VerdictKind.DID_NOT_HELP
    return VerdictKind.NOT_DECIDABLE


def _beats(paired: Paired) -> bool:
    return paired.p_helps <= _SIGNIFICANT


def _enough_seeds(outcomes: Sequence[Outcome]) -> int | None:
    """The smallest number of seeds, above those asked, that would decide it at the rates that were seen."""
    if not outcomes:
        return None
    counts = Counter(outcomes)
    kinds = {n: _kind(_scaled(counts, n)) for n in range(len(outcomes) + 1, _MOST_PROJECTED + 2)}
    # One seed more must not undo it: whole numbers of seeds only come near to a rate.
    decided = (n for n in range(len(outcomes) + 1, _MOST_PROJECTED + 1) if kinds[n] is kinds[n + 1])
    return next((n for n in decided if kinds[n] is not VerdictKind.NOT_DECIDABLE), None)


def _scaled(counts: Counter[Outcome], n: int) -> list[Outcome]:
    """The same rates with n seeds: whole numbers by the largest remainder."""
    total = counts.total()
    exact = {each: count * n / total for each, count in sorted(counts.items())}
    whole = {each: math.floor(value) for each, value in exact.items()}
    by_rest = sorted(exact, key=lambda each: (whole[each] - exact[each], each))
    for each in by_rest[: n - sum(whole.values())]:
        whole[each] += 1
    return [each for each, count in whole.items() for _ in range(count)]


_OPENINGS = {
    VerdictKind.KNOWLEDGE_MISSING: "Knowledge was missing",
    VerdictKind.DID_NOT_HELP: "The fact did not help: it was ignored, or the reasoning is at fault",
    VerdictKind.ANY_TEXT: "Any inserted text changes the answer",
    VerdictKind.RIGHT_ANYWAY: "Right without the fact too: the failure was a matter of chance",
}


def _sentence(kind: VerdictKind, n: int, right: tuple[int, int, int], enough: int | None) -> str:
    if n == 0:
        return "Not decidable yet: no seed has been answered in the arms A, B and C."
    nothing, fact, unrelated = right
    found = (
        f"right with {fact} of {counted(n, 'seed')} with the fact, {nothing} without it, "
        f"{unrelated} with an unrelated fact"
    )
    if kind is not VerdictKind.NOT_DECIDABLE:
        opening = _OPENINGS[kind]
        return f"{opening} ({found})." if ":" in opening else f"{opening}: {found}."
    return f"Not decidable with k = {n}{_what_would_do(enough)} ({found})."


def _what_would_do(enough: int | None) -> str:
    if enough is None:
        return f"; at these rates not even {_MOST_PROJECTED} would be enough"
    if enough > MOST_SEEDS:
        return f"; at these rates about {enough} seeds would be needed, more than the {MOST_SEEDS} a test allows"
    return f"; about {enough} would be enough"
