"""Agreement results as plain values, so that pages can show them without the statistics libraries."""

from collections.abc import Mapping
from dataclasses import dataclass

FEW_CASES = 30
"""With fewer, a coefficient comes with a caution: its interval is wide, and one case moves it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A coefficient with its interval."""

    value: float | None
    """1 is full agreement, 0 chance level (for F1: none); None if it cannot be computed, see `note`."""
    low: float | None
    """Lower limit of the 95% percentile bootstrap interval over cases."""
    high: float | None
    items: int
    """Number of cases used."""
    note: str = ""
    """Why there is no value; empty if there is one."""

    @property
    def caution(self) -> str:
        """What to keep in mind about the value; empty if there are enough cases."""
        if self.value is None or self.items >= FEW_CASES:
            return ""
        return f"few cases: fewer than {FEW_CASES}; read the interval, not the value"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementReport:
    """Agreement between annotators on cases that several have submitted."""

    annotators: tuple[str, ...]
    cases: int
    """Cases submitted by two or more annotators."""
    method: str
    """Name of the coefficient for the labels and `any_error`."""
    by_label: Mapping[str, Estimate]
    """Agreement on whether a case has the label, by label id."""
    any_error: Estimate
    """Agreement on whether a case has any label."""
    severity: Estimate
    """Agreement on the worst severity in a case, none if nothing is marked."""
    span_f1: Estimate
    """Agreement on marked characters in thinking and answer; only cases with a marked span."""
