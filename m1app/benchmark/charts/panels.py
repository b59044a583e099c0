"""A chart for each question set: lines with intervals, the paper's curves, the Pareto front.

Names from users or servers are escaped, since Plotly interprets some HTML in texts. A trace's `meta` has the number of
its colour, which the page maps to a colour for its background. Plotly is not imported here.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from m1app import wording
from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.charts.axes import GREY, chart_layout, error_bars
from m1app.benchmark.charts.kinds import Chart
from m1app.benchmark.charts.lines import ChartChoice, Series, axes, series_of
from m1app.benchmark.paper_figures import SOURCE, PaperCurve, reference_curves
from m1app.benchmark.tables import MACRO_NAME

Figure = dict[str, Any]
"""`data` and `layout`, as Plotly takes them."""

COLOURS = ("#2a7fc4", "#c4651a", "#149070", "#b4558f", "#6d78cf", "#8f8316", "#cc4f5a", "#7d8897")
"""Line colours, distinguishable by colour-blind readers, on white and on black."""

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_LEVEL_DASH = "longdash"
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down")
_HOVER = (
    "<b>%{fullData.name}</b><br>%{customdata[0]}<br>accuracy %{customdata[1]}<br>answered %{customdata[2]}"
    "<br>%{customdata[3]} thinking tokens, %{customdata[4]} in all<extra></extra>"
)
_REFERENCE_HOVER = "<b>%{fullData.name}</b><br>%{x:,} tokens: %{y:.1%}<extra></extra>"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """An entry in the legend."""

    name: str
    colour: int | None
    """Number of its colour; None is grey."""
    dash: str
    """Plotly's name for its dash style."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A chart of one question set."""

    question_set: str
    title: str
    figure: Figure
    key: tuple[KeyEntry, ...]
    note: str
    """Why less is shown than requested; otherwise empty."""


def panels(cells: Sequence[CellSummary], choice: ChartChoice, run_names: Mapping[str, str]) -> tuple[Panel, ...]:
    """Return a panel for each chosen question set that has cells.

    Args:
        cells: the cells of all chosen runs, including macro averages.
        choice: what to draw.
        run_names: id to name of the chosen runs.
    """
    all_sets = tuple(dict.fromkeys(cell.question_set for cell in cells if cell.question_set))
    return tuple(
        _panel(lines, choice, question_set, all_sets)
        for question_set in choice.question_sets
        if (lines := series_of(cells, choice, question_set, run_names))
    )


def escaped_for_plotly(text: str) -> str:
    """Escape `text` so that Plotly shows it literally."""
    return html.escape(text, quote=False)


def _panel(lines: Sequence[Series], choice: ChartChoice, question_set: str, all_sets: Sequence[str]) -> Panel:
    references, note = _references(choice, question_set, all_sets)
    lines, levels, more = _drawable(lines, choice.chart)
    note = f"{note} {more}".strip()
    data = [trace for line in lines for trace in _traces(line, choice.chart)]
    data += [_level(line, choice.chart, _budget_range(lines, references)) for line in levels]
    data += [_reference(curve, number) for number, curve in enumerate(references)]
    key = [KeyEntry(name=line.name, colour=line.colour, dash=_dash(line)) for line in lines]
    key += [KeyEntry(name=_level_name(line), colour=line.colour, dash=_LEVEL_DASH) for line in levels]
    key += [KeyEntry(name=_paper_name(each), colour=None, dash=_paper_dash(i)) for i, each in enumerate(references)]
    if choice.chart is Chart.COST:
        data.append(front([(c.mean_tokens, c.accuracy.value) for line in lines for c in line.cells]))
        key.append(
            KeyEntry(name="Pareto front: no cell is more accurate at the same or lower cost", colour=None, dash="dot")
        )
    if choice.chart is Chart.THINKING:
        data.append(_whole_budget(lines))
        key.append(KeyEntry(name="the whole budget", colour=None, dash="dot"))
    title = question_set or MACRO_NAME
    layout = chart_layout((*lines, *levels), choice.chart, references)
    return Panel(
        question_set=question_set, title=title, figure={"data": data, "layout": layout}, key=tuple(key), note=note
    )


