"""Intervals and comparisons of accuracies, on statsmodels and scipy. Import it late: they take seconds to load.

Intervals are 95% by default. A verdict is True or False; unanswered counts as False.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.stats import norm, t
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from m1app.benchmark.intervals import PairedComparison, Proportion, wilson

RESAMPLES = 1999
_SEED = 20_250_400

_MOST_KINDS = 10
"""Of clusters that are drawn kind by kind; with more kinds, a shared draw of all clusters is faster."""
_MOST_SHARED = 1_000
"""Clusters of which a draw is kept, which takes 16 MB."""

_Clusters = Counter[tuple[float, int]]
"""Number of clusters by (right verdicts, verdicts); the first is no whole number where a chance stands for verdicts."""


def accuracy(correct: int, n: int, level: float = 0.95) -> Proportion:
    """Share of right answers with its Wilson score interval (Wilson 1927)."""
    return wilson(correct, n, level)


def compare_paired(first: Sequence[bool], second: Sequence[bool], level: float = 0.95) -> PairedComparison:
    """Compare two cells or two models on the same questions.

    Args:
        first: verdicts, one per question.
        second: verdicts of the same questions in the same order.
        level: confidence level.

    Raises:
        ValueError: the sequences are empty or differ in length.
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
    """Like `compare_paired`, from counts: right in both, in the first only, in the second only, in neither.

    Drawing n questions with replacement amounts to drawing these four counts from a multinomial distribution.

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
        # The bootstrap never draws changes that did not occur, so its interval is too narrow.
        surer = adjusted_wald(gained, lost, n, level)
        low, high = min(low, surer[0]), max(high, surer[1])
    return PairedComparison((gained - lost) / n, float(low), float(high), p_value, gained, lost, n)


def adjusted_wald(gained: float, lost: float, n: int, level: float) -> tuple[float, float]:
    """Limits of a paired difference (Bonett and Price 2012): adds one to each kind of change.

    Args:
        gained: questions right only in the second; a part of one where chances are compared.
        lost: likewise in the first.
        n: questions.
        level: confidence level.
    """
    one, other = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    middle = one - other
    spread = float(norm.ppf((1 + level) / 2)) * math.sqrt((one + other - middle**2) / (n + 2))
    return max(-1.0, middle - spread), min(1.0, middle + spread)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Correct p-values for multiple comparisons, such as the points of a curve (Holm 1979)."""
    if not p_values:
        return ()
    order, many = np.argsort(p_values, kind="stable"), len(p_values)
    stepped = np.maximum.accumulate(np.asarray(p_values)[order] * (many - np.arange(many)))
    corrected = np.empty(many)
    corrected[order] = np.minimum(stepped, 1.0)
    return tuple(corrected.tolist())


def macro_average(sets: Mapping[str, tuple[int, int]], level: float = 0.95) -> Proportion:
    """Unweighted mean of the accuracies of several question sets.

    The interval is that of `clustered_macro_average`.

    Args:
        sets: name to (right verdicts, verdicts).
        level: confidence level.
    """
    return _mean_over_sets([Counter({(1, 1): right, (0, 1): n - right}) for right, n in sets.values()], level, "beta")


def clustered_macro_average(sets: Mapping[str, Sequence[tuple[int, int]]], level: float = 0.95) -> Proportion:
    """The macro average of questions that were each asked several times.

    The interval contains a percentile bootstrap that draws questions within each set: the sets are fixed, not a sample
    of sets. It also contains the sets' own limits (Korn and Graubard 1998), combined by MOVER (Zou, Huang and Zhang
    2009), because the bootstrap has no spread if all questions of a set agree. The limits are exact rather than
    Wilson's: for seven sets of five questions, Wilson's combine to an interval that covers 86 to 91%.

    Args:
        sets: name to (right verdicts, verdicts) of each question.
        level: confidence level.
    """
    return _mean_over_sets([Counter(questions) for questions in sets.values()], level, "beta")


