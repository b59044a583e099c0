"""Which steps are pruned: of the functional ones, the least important (PIR, LIMOPro, arXiv 2505.19187)."""

import math
from collections.abc import Mapping, Sequence

from m1app.training.pruning.reasoning_steps import ReasoningStep

FLOOR = 1e-9
"""Probability that stands for one the engine does not report, so that its logarithm is finite."""
TOLERANCE = 1e-3
"""Loss of log p(target) that is no loss: engines round differently from request to request."""


def importance(whole: float, without: float) -> float:
    """How much of log p(target) is lost without a step; negative if the target is more probable without it.

    Args:
        whole: probability of the target after the whole reasoning, 0-1.
        without: the same without the step.
    """
    return math.log(max(whole, FLOOR)) - math.log(max(without, FLOOR))


def count_to_prune(functional: int, ratio: float) -> int:
    """How many of the functional steps are pruned, to the nearest whole; halves are rounded up."""
    return min(functional, math.floor(functional * ratio + 0.5))


def choose_steps(steps: Sequence[ReasoningStep], importances: Mapping[int, float], ratio: float) -> tuple[int, ...]:
    """Places of the steps to prune, ascending; never a progressive one.

    Args:
        steps: of one reasoning.
        importances: place of each functional step to its importance.
        ratio: share of the functional steps to prune, 0-1.
    """
    functional = [place for place, step in enumerate(steps) if step.is_functional]
    # Of equally important ones the later goes: the earlier may be what it refers to.
    ranked = sorted(functional, key=lambda place: (importances[place], -place))
    return tuple(sorted(ranked[: count_to_prune(len(functional), ratio)]))


def is_as_probable(whole: float, pruned: float) -> bool:
    """Whether the target is at least as probable after the pruned reasoning."""
    return importance(whole, pruned) <= TOLERANCE