def _drawable(lines: Sequence[Series], chart: Chart) -> tuple[tuple[Series, ...], tuple[Series, ...], str]:
    """The lines of cells that have a place on both axes, those without a budget, and what to say of the others.

    Files of imported runs may state neither budgets nor tokens.
    """
    placed = [(line, [cell for cell in line.cells if _has_place(cell, chart)]) for line in lines]
    levels: list[Series] = []
    if chart in (Chart.BUDGET, Chart.ANSWERED):
        unstated = [(line, [cell for cell in line.cells if not cell.budget_tokens]) for line in lines]
        levels = [replace(line, cells=tuple(cells)) for line, cells in unstated if cells]
    drawn = [replace(line, cells=tuple(cells)) for line, cells in placed if cells]
    kept = {line.name for line in (*drawn, *levels)}
    missing = [line.name for line in lines if line.name not in kept]
    return (
        tuple(drawn),
        tuple(levels),
        f"Not drawn, as its file does not say it: {', '.join(missing)}." if missing else "",
    )


def _has_place(cell: CellSummary, chart: Chart) -> bool:
    if chart is Chart.ROUNDS:
        return True
    x = _x(cell, chart)
    return x > 0 and not math.isnan(_y(cell, chart))  # A comparison with NaN is false.


def _budget_range(lines: Sequence[Series], references: Sequence[PaperCurve]) -> tuple[float, float]:
    budgets = [cell.budget_tokens for line in lines for cell in line.cells if cell.budget_tokens]
    budgets += [budget for curve in references for budget, _ in curve.points]
    low, high = min(budgets, default=1), max(budgets, default=10)
    return (low / 2, low * 2) if low == high else (low, high)


def _level_name(line: Series) -> str:
    return f"{line.name}, budget not stated"


def _level(line: Series, chart: Chart, budgets: tuple[float, float]) -> dict[str, Any]:
    """A level line over all budgets for a cell whose budget nobody knows, with its interval in the middle."""
    cell, (low, high) = line.cells[0], budgets
    y, colour = _y(cell, chart), COLOURS[line.colour % len(COLOURS)]
    is_share = chart is Chart.ANSWERED
    up, down = (0.0, 0.0) if is_share else (cell.accuracy.high - y, y - cell.accuracy.low)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": escaped_for_plotly(_level_name(line)),
        "x": [low, math.sqrt(low * high), high],
        "y": [y, y, y],
        "customdata": [_hover_texts(cell)] * 3,
        "hovertemplate": _HOVER,
        "line": {"color": colour, "width": 2, "dash": _LEVEL_DASH},
        "marker": {"color": colour, "size": [0, 7, 0], "symbol": _SYMBOLS[line.colour % len(_SYMBOLS)]},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [0.0, up, 0.0],
            "arrayminus": [0.0, down, 0.0],
            "color": colour,
            "thickness": 1,
            "width": 3,
        },
        "meta": {"colour": line.colour},
    }


def _references(choice: ChartChoice, question_set: str, all_sets: Sequence[str]) -> tuple[tuple[PaperCurve, ...], str]:
    if not choice.with_paper:
        return (), ""
    if choice.chart is not Chart.BUDGET:
        return (), "The paper only has curves of accuracy against thinking budget."
    found = reference_curves((question_set,) if question_set else all_sets)
    if found:
        return found, f"{SOURCE}: {found[0].n:,} questions, without force rounds, scored by the m1 rule."
    what = f"no figures for {question_set}" if question_set else "not all of these sets"
    return (), f"The paper has {what}."


