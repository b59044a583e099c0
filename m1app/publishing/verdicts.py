"""Verdicts as one character each, and how many changed between two settings. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.benchmarks.records import BenchmarkItem, BenchmarkResult, ItemState

RIGHT, WRONG, UNANSWERED, FAILED, UNSCORED, ABSENT = "r", "w", "n", "f", "o", "-"
"""Unscored: the answer to an open question. Absent: not asked, or not yet."""
_SCORED = {RIGHT, WRONG, UNANSWERED, FAILED}


@dataclass(frozen=True, slots=True)
class Changes:
    """Questions by their verdict at two settings; unanswered and failed ones count as wrong."""

    right_right: int = 0
    right_wrong: int = 0
    wrong_right: int = 0
    wrong_wrong: int = 0


def verdict_code(item: BenchmarkItem | None, result: BenchmarkResult | None) -> str:
    """The verdict on one answer by the strict rule.

    Args:
        item: the question of a run; None if the run does not ask it.
        result: its result in the cell; None if there is none yet.
    """
    if item is None or result is None:
        return ABSENT
    if result.is_correct is None:
        return UNSCORED
    if item.state is ItemState.FAILED:
        return FAILED
    if result.is_correct:
        return RIGHT
    return WRONG if result.letter else UNANSWERED


def changes_between(before: Sequence[str], after: Sequence[str]) -> Changes:
    """Count the questions that are scored in both cells."""
    counts = {(was, became): 0 for was in (True, False) for became in (True, False)}
    for one, other in zip(before, after, strict=True):
        if one in _SCORED and other in _SCORED:
            counts[one == RIGHT, other == RIGHT] += 1
    return Changes(counts[True, True], counts[True, False], counts[False, True], counts[False, False])
