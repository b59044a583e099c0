"""The kinds of chart and their names.

A new kind must also be added to `m1app/ui/benchmarks/page.html` and to `NOTES` in `view.js` there; `lines.axes` and
`panels` position its cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Chart(StrEnum):
    """What a chart plots."""

    BUDGET = "budget"
    """Accuracy against thinking budget."""
    ROUNDS = "rounds"
    """Accuracy against force rounds."""
    COST = "cost"
    """Accuracy against the tokens that running the cell alone would generate."""
    THINKING = "thinking"
    """Thinking tokens used against thinking budget."""
    ANSWERED = "answered"
    """Share of answered questions against thinking budget."""


@dataclass(frozen=True, slots=True)
class ChartWords:
    """Names of a kind of chart."""

    title: str
    """Its heading in a report."""
    x_title: str = "thinking budget in tokens"
    y_title: str = "accuracy, 95% interval"


WORDS: Mapping[Chart, ChartWords] = {
    Chart.BUDGET: ChartWords("Accuracy against thinking budget"),
    Chart.ROUNDS: ChartWords("Accuracy against force rounds", x_title="force rounds"),
    Chart.COST: ChartWords("Accuracy against cost", x_title="mean tokens per question"),
    Chart.THINKING: ChartWords("Thinking tokens used against the budget", y_title="mean thinking tokens used"),
    Chart.ANSWERED: ChartWords("Share of questions answered", y_title="questions answered"),
}