def _traces(line: Series, chart: Chart) -> list[dict[str, Any]]:
    colour = COLOURS[line.colour % len(COLOURS)]
    x, y = [_x(cell, chart) for cell in line.cells], [_y(cell, chart) for cell in line.cells]
    drawn: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": escaped_for_plotly(line.name),
        "x": x,
        "y": y,
        "customdata": [_hover_texts(cell) for cell in line.cells],
        "hovertemplate": _HOVER,
        "line": {"color": colour, "width": 2, "dash": _dash(line)},
        "marker": {"color": colour, "size": 7, "symbol": _SYMBOLS[line.colour % len(_SYMBOLS)]},
        "meta": {"colour": line.colour},
    }
    if chart in (Chart.THINKING, Chart.ANSWERED):
        return [drawn]
    low, high = [cell.accuracy.low for cell in line.cells], [cell.accuracy.high for cell in line.cells]
    if chart is Chart.BUDGET and len(line.cells) > 1:  # A band over one budget would have no width.
        return [_band(x, low, high, line.colour), drawn]
    drawn["error_y"] = error_bars([cell.accuracy for cell in line.cells], colour)
    return [drawn]


def _band(x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: int) -> dict[str, Any]:
    red, green, blue = (int(COLOURS[colour % len(COLOURS)][i : i + 2], 16) for i in (1, 3, 5))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *reversed(x)],
        "y": [*high, *reversed(low)],
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.13)",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "meta": {"colour": colour, "is_band": True},
    }


def _reference(curve: PaperCurve, number: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": _paper_name(curve),
        "x": [budget for budget, _ in curve.points],
        "y": [share for _, share in curve.points],
        "hovertemplate": _REFERENCE_HOVER,
        "line": {"color": GREY, "width": 1.5, "dash": _paper_dash(number)},
        "meta": {"colour": None},
    }


def front(points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """The Pareto front as steps; for points see `pareto_front`."""
    best = pareto_front(points)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "Pareto front",
        "x": [points[i][0] for i in best],
        "y": [points[i][1] for i in best],
        "hoverinfo": "skip",
        "line": {"color": GREY, "width": 1.5, "dash": "dot", "shape": "hv"},
        "marker": {"color": "rgba(0,0,0,0)", "size": 14, "line": {"color": GREY, "width": 1.5}},
        "meta": {"colour": None},
    }


def _whole_budget(lines: Sequence[Series]) -> dict[str, Any]:
    budgets = sorted({cell.budget_tokens for line in lines for cell in line.cells})
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "the whole budget",
        "x": budgets,
        "y": budgets,
        "hoverinfo": "skip",
        "line": {"color": GREY, "width": 1.5, "dash": "dot"},
        "meta": {"colour": None},
    }


def _x(cell: CellSummary, chart: Chart) -> float:
    return cell.mean_tokens if chart is Chart.COST else axes(chart)[0](cell)


def _y(cell: CellSummary, chart: Chart) -> float:
    if chart is Chart.THINKING:
        return cell.mean_thinking_tokens
    return cell.answered_share if chart is Chart.ANSWERED else cell.accuracy.value


def _hover_texts(cell: CellSummary) -> list[str]:
    return [
        f"{wording.cell(cell.budget_tokens, cell.force_rounds)}, n = {cell.n:,}",
        wording.percent_with_interval(cell.accuracy.value, cell.accuracy.low, cell.accuracy.high),
        wording.percent(cell.answered_share),
        wording.mean_count(cell.mean_thinking_tokens),
        wording.mean_count(cell.mean_tokens),
    ]


def _paper_name(curve: PaperCurve) -> str:
    return f"{curve.model} (paper)"


def _dash(line: Series) -> str:
    return _DASHES[line.dash % len(_DASHES)]


def _paper_dash(number: int) -> str:
    return ("dot", "dash", "dashdot")[number % 3]


def pareto_front(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """Indices of the points that no other point beats, by ascending cost.

    A point is beaten by one that is at least as good in both cost and value and better in one of them. Equal points are
    all on the front; points with NaN never are.

    Args:
        points: (cost, value) of each; low cost and high value are good.
    """
    known = [(cost, -value, i) for i, (cost, value) in enumerate(points) if not (math.isnan(cost) or math.isnan(value))]
    front: list[tuple[float, float, int]] = []
    for cost, negative, i in sorted(known):
        if not front or negative < front[-1][1] or (cost, negative) == front[-1][:2]:
            front.append((cost, negative, i))
    return tuple(i for _, _, i in front)