def clustered_accuracy(verdicts: Sequence[bool], clusters: Sequence[str], level: float = 0.95) -> Proportion:
    """Accuracy with an interval that accounts for clustered verdicts.

    The interval contains a percentile bootstrap over clusters, and Wilson's interval at the effective number of
    verdicts (Dean and Pagano 2015), which is the number of clusters if the verdicts in each agree.

    Args:
        verdicts: one per answer.
        clusters: the question or source of each; several seeds of a question form one cluster.
        level: confidence level.

    Raises:
        ValueError: clusters and verdicts differ in number.
    """
    if len(verdicts) != len(clusters):
        raise ValueError(f"{len(verdicts)} verdicts and {len(clusters)} clusters; give the cluster of each verdict.")
    right = Counter(cluster for cluster, verdict in zip(clusters, verdicts, strict=True) if verdict)
    sizes = Counter(clusters)
    return _mean_over_sets([Counter((right[cluster], size) for cluster, size in sizes.items())], level, "wilson")


def mean_chance(chances: np.ndarray, passes: int, level: float = 0.95) -> Proportion:
    """Mean over questions of the chance of a right answer, with the interval of `clustered_accuracy`.

    A question whose passes are right by half has the same interval whether its passes or its chance are given.

    Args:
        chances: [questions], 0-1; at least one.
        passes: passes per question, on which the chances rest.
        level: confidence level.
    """
    right = np.round(chances * passes, 9).tolist()
    return _mean_over_sets([Counter((each, passes) for each in right)], level, "wilson")


def clustered_wilson(right: Sequence[int], level: float = 0.95) -> Proportion:
    """Share of right answers with Wilson's interval at the effective number of questions, without a bootstrap.

    Args:
        right: number of questions by their right passes: none, one, and so on up to all passes.
        level: confidence level.
    """
    passes = len(right) - 1
    clusters: _Clusters = Counter({(each, passes): count for each, count in enumerate(right) if count})
    return _share(clusters, level, "wilson") if clusters else wilson(0, 0)


def _mean_over_sets(sets: Sequence[_Clusters], level: float, method: Literal["beta", "wilson"]) -> Proportion:
    """Mean of the sets' shares, with the hull of the cluster bootstrap's and the MOVER interval."""
    filled = [each for each in sets if _verdicts(each)]
    if not filled:
        return Proportion(math.nan, 0.0, 1.0, 0)
    shares = [_share(each, level, method) for each in filled]
    value = math.fsum(each.value for each in shares) / len(shares)
    low = value - math.hypot(*(each.value - each.low for each in shares)) / len(shares)
    high = value + math.hypot(*(each.high - each.value for each in shares)) / len(shares)
    chance = np.random.default_rng(_SEED)
    drawn = np.mean([_draw_shares(each, chance) for each in filled], axis=0)
    # This rule needs (RESAMPLES + 1) times the tail to be a whole number (Davison and Hinkley 1997).
    tails = [(1 - level) / 2, (1 + level) / 2]
    drawn_low, drawn_high = np.quantile(drawn, tails, method="weibull")
    low, high = max(0.0, min(low, float(drawn_low))), min(1.0, max(high, float(drawn_high)))
    return Proportion(value, low, high, sum(each.n for each in shares), sum(each.questions for each in shares))


def _share(clusters: _Clusters, level: float, method: Literal["beta", "wilson"]) -> Proportion:
    n = _verdicts(clusters)
    value = sum(right * count for (right, _), count in clusters.items()) / n
    size = _effective_size(clusters, level)
    low, high = proportion_confint(value * size, size, alpha=1 - level, method=method)
    return Proportion(value, float(low), float(high), n, clusters.total())


def _draw_shares(clusters: _Clusters, chance: np.random.Generator) -> np.ndarray:
    """Shares of resamples [RESAMPLES]; drawing clusters with replacement amounts to drawing the count of each kind."""
    # Sorted, so that the same questions have the same interval in whatever order they come.
    kinds = sorted(clusters)
    counts = np.array([clusters[kind] for kind in kinds])
    if counts.sum() <= _MOST_SHARED and len(kinds) > _MOST_KINDS:
        drawn = _resamples(int(counts.sum()), RESAMPLES) @ np.repeat(np.array(kinds), counts, axis=0)
    else:
        drawn = chance.multinomial(counts.sum(), counts / counts.sum(), RESAMPLES) @ np.array(kinds)
    return np.asarray(drawn[:, 0] / drawn[:, 1])


