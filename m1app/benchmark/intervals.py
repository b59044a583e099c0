"""Numbers with their uncertainty, as plain values; `statistics` computes them."""

from dataclasses import dataclass


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
