"""Intervals and comparisons of accuracies, on statsmodels and scipy. Import it late: they take seconds to load.

All intervals are 95% unless a level is given. A verdict is True or False; unanswered counts as False.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

RESAMPLES = 1999
_SEED = 20_250_400


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share with its interval."""

    value: float
    """0 to 1; NaN of nothing."""
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two settings on the same questions."""

    difference: float
    """Accuracy of the second less that of the first."""
    low: float
    """Of the percentile bootstrap interval over the questions."""
    high: float
    p_value: float
    """Exact McNemar test, two-sided; 1 when no question differs."""
    gained: int
    """Wrong in the first, right in the second."""
    lost: int
    """Right in the first, wrong in the second."""
    n: int


def accuracy(correct: int, n: int, level: float = 0.95) -> Proportion:
    """Share of right answers with its Wilson score interval (Wilson 1927)."""
    if n == 0:
        return Proportion(math.nan, 0.0, 1.0, 0)
    low, high = proportion_confint(correct, n, alpha=1 - level, method="wilson")
    return Proportion(correct / n, float(low), float(high), n)


def compare_paired(first: Sequence[bool], second: Sequence[bool], level: float = 0.95) -> PairedComparison:
    """Compare two cells or two models on the same questions.

    Args:
        first: verdicts, one per question.
        second: verdicts of the same questions in the same order.
        level: of the interval.

    Raises:
        ValueError: there are none, or not as many of one as of the other.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} verdicts cannot be paired; give one per question for both.")
    one, other = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    gained, lost = int(np.sum(~one & other)), int(np.sum(one & ~other))
    both, neither = int(np.sum(one & other)), int(np.sum(~one & ~other))
    test = mcnemar([[both, lost], [gained, neither]], exact=True)
    differences = other.astype(np.float64) - one
    low, high = _percentile(differences, level)
    p_value = float(test.pvalue) if gained + lost else 1.0
    return PairedComparison(float(differences.mean()), low, high, p_value, gained, lost, len(one))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values corrected for their number, over the points of a curve for instance (Holm 1979)."""
    if not p_values:
        return ()
    return tuple(float(each) for each in multipletests(list(p_values), method="holm")[1])


def macro_average(sets: Mapping[str, Sequence[bool]], level: float = 0.95) -> Proportion:
    """Mean of the accuracies of several question sets, each counting the same however large.

    The interval is a percentile bootstrap that draws questions within each set: the sets are what they are, and no
    sample of others.

    Args:
        sets: name to verdicts, one per question.
        level: of the interval.
    """
    verdicts = [np.asarray(each, dtype=np.float64) for each in sets.values() if len(each)]
    n = sum(len(each) for each in verdicts)
    if not verdicts:
        return Proportion(math.nan, 0.0, 1.0, 0)
    chance = np.random.default_rng(_SEED)
    drawn = np.mean(
        [each[chance.integers(0, len(each), (RESAMPLES, len(each)))].mean(axis=1) for each in verdicts], axis=0
    )
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Proportion(float(np.mean([each.mean() for each in verdicts])), float(low), float(high), n)


def clustered_accuracy(verdicts: Sequence[bool], clusters: Sequence[str], level: float = 0.95) -> Proportion:
    """Accuracy with an interval that knows that verdicts of one cluster belong together.

    Args:
        verdicts: one per answer.
        clusters: the question, or the source, of each; several seeds of a question are one cluster.
        level: of the percentile bootstrap interval, which draws clusters.

    Raises:
        ValueError: not as many clusters as verdicts.
    """
    if len(verdicts) != len(clusters):
        raise ValueError(f"{len(verdicts)} verdicts and {len(clusters)} clusters; give the cluster of each verdict.")
    if not verdicts:
        return Proportion(math.nan, 0.0, 1.0, 0)
    values = np.asarray(verdicts, dtype=np.float64)
    _, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    right = np.bincount(numbers, weights=values)
    sizes = np.bincount(numbers).astype(np.float64)
    drawn = np.random.default_rng(_SEED).integers(0, len(sizes), (RESAMPLES, len(sizes)))
    shares = right[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    return Proportion(float(values.mean()), float(low), float(high), len(values))


def minimum_detectable_difference(
    n: int, share_that_differs: float = 0.2, power: float = 0.8, level: float = 0.95
) -> float:
    """The smallest difference of two accuracies on the same n questions that a test is likely to find.

    By the normal approximation to McNemar's test (Connor 1987).

    Args:
        n: questions.
        share_that_differs: of the questions on which the two settings disagree, 0-1.
        power: chance to find the difference when it is there.
        level: 1 less the significance level, two-sided.
    """
    if n <= 0:
        return math.nan
    alpha_z, power_z = norm.ppf((1 + level) / 2), norm.ppf(power)
    low, high = 0.0, share_that_differs
    for _ in range(60):  # n needed falls as the difference grows
        middle = (low + high) / 2
        spread = math.sqrt(max(share_that_differs - middle**2, 0.0))
        needed = ((alpha_z * math.sqrt(share_that_differs) + power_z * spread) / middle) ** 2
        low, high = (middle, high) if needed > n else (low, middle)
    return float(high)


def _percentile(values: NDArray[Any], level: float) -> tuple[float, float]:
    if np.all(values == values[0]):
        return float(values[0]), float(values[0])
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=level,
        method="percentile",
        batch=100,
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return float(found.low), float(found.high)
