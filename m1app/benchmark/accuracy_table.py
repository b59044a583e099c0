"""Our table in both readings: at one thinking budget, and at the best of all budgets as the paper's table has it.

The second one is optimistic, since the budget is chosen on the very questions that are scored. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from m1app.benchmark.queries import CellSummary


@dataclass(frozen=True, slots=True)
class Reading:
    """One number of the table."""

    value: float
    """Accuracy, 0-1."""
    low: float | None
    """Of its 95% interval; None where there is none."""
    high: float | None
    n: int
    budget_tokens: int | None
    """Where it was read; None for a mean over sets read at budgets of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRow:
    """A model of a run with a number of force rounds."""

    run_id: str
    model: str
    force_rounds: int
    budget_tokens: int
    """Of the first reading."""
    at_budget: Mapping[str, Reading]
    """Question set to reading at the chosen budget; "" is the macro average."""
    at_best: Mapping[str, Reading]
    """The same at each set's best budget; the lowest of equally good ones."""


def reading_rows(cells: Sequence[CellSummary], budget_tokens: int) -> tuple[ReadingRow, ...]:
    """A row for each run, model and number of force rounds, in the order in which they come.

    Args:
        cells: of all chosen runs, macro averages among them.
        budget_tokens: of the first reading.
    """
    owners = dict.fromkeys((cell.run_id, cell.model, cell.force_rounds) for cell in cells)
    rows = []
    for run_id, model, force_rounds in owners:
        own = [c for c in cells if (c.run_id, c.model, c.force_rounds) == (run_id, model, force_rounds) and c.n]
        rows.append(
            ReadingRow(
                run_id=run_id,
                model=model,
                force_rounds=force_rounds,
                budget_tokens=budget_tokens,
                at_budget={c.question_set: _reading(c) for c in own if c.budget_tokens == budget_tokens},
                at_best=_best(own),
            )
        )
    return tuple(rows)


def _best(cells: Sequence[CellSummary]) -> dict[str, Reading]:
    best: dict[str, Reading] = {}
    for cell in sorted(cells, key=lambda c: (-c.accuracy.value, c.budget_tokens)):
        best.setdefault(cell.question_set, _reading(cell))
    if "" in best:
        # As the paper's average: the mean of the sets' maxima, and not the maximum of the means.
        own = [reading for name, reading in best.items() if name]
        best[""] = Reading(fmean(each.value for each in own), None, None, sum(each.n for each in own), None)
    return best


def _reading(cell: CellSummary) -> Reading:
    return Reading(cell.accuracy.value, cell.accuracy.low, cell.accuracy.high, cell.n, cell.budget_tokens)
