"""Numbers with their uncertainty, as plain values; `statistics` computes those that need a library."""

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

FEW_QUESTIONS = 30
"""Below this, an accuracy is shown with a caution: its interval spans a third of the scale."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share with its interval."""

    value: float
    """0 to 1; NaN if there is no data."""
    low: float
    high: float
    n: int
    """Verdicts."""
    clusters: int | None = None
    """Questions that they are of, where one may have several; None if each is of another."""

    @property
    def questions(self) -> int:
        """Number of questions: what decides whether an accuracy carries a caution."""
        return self.n if self.clusters is None else self.clusters


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two settings on the same questions."""

    difference: float
    """Accuracy of the second minus that of the first."""
    low: float
    """Lower limit of the percentile bootstrap interval over questions."""
    high: float
    p_value: float
    """From the exact two-sided McNemar test; 1 if no question differs."""
    gained: int
    """Wrong in the first, right in the second."""
    lost: int
    """Right in the first, wrong in the second."""
    n: int


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Two ways of answering the same questions, each with a chance of a right answer to each question."""

    difference: float
    """Mean chance of the first minus that of the second."""
    low: float
    high: float
    p_value: float
    """Two-sided, see `paired_bootstrap.paired_difference`; 1 if no question differs."""


def wilson(correct: float, n: int, level: float = 0.95) -> Proportion:
    """Share of right answers with its Wilson score interval (Wilson 1927); a question right now and then is a part."""
    if n == 0:
        return Proportion(math.nan, 0.0, 1.0, 0)
    z = _deviations(level)
    share, weight = correct / n, z * z / n
    middle = share + weight / 2
    spread = z * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    low, high = (middle - spread) / (1 + weight), (middle + spread) / (1 + weight)
    # Rounding must not leave a limit just beyond the share that it belongs to.
    return Proportion(share, max(0.0, min(low, share)), min(1.0, max(high, share)), n)


@cache
def _deviations(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)