@lru_cache(maxsize=4)  # A table has many means over the same questions.
def _resamples(clusters: int, many: int) -> np.ndarray:
    """How often each cluster is in each resample [many, clusters]."""
    drawn = np.random.default_rng(_SEED).integers(clusters, size=(many, clusters))
    drawn += np.arange(many)[:, None] * clusters
    return np.bincount(drawn.ravel(), minlength=many * clusters).reshape(many, clusters).astype(np.float64)


def _effective_size(clusters: _Clusters, level: float) -> float:
    """Equivalent number of independent verdicts, from the spread between clusters (Korn and Graubard 1998).

    At least the value if verdicts in a cluster always agreed (Kish 1965), which is the number of clusters if they have
    equal size, and at most the number of verdicts. Without any spread it is the minimum.
    """
    n, k = _verdicts(clusters), clusters.total()
    right = sum(right * count for (right, _), count in clusters.items())
    least = n**2 / sum(size**2 * count for (_, size), count in clusters.items())
    # Clusters that agree have exactly zero spread, which rounding must not hide.
    squares = sum((each * n - right * size) ** 2 * count for (each, size), count in clusters.items())
    if k < 2 or len({each / size for (each, size), count in clusters.items() if count}) < 2:
        return least
    variance = squares / n**4 * k / (k - 1)
    share = right / n
    return float(min(max(least, _few_clusters(k, level) * share * (1 - share) / variance), n))


@lru_cache(maxsize=4096)  # The cells of a study ask it of the same few sets, and it takes longer than all the rest.
def _few_clusters(k: int, level: float) -> float:
    """By how much k clusters are worth less, as their spread is estimated from them."""
    return float((norm.ppf((1 + level) / 2) / t.ppf((1 + level) / 2, k - 1)) ** 2)


def _verdicts(clusters: _Clusters) -> int:
    return sum(size * count for (_, size), count in clusters.items())


def minimum_detectable_difference(
    n: int, share_that_differs: float = 0.2, power: float = 0.8, level: float = 0.95
) -> float:
    """The smallest difference of two accuracies on the same n questions that a test is likely to find.

    By the normal approximation to McNemar's test (Connor 1987). NaN if n is too small for any difference.

    Args:
        n: number of questions.
        share_that_differs: share of questions on which the two settings disagree, 0-1.
        power: probability of detecting an existing difference.
        level: 1 minus the two-sided significance level.
    """

    def needed(difference: float) -> float:
        return _questions(difference, share_that_differs, power, level)

    low, high = 0.0, share_that_differs
    if needed(high) > n:
        return math.nan
    for _ in range(60):  # the required n falls as the difference grows
        middle = (low + high) / 2
        low, high = (middle, high) if needed(middle) > n else (low, middle)
    return high


def questions_to_detect(difference: float, share_that_differs: float, power: float = 0.8, level: float = 0.95) -> int:
    """How many questions show a difference of two accuracies: the inverse of `minimum_detectable_difference`.

    Args:
        difference: above 0, at most `share_that_differs`.
        share_that_differs: share of questions on which the two settings disagree, 0-1.
        power: probability of detecting the difference.
        level: 1 minus the two-sided significance level.
    """
    return math.ceil(_questions(difference, share_that_differs, power, level))


def _questions(difference: float, share_that_differs: float, power: float, level: float) -> float:
    alpha_z, power_z = norm.ppf((1 + level) / 2), norm.ppf(power)
    spread = math.sqrt(max(share_that_differs - difference**2, 0.0))
    return float(((alpha_z * math.sqrt(share_that_differs) + power_z * spread) / difference) ** 2)
