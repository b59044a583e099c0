"""What a file's own scorer said of an answer.

Sources: lm-evaluation-harness 4e7e0d4, `evaluator.py` (a sample has the names of its metrics and the value of each);
inspect_ai 499e615, `scorer/_metric.py` (values of a score; NaN is a score that was not given).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from m1app.benchmark.answer_files.given_answer import SHORT_CHARACTERS
from m1app.question_sets.row_values import Row

_METRICS = ("exact_match", "acc", "accuracy", "em")
"""Metrics of one right answer, the first that a sample has; otherwise its first metric with such a value."""
_SCORERS = ("choice", "answer", "match", "pattern", "exact")
_VERDICTS = {"C": True, "I": False, "N": False}


def verdict_of(value: object) -> bool | None:
    """Right or wrong, of a value that says one of them; None for partial credit and anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return {0.0: False, 1.0: True}.get(float(value)) if abs(value) <= 1 else None
    return _VERDICTS.get(value) if isinstance(value, str) else None


def metric_verdict(row: Row) -> tuple[bool | None, str]:
    """The verdict of a sample of lm-evaluation-harness, and the name of its metric."""
    listed = row.get("metrics")
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, Sequence) else []
    for name in (*(each for each in _METRICS if each in names), *names):
        if (found := verdict_of(row.get(name))) is not None:
            return found, name[:SHORT_CHARACTERS]
    return None, ""


def score_verdict(row: Row) -> tuple[bool | None, str | None, str]:
    """The verdict of a sample of Inspect, what its scorer read, and the scorer's name."""
    scores = row.get("scores")
    if not isinstance(scores, Mapping):
        return None, None, ""
    names = [name for name in scores if isinstance(name, str)]
    for name in (*(each for each in _SCORERS if each in names), *names):
        given: Any = scores[name]
        if isinstance(given, Mapping) and (found := verdict_of(given.get("value"))) is not None:
            return found, short(given.get("answer")), name[:SHORT_CHARACTERS]
    return None, None, ""


def short(value: object) -> str | None:
    """A short text; None for anything else, and for an empty one."""
    return value[:SHORT_CHARACTERS] if isinstance(value, str) and value else None


def whole_number(value: object) -> int | None:
    """A whole number of 0 or more that a database can hold; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None
