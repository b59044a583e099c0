"""Intervals and comparisons of accuracies, on statsmodels and scipy. Import it late: they take seconds to load.

All intervals are 95% unless a level is given. A verdict is True or False; unanswered counts as False.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from m1app.benchmark.estimates import PairedComparison, Proportion

RESAMPLES = 1999
_SEED = 20_250_400


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
    return compare_counts(
        both=int(np.sum(one & other)),
        lost=int(np.sum(one & ~other)),
        gained=int(np.sum(~one & other)),
        neither=int(np.sum(~one & ~other)),
        level=level,
    )


def compare_counts(*, both: int, lost: int, gained: int, neither: int, level: float = 0.95) -> PairedComparison:
    """The same from how many questions were right in both, in the first only, in the second only, in neither.

    Drawing n questions with replacement is drawing these four counts from a multinomial distribution.

    Raises:
        ValueError: there are no questions.
    """
    counts = np.array([gained, lost, both + neither])
    n = int(counts.sum())
    if n == 0:
        raise ValueError("There are no questions that both settings have answered.")
    test = mcnemar([[both, lost], [gained, neither]], exact=True)
    p_value = float(test.pvalue) if gained + lost else 1.0
    drawn = np.random.default_rng(_SEED).multinomial(n, counts / n, RESAMPLES)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, [(1 - level) / 2, (1 + level) / 2])
    return PairedComparison((gained - lost) / n, float(low), float(high), p_value, gained, lost, n)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values corrected for their number, over the points of a curve for instance (Holm 1979)."""
    if not p_values:
        return ()
    return tuple(float(each) for each in multipletests(list(p_values), method="holm")[1])


def macro_average(sets: Mapping[str, tuple[int, int]], level: float = 0.95) -> Proportion:
    """Mean of the accuracies of several question sets, each counting the same however large.

    The interval is a percentile bootstrap that draws questions within each set: the sets are what they are, and no
    sample of others. Drawing n verdicts with replacement is one draw from a binomial distribution.

    Args:
        sets: name to how many verdicts are right, and how many there are.
        level: of the interval.
    """
    counts = [(correct, n) for correct, n in sets.values() if n]
    if not counts:
        return Proportion(math.nan, 0.0, 1.0, 0)
    chance = np.random.default_rng(_SEED)
    drawn = np.mean([chance.binomial(n, correct / n, RESAMPLES) / n for correct, n in counts], axis=0)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    value = float(np.mean([correct / n for correct, n in counts]))
    return Proportion(value, float(low), float(high), sum(n for _, n in counts))


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

    By the normal approximation to McNemar's test (Connor 1987). NaN where n is too small for any.

    Args:
        n: questions.
        share_that_differs: of the questions on which the two settings disagree, 0-1.
        power: chance to find the difference when it is there.
        level: 1 less the significance level, two-sided.
    """
    alpha_z, power_z = norm.ppf((1 + level) / 2), norm.ppf(power)

    def needed(difference: float) -> float:
        spread = math.sqrt(max(share_that_differs - difference**2, 0.0))
        return float(((alpha_z * math.sqrt(share_that_differs) + power_z * spread) / difference) ** 2)

    low, high = 0.0, share_that_differs
    if needed(high) > n:
        return math.nan
    for _ in range(60):  # n needed falls as the difference grows
        middle = (low + high) / 2
        low, high = (middle, high) if needed(middle) > n else (low, middle)
    return high
