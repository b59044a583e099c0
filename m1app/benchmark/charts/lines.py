"""The lines of a benchmark chart: which cells form a line, and in which order. `panels` draws them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.charts.kinds import Chart
from m1app.wording import budget, counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartChoice:
    """Which of the cells to draw; empty selections take all."""

    chart: Chart = Chart.BUDGET
    question_sets: tuple[str, ...] = ("",)
    """Sets with one panel each; "" is the macro average."""
    models: tuple[str, ...] = ()
    force_rounds: int | None = None
    """Lines to draw, by number of rounds; ignored for the chart against rounds."""
    budget_tokens: int | None = None
    """Lines to draw, by budget; only for the chart against rounds."""
    with_paper: bool = False
    """Whether to add the paper's curves as reference lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a chart."""

    run_id: str
    model: str
    fixed: int
    """The force rounds of all its cells, or their budget in a chart against rounds."""
    name: str
    """Label: the run if there are several, the model, and the fixed value if lines differ in it."""
    colour: int
    """Index of run and model, from 0."""
    dash: int
    """Index of the fixed value, from 0."""
    cells: tuple[CellSummary, ...]
    """In ascending order on the axis."""


def series_of(
    cells: Sequence[CellSummary], choice: ChartChoice, question_set: str, run_names: Mapping[str, str]
) -> tuple[Series, ...]:
    """Return the lines of one panel.

    Args:
        cells: the cells of all chosen runs.
        choice: what to draw.
        question_set: the panel's set.
        run_names: id to name of the chosen runs, in the order of their colours.
    """
    place, fixed = axes(choice.chart)
    shown = [cell for cell in cells if is_chosen(cell, choice)]
    # Colours depend on what is shown in any panel, so a line has the same one everywhere.
    order = {run_id: number for number, run_id in enumerate(run_names)}
    owners = list(dict.fromkeys((c.run_id, c.model) for c in sorted(shown, key=lambda c: order.get(c.run_id, 0))))
    fixings = sorted({fixed(cell) for cell in shown})
    made = []
    for owner in owners:
        for value in fixings:
            own = [c for c in shown if (c.run_id, c.model, fixed(c), c.question_set) == (*owner, value, question_set)]
            if own:
                run_name = run_names.get(owner[0], "") if len(run_names) > 1 else ""
                made.append(
                    Series(
                        run_id=owner[0],
                        model=owner[1],
                        fixed=value,
                        name=_name(
                            run_name, own[0].label, _fixed_words(choice.chart, value) if len(fixings) > 1 else ""
                        ),
                        colour=owners.index(owner),
                        dash=fixings.index(value),
                        cells=tuple(sorted(own, key=place)),
                    )
                )
    return tuple(made)


def axes(chart: Chart) -> tuple[Callable[[CellSummary], float], Callable[[CellSummary], int]]:
    """Return a cell's position on the chart's axis, and the value that all cells of a line share."""
    if chart is Chart.ROUNDS:
        return (lambda cell: cell.force_rounds), (lambda cell: cell.budget_tokens)
    return (lambda cell: cell.budget_tokens), (lambda cell: cell.force_rounds)


def is_chosen(cell: CellSummary, choice: ChartChoice) -> bool:
    """Whether a cell belongs to the chosen lines, regardless of its question set."""
    if choice.models and cell.model not in choice.models:
        return False
    if choice.chart is Chart.ROUNDS:
        return choice.budget_tokens in (None, cell.budget_tokens)
    return choice.force_rounds in (None, cell.force_rounds)


def _fixed_words(chart: Chart, value: int) -> str:
    return budget(value) if chart is Chart.ROUNDS else counted(value, "round")


def _name(*parts: str) -> str:
    return " · ".join(filter(None, parts))
