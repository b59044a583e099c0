"""What is said about agreement: values only, so that a page can show them without the statistics libraries."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A coefficient with its interval."""

    value: float | None
    """1 is full agreement, 0 what chance gives (F1: none); None when it cannot be said, see `note`."""
    low: float | None
    """Of the 95% percentile bootstrap interval over the cases."""
    high: float | None
    items: int
    """Cases that it comes from."""
    note: str = ""
    """Why there is no value; empty when there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementReport:
    """How far annotators agree on the cases that several have submitted."""

    annotators: tuple[str, ...]
    cases: int
    """Submitted by two or more."""
    method: str
    """Which coefficient the labels and `any_error` have, in words."""
    by_label: Mapping[str, Estimate]
    """Whether a case carries the label, by label id."""
    any_error: Estimate
    """Whether a case carries any label."""
    severity: Estimate
    """The worst severity in a case, none when nothing is marked."""
    span_f1: Estimate
    """Marked characters of thinking and answer; only cases where somebody marked a span."""
