"""Statistics of claims: paired tests on the same questions, and tests of a share. Import it late: scipy loads slowly.

A claim is tested twice, one-sided: `p` is small if the claim holds, `p_against` if its opposite does. Both are compared
with the same level, `ALPHA`: a claim tested alone holds if its 95% interval lies on the right side of its bound.

A study that is extended with questions is looked at several times. Then look k has the level ALPHA / (k (k + 1)). These
levels add up to ALPHA over any number of looks, so that by Boole's inequality it bounds the chance that a wrong
claim ever holds, whatever decides when to stop (error spending: Lan and DeMets 1983; these levels need no last look).
The intervals of look k have the level 1 - 2 ALPHA / (k (k + 1)), and so hold at all looks together.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest, norm

from m1app.benchmark.intervals import wilson
from m1app.benchmark.statistics import compare_counts, minimum_detectable_difference
from m1app.studies.study_file import ClaimKind

ALPHA = 0.025
_POWER = 0.8

MCNEMAR = "exact McNemar test"
WALD = "paired Wald test with one question added to each kind of change (Bonett and Price 2012)"
CLUSTERED = "paired Wald test on the questions' means over passes (Bonett and Price 2012)"
BINOMIAL = "exact binomial test"

Scores = Mapping[tuple[str, str], tuple[int, int]]
"""See `storage.benchmarks.question_scores.QuestionScores`."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A claim's numbers, before they are corrected for the other claims."""

    estimate: float
    low: float
    high: float
    n: int
    test: str
    p: float
    p_against: float
    gained: float
    """Questions that only the second setting has right; for a share, what is counted."""
    lost: float
    """Questions that only the first has right; for a share, the rest."""
    difference_to_find: float | None
    before: "Tested | None" = None
    """Of kind "saturates": the gain up to the second setting."""
    over_sets: "SetMean | None" = None
    """The same difference, every set counted alike; None for a share, or of one set."""


@dataclass(frozen=True, slots=True)
class SetMean:
    """The mean over sets of the mean difference within each, with its interval; it decides nothing."""

    sets: int
    estimate: float
    low: float
    high: float


def alpha_of_look(look: int) -> float:
    """The level of a look at a study that may be extended; the first is 1."""
    return ALPHA / (look * (look + 1))


def examine_sides(kind: ClaimKind, sides: Sequence[Scores], margin: float, alpha: float = ALPHA) -> Tested | None:
    """Test a claim about settings, on the questions that all of them were asked.

    Args:
        kind: any but "one-fact-explains".
        sides: the scores of the claim's settings, in its order.
        margin: the smallest difference that would matter, 0-1.
        alpha: level of each one-sided test; intervals have the level 1 - 2 alpha.

    Returns:
        None if no question was asked at all settings.
    """
    if not sides:
        return None
    shared = sorted(set.intersection(*(set(side) for side in sides)))
    if not shared:
        return None
    shares = [np.array([side[key][0] / side[key][1] for key in shared]) for side in sides]
    is_single = all(side[key][1] == 1 for side in sides for key in shared)
    if kind is ClaimKind.BREAKS:
        return _of_breaks(shares[0], shares[1], margin, alpha)
    if kind is ClaimKind.SATURATES:
        rise = _of_pair(ClaimKind.GAIN, shares[1] - shares[0], margin, alpha, is_single=is_single)
        flat = _of_pair(ClaimKind.NO_GAIN, shares[2] - shares[1], margin, alpha, is_single=is_single)
        # Both must hold (an intersection-union test, Berger 1982); either may fail (Bonferroni).
        p, against = max(rise.p, flat.p), min(1.0, 2 * min(rise.p_against, flat.p_against))
        over_sets = mean_over_sets([key[0] for key in shared], shares[2] - shares[1], 1 - 2 * alpha)
        test = f"{rise.test}; {flat.test}"
        return replace(flat, p=p, p_against=against, before=rise, test=test, over_sets=over_sets)
    differences = shares[1] - shares[0]
    over_sets = mean_over_sets([key[0] for key in shared], differences, 1 - 2 * alpha)
    return replace(_of_pair(kind, differences, margin, alpha, is_single=is_single), over_sets=over_sets)


def mean_over_sets(names: Sequence[str], differences: np.ndarray, level: float) -> SetMean | None:
    """The mean over sets of their mean differences, as the paper's tables have it; None of one set.

    The sets are taken as given, so the variance is that of a stratified mean: the sum of the sets' variances over the
    square of their number. Each is that of `_adjusted`, which keeps a set that did not change from looking certain.

    Args:
        names: the set of each question; those of a set follow each other.
        differences: of each question, -1 to 1.
        level: of the interval, 0-1.
    """
    counts = Counter(names)
    if len(counts) < 2:
        return None
    by_set = np.split(differences, np.cumsum(list(counts.values()))[:-1])
    adjusted = [_adjusted(each) for each in by_set]
    middle = sum(mean for mean, _ in adjusted) / len(adjusted)
    spread = math.sqrt(sum(error**2 for _, error in adjusted)) / len(adjusted)
    width = float(norm.ppf((1 + level) / 2)) * spread
    estimate = float(np.mean([each.mean() for each in by_set]))
    return SetMean(len(by_set), estimate, max(-1.0, middle - width), min(1.0, middle + width))


