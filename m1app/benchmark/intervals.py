"""Numbers with their uncertainty, as plain values; `statistics` computes them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share with its interval."""

    value: float
    """0 to 1; NaN if there is no data."""
    low: float
    high: float
    n: int


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
    """Two-sided, see `statistics.paired_difference`; 1 if no question differs."""
