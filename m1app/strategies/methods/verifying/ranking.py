"""Ranks solutions, or their answers, by the scores that a judge gave. Pure.

Ties go to the answer that more solutions give, then to the pass that came first.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scored:
    """A solution with its scores."""

    number: int
    """Of its pass."""
    answer: str
    scores: tuple[float, ...]
    """Of its verifications, or its paragraphs, 0-1 each; at least one."""

    @property
    def mean(self) -> float:
        """Mean of the scores."""
        return sum(self.scores) / len(self.scores)


Aggregate = Callable[[Scored], float]
AGGREGATES: Mapping[str, Aggregate] = {
    "mean": lambda each: each.mean,
    "min": lambda each: min(each.scores),
    "product": lambda each: math.prod(each.scores),
    "last": lambda each: each.scores[-1],
}


def best(solutions: Sequence[Scored], aggregate: Aggregate) -> Scored:
    """The solution with the highest aggregate of its scores."""
    support = _support(solutions)
    # Rounded, so that sums in another order tie as they should.
    return min(solutions, key=lambda each: (-round(aggregate(each), 9), -support[each.answer], each.number))


def pessimistic(solutions: Sequence[Scored], alpha: float) -> dict[str, float]:
    """Each answer's mean score minus a penalty for few verifications, the best first.

    r(a) - alpha ln(N M) / (N_a M + 1), where N M verifications were made and N_a M of them are of solutions that give
    the answer a (Heimdall, arXiv 2504.10337).
    """
    total = sum(len(each.scores) for each in solutions)
    values, first = dict[str, float](), dict[str, int]()
    for each in solutions:
        scores = [score for other in solutions if other.answer == each.answer for score in other.scores]
        values[each.answer] = sum(scores) / len(scores) - alpha * math.log(total) / (len(scores) + 1)
        first[each.answer] = min(each.number, first.get(each.answer, each.number))
    support = _support(solutions)
    return {
        answer: values[answer]
        for answer in sorted(values, key=lambda each: (-round(values[each], 9), -support[each], first[each]))
    }


def _support(solutions: Sequence[Scored]) -> Mapping[str, int]:
    return {each.answer: sum(other.answer == each.answer for other in solutions) for each in solutions}
