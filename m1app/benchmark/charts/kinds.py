"""The kinds of chart, and what each is called.

A new kind is also offered by `m1app/ui/benchmarks/page.html` and explained by `NOTES` of `view.js` there; where a cell
stands in it is decided by `lines.axes` and `panels`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Chart(StrEnum):
    """What a chart shows against what."""

    BUDGET = "budget"
    """Accuracy against thinking budget."""
    ROUNDS = "rounds"
    """Accuracy against force rounds."""
    COST = "cost"
    """Accuracy against tokens of a run of the cell alone."""
    THINKING = "thinking"
    """Thinking tokens used against thinking budget."""
    ANSWERED = "answered"
    """Share of questions that got an answer, against thinking budget."""


@dataclass(frozen=True, slots=True)
class ChartWords:
    """What a kind of chart is called."""

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