def examine_share(count: int, n: int, bound: float, alpha: float = ALPHA) -> Tested:
    """Test whether more than a share `bound` of `n` are counted; n is at least 1."""
    shown = wilson(count, n, 1 - 2 * alpha)
    return Tested(
        estimate=shown.value,
        low=shown.low,
        high=shown.high,
        n=n,
        test=BINOMIAL,
        p=float(binomtest(count, n, bound, alternative="greater").pvalue),
        p_against=float(binomtest(count, n, bound, alternative="less").pvalue),
        gained=count,
        lost=n - count,
        difference_to_find=_share_to_find(n, bound, alpha),
    )


def _of_breaks(first: np.ndarray, second: np.ndarray, margin: float, alpha: float) -> Tested | None:
    """Of the questions that are right in most passes of the first, those that are not in most of the second."""
    was_right = first > 0.5
    if not was_right.any():
        return None
    return examine_share(int(np.sum(second[was_right] <= 0.5)), int(was_right.sum()), margin, alpha)


def _of_pair(kind: ClaimKind, differences: np.ndarray, margin: float, alpha: float, *, is_single: bool) -> Tested:
    gained, lost = float(differences.clip(min=0).sum()), float((-differences).clip(min=0).sum())
    if kind is ClaimKind.NO_GAIN:
        p, against = _below(differences, margin), _above(differences, margin)
    elif kind is ClaimKind.HARM:
        p, against = _no_change(-differences, is_single=is_single), _above(differences, -margin)
    else:
        p, against = _no_change(differences, is_single=is_single), _below(differences, margin)
    low, high = _interval(differences, gained, lost, 1 - 2 * alpha, is_single=is_single)
    of_change = MCNEMAR if is_single else CLUSTERED
    of_margin = WALD if is_single else CLUSTERED
    return Tested(
        estimate=float(differences.mean()),
        low=low,
        high=high,
        n=len(differences),
        test=of_margin if kind is ClaimKind.NO_GAIN else of_change,
        p=p,
        p_against=against,
        gained=gained,
        lost=lost,
        difference_to_find=_difference_to_find(len(differences), gained + lost, 1 - 2 * alpha),
    )


def _no_change(differences: np.ndarray, *, is_single: bool) -> float:
    """One-sided p-value of a mean difference of at most 0."""
    if not is_single:
        return _above(differences, 0.0)
    gained, lost = int(np.sum(differences > 0)), int(np.sum(differences < 0))
    return float(binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue) if gained + lost else 1.0


def _above(differences: np.ndarray, bound: float) -> float:
    """One-sided p-value of a mean difference of at most `bound`."""
    middle, spread = _adjusted(differences)
    return float(norm.sf((middle - bound) / spread))


def _below(differences: np.ndarray, bound: float) -> float:
    """One-sided p-value of a mean difference of at least `bound`."""
    middle, spread = _adjusted(differences)
    return float(norm.cdf((middle - bound) / spread))


def _adjusted(differences: np.ndarray) -> tuple[float, float]:
    """Mean difference and its standard error, with a question added that gains and one that loses."""
    with_two = np.concatenate([differences, [1.0, -1.0]])
    return float(with_two.mean()), float(with_two.std() / math.sqrt(len(with_two)))


def _interval(
    differences: np.ndarray, gained: float, lost: float, level: float, *, is_single: bool
) -> tuple[float, float]:
    if is_single:
        same = len(differences) - round(gained + lost)
        compared = compare_counts(both=same, lost=round(lost), gained=round(gained), neither=0, level=level)
        return compared.low, compared.high
    middle, spread = _adjusted(differences)
    width = float(norm.ppf((1 + level) / 2)) * spread
    return max(-1.0, middle - width), min(1.0, middle + width)


def _difference_to_find(n: int, changed: float, level: float) -> float | None:
    """By the share of questions that changed here."""
    found = minimum_detectable_difference(n, min(1.0, (changed + 2) / (n + 2)), _POWER, level)
    return None if math.isnan(found) else found


def _share_to_find(n: int, bound: float, alpha: float) -> float | None:
    """How far above `bound` a share has to be to be found, by the normal approximation; None if no share is."""
    alpha_z, power_z = float(norm.isf(alpha)), float(norm.ppf(_POWER))

    def is_found(share: float) -> bool:
        spread = alpha_z * math.sqrt(bound * (1 - bound)) + power_z * math.sqrt(share * (1 - share))
        return (share - bound) * math.sqrt(n) >= spread

    low, high = bound, 1.0
    if not is_found(high):
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high - bound
