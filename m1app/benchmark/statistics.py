"""Intervals and comparisons of accuracies, on statsmodels and scipy. Import it late: they take seconds to load.

All intervals are 95% unless a level is given. A verdict is True or False; unanswered counts as False.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.stats import norm, t
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from m1app.benchmark.intervals import PairedComparison, Proportion

RESAMPLES = 1999
_SEED = 20_250_400

_Clusters = Counter[tuple[int, int]]
"""How many clusters have (right verdicts, verdicts)."""


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
        raise ValueError("No question has been answered at both settings.")
    test = mcnemar([[both, lost], [gained, neither]], exact=True)
    p_value = float(test.pvalue) if gained + lost else 1.0
    drawn = np.random.default_rng(_SEED).multinomial(n, counts / n, RESAMPLES)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, [(1 - level) / 2, (1 + level) / 2])
    if not gained or not lost:
        # What did not happen once is never drawn, so the bootstrap is too sure.
        surer = _adjusted_wald(gained, lost, n, level)
        low, high = min(low, surer[0]), max(high, surer[1])
    return PairedComparison((gained - lost) / n, float(low), float(high), p_value, gained, lost, n)


def _adjusted_wald(gained: int, lost: int, n: int, level: float) -> tuple[float, float]:
    """Limits of a paired difference (Bonett and Price 2012): each kind of change is counted once more."""
    one, other = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    middle = one - other
    spread = float(norm.ppf((1 + level) / 2)) * math.sqrt((one + other - middle**2) / (n + 2))
    return max(-1.0, middle - spread), min(1.0, middle + spread)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values corrected for their number, over the points of a curve for instance (Holm 1979)."""
    if not p_values:
        return ()
    return tuple(float(each) for each in multipletests(list(p_values), method="holm")[1])


def macro_average(sets: Mapping[str, tuple[int, int]], level: float = 0.95) -> Proportion:
    """Mean of the accuracies of several question sets, each counting the same however large.

    The interval is that of `clustered_macro_average`.

    Args:
        sets: name to how many verdicts are right, and how many there are.
        level: of the interval.
    """
    return _mean_over_sets([Counter({(1, 1): right, (0, 1): n - right}) for right, n in sets.values()], level, "beta")


def clustered_macro_average(sets: Mapping[str, Sequence[tuple[int, int]]], level: float = 0.95) -> Proportion:
    """The same of questions that were asked several times each.

    The interval holds a percentile bootstrap that draws questions within each set: the sets are what they are, and no
    sample of others. It also holds the sets' own limits (Korn and Graubard 1998), combined by MOVER (Zou, Huang and
    Zhang 2009), because a bootstrap has no spread where the questions of a set agree. The limits are exact rather than
    Wilson's: of seven sets of five questions Wilson's combine to one that covers 86 to 91%.

    Args:
        sets: name to (how many verdicts are right, how many there are) of each question.
        level: of the interval.
    """
    return _mean_over_sets([Counter(questions) for questions in sets.values()], level, "beta")


def clustered_accuracy(verdicts: Sequence[bool], clusters: Sequence[str], level: float = 0.95) -> Proportion:
    """Accuracy with an interval that knows that verdicts of one cluster belong together.

    The interval holds a percentile bootstrap that draws clusters, and Wilson's at the effective number of verdicts
    (Dean and Pagano 2015), which is the number of clusters where all of them agree.

    Args:
        verdicts: one per answer.
        clusters: the question, or the source, of each; several seeds of a question are one cluster.
        level: of the interval.

    Raises:
        ValueError: not as many clusters as verdicts.
    """
    if len(verdicts) != len(clusters):
        raise ValueError(f"{len(verdicts)} verdicts and {len(clusters)} clusters; give the cluster of each verdict.")
    right = Counter(cluster for cluster, verdict in zip(clusters, verdicts, strict=True) if verdict)
    sizes = Counter(clusters)
    return _mean_over_sets([Counter((right[cluster], size) for cluster, size in sizes.items())], level, "wilson")


def _mean_over_sets(sets: Sequence[_Clusters], level: float, method: Literal["beta", "wilson"]) -> Proportion:
    """Mean of the sets' shares with the hull of the cluster bootstrap's interval and the MOVER of the sets' limits."""
    filled = [each for each in sets if _verdicts(each)]
    if not filled:
        return Proportion(math.nan, 0.0, 1.0, 0)
    shares = [_share(each, level, method) for each in filled]
    value = math.fsum(each.value for each in shares) / len(shares)
    low = value - math.hypot(*(each.value - each.low for each in shares)) / len(shares)
    high = value + math.hypot(*(each.high - each.value for each in shares)) / len(shares)
    chance = np.random.default_rng(_SEED)
    drawn = np.mean([_draw_shares(each, chance) for each in filled], axis=0)
    # RESAMPLES + 1 times a tail is a whole number, which this rule needs (Davison and Hinkley 1997).
    tails = [(1 - level) / 2, (1 + level) / 2]
    drawn_low, drawn_high = np.quantile(drawn, tails, method="weibull")
    low, high = max(0.0, min(low, float(drawn_low))), min(1.0, max(high, float(drawn_high)))
    return Proportion(value, low, high, sum(each.n for each in shares))


def _share(clusters: _Clusters, level: float, method: Literal["beta", "wilson"]) -> Proportion:
    n = _verdicts(clusters)
    value = sum(right * count for (right, _), count in clusters.items()) / n
    size = _effective_size(clusters, level)
    low, high = proportion_confint(value * size, size, alpha=1 - level, method=method)
    return Proportion(value, float(low), float(high), n)


def _draw_shares(clusters: _Clusters, chance: np.random.Generator) -> np.ndarray:
    """Shares of resamples [RESAMPLES]; drawing clusters with replacement is drawing how many are of each kind."""
    counts = np.array(list(clusters.values()))
    drawn = chance.multinomial(counts.sum(), counts / counts.sum(), RESAMPLES) @ np.array(list(clusters))
    return np.asarray(drawn[:, 0] / drawn[:, 1])


def _effective_size(clusters: _Clusters, level: float) -> float:
    """As how many independent verdicts these tell, by the spread between clusters (Korn and Graubard 1998).

    At least as if the verdicts of a cluster always agreed (Kish 1965), which is the number of clusters where these are
    equally large, and at most the number of verdicts. Without any spread it is the least.
    """
    n, k = _verdicts(clusters), clusters.total()
    right = sum(right * count for (right, _), count in clusters.items())
    least = n**2 / sum(size**2 * count for (_, size), count in clusters.items())
    # In whole numbers, so that clusters that agree have no spread at all.
    squares = sum((each * n - right * size) ** 2 * count for (each, size), count in clusters.items())
    if k < 2 or not squares:
        return least
    variance = squares / n**4 * k / (k - 1)
    few = (norm.ppf((1 + level) / 2) / t.ppf((1 + level) / 2, k - 1)) ** 2
    share = right / n
    return float(min(max(least, few * share * (1 - share) / variance), n))


def _verdicts(clusters: _Clusters) -> int:
    return sum(size * count for (_, size), count in clusters.items())


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
