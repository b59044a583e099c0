"""Statistics of paired answers with few seeds.

Two arms answer with the same seeds, so their answers are paired: what counts are the seeds at which only one of them is
right. Pure, standard library only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from m1app.benchmark.intervals import wilson

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Paired:
    """One arm against another, by the same seeds."""

    n: int
    """Seeds that both have answered."""
    gained: int
    """Seeds at which only the first is right."""
    lost: int
    """Seeds at which only the second is right."""
    difference: float
    """Share right of the first minus that of the second, -1 to 1; 0 without seeds."""
    low: float
    """Lower limit of its 95% interval, see `newcombe`."""
    high: float
    p_value: float
    """Exact two-sided McNemar test, 0 to 1; 1 without a seed at which they differ."""
    p_helps: float
    """Exact one-sided McNemar test that the first is right more often."""


def compare(first: Sequence[bool], second: Sequence[bool]) -> Paired:
    """Compare two arms, seed by seed; both have the same length."""
    pairs = list(zip(first, second, strict=True))
    both, gained = pairs.count((True, True)), pairs.count((True, False))
    lost, neither = pairs.count((False, True)), pairs.count((False, False))
    low, high = newcombe(both, gained, lost, neither)
    n = len(pairs)
    difference = (gained - lost) / n if n else 0.0
    return Paired(n, gained, lost, difference, low, high, mcnemar(gained, lost), mcnemar_one_sided(gained, lost))


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided McNemar test: the chance of so uneven a split of the seeds that differ, were it a coin's."""
    return min(1.0, 2 * mcnemar_one_sided(max(gained, lost), min(gained, lost)))


def mcnemar_one_sided(gained: int, lost: int) -> float:
    """Chance of at least `gained` of the seeds that differ, were each as likely to be gained as to be lost."""
    differ = gained + lost
    ways: int = sum(math.comb(differ, at_least) for at_least in range(gained, differ + 1))
    return ways / float(2**differ)


def newcombe(both: int, gained: int, lost: int, neither: int, level: float = LEVEL) -> tuple[float, float]:
    """Interval of the difference of two paired shares: square and add, with Wilson's limits and the correlation.

    Method 10 of Newcombe, Statistics in Medicine 17 (1998) 2635-2650; recommended for few pairs by Fagerland, Lydersen
    and Laake, Statistics in Medicine 33 (2014) 2850-2875.

    Args:
        both: pairs of which both are right.
        gained: of which only the first is.
        lost: of which only the second is.
        neither: of which none is.
        level: 0 to 1.

    Returns:
        Lower and upper limit, -1 to 1.
    """
    n = both + gained + lost + neither
    if n == 0:
        return -1.0, 1.0
    first, second = wilson(both + gained, n, level), wilson(both + lost, n, level)
    phi = _correlation(both, gained, lost, neither)
    down = first.value - first.low, second.high - second.value
    up = first.high - first.value, second.value - second.low
    difference = first.value - second.value
    return max(-1.0, difference - _added(*down, phi)), min(1.0, difference + _added(*up, phi))


def _added(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(0.0, first * first - 2 * phi * first * second + second * second))


def _correlation(both: int, gained: int, lost: int, neither: int) -> float:
    """Newcombe's phi, with his correction for continuity where it is positive; 0 where an arm is always alike."""
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    product = both * neither - gained * lost
    half = (both + gained + lost + neither) / 2
    corrected = max(product - half, 0.0) if product > 0 else float(product)
    return corrected / math.sqrt(margins)
