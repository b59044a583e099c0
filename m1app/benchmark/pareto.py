"""Which points are worth their cost."""

import math
from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Indices of the points that no other one beats, by rising cost.

    A point is beaten by another that costs no more and is worth no less, and is better in one of the two. Of points
    that are equal in both, all are on the front; a point with a NaN is never on it.

    Args:
        points: (cost, value) of each; low cost and high value are good.
    """
    known = [(cost, -value, i) for i, (cost, value) in enumerate(points) if not (math.isnan(cost) or math.isnan(value))]
    front: list[tuple[float, float, int]] = []
    for cost, negative, i in sorted(known):
        if not front or negative < front[-1][1] or (cost, negative) == front[-1][:2]:
            front.append((cost, negative, i))
    return tuple(i for _, _, i in front)
