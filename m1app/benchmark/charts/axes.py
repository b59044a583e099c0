"""Axes and background of benchmark charts: ticks at the budgets, ranges that seldom move while curves grow."""

import math
from collections.abc import Sequence
from typing import Any

from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.charts.kinds import WORDS, Chart
from m1app.benchmark.charts.lines import Series
from m1app.benchmark.intervals import Proportion
from m1app.benchmark.paper_figures import PaperCurve

GREY = "#6b7684"
"""Text, axes and reference lines, legible on white and on black."""


def chart_layout(lines: Sequence[Series], chart: Chart, references: Sequence[PaperCurve]) -> dict[str, Any]:
    """Return a chart's Plotly `layout`, with room for all its lines and the paper's."""
    cells = [cell for line in lines for cell in line.cells]
    layout = plain_layout(chart.value)
    layout["xaxis"] = _x_axis(cells, chart, [budget for curve in references for budget, _ in curve.points])
    layout["yaxis"] = _y_axis(cells, chart, [share for curve in references for _, share in curve.points])
    return layout


def plain_layout(name: str) -> dict[str, Any]:
    """Return a layout with plain axes.

    Args:
        name: of the chart: what a reader has zoomed or hidden is kept while it stays the same.
    """
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": GREY, "size": 12, "family": "system-ui, sans-serif"},
        "margin": {"l": 54, "r": 14, "t": 10, "b": 44},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.2},
        "hovermode": "closest",
        "uirevision": name,
        "xaxis": _axis(""),
        "yaxis": _axis(""),
    }


def error_bars(found: Sequence[Proportion], colour: str, *, thickness: float = 1, width: float = 3) -> dict[str, Any]:
    """Return the intervals of shares as Plotly's `error_x` or `error_y`.

    Args:
        found: a share for each point.
        colour: of the bars.
        thickness: of the lines, in pixels.
        width: of the caps, in pixels.
    """
    return {
        "type": "data",
        "symmetric": False,
        "array": [each.high - each.value for each in found],
        "arrayminus": [each.value - each.low for each in found],
        "color": colour,
        "thickness": thickness,
        "width": width,
    }


def tokens_axis(title: str, values: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis for numbers of tokens, with ticks at powers of two."""
    ticks = _powers_of_two(values)
    return _axis(title, type="log", tickvals=ticks, ticktext=[f"{each:,}" for each in ticks])


def _x_axis(cells: Sequence[CellSummary], chart: Chart, more: Sequence[int]) -> dict[str, Any]:
    title = WORDS[chart].x_title
    if chart is Chart.ROUNDS:
        rounds = sorted({cell.force_rounds for cell in cells})
        return _axis(title, tickvals=rounds, ticktext=[str(each) for each in rounds], zeroline=False)
    if chart is Chart.COST:
        return tokens_axis(title, [cell.mean_tokens for cell in cells])
    budgets = sorted({*(cell.budget_tokens for cell in cells if cell.budget_tokens), *more})
    if not budgets:
        return _axis(title, type="log", tickvals=[], ticktext=[], range=[0, 1])
    ticks = _thinned(budgets)
    # Plotly only pads the ends of lines with markers, and reference lines have none.
    low, high = math.log10(budgets[0]), math.log10(budgets[-1])
    room = (high - low) * 0.04 or 0.2
    return _axis(
        title, type="log", tickvals=ticks, ticktext=[f"{each:,}" for each in ticks], range=[low - room, high + room]
    )


def _y_axis(cells: Sequence[CellSummary], chart: Chart, more: Sequence[float]) -> dict[str, Any]:
    title = WORDS[chart].y_title
    if chart is Chart.THINKING:
        used = [cell.mean_thinking_tokens for cell in cells]
        return tokens_axis(title, [*used, *(cell.budget_tokens for cell in cells)])
    if chart is Chart.ANSWERED:
        bounds = [cell.answered_share for cell in cells] + [1.0]
    else:
        bounds = [edge for cell in cells for edge in (cell.accuracy.low, cell.accuracy.high)]
    return share_axis(title, [*bounds, *more])


def share_axis(title: str, edges: Sequence[float]) -> dict[str, Any]:
    """Return an axis for shares, with room for all `edges`."""
    known = [edge for edge in edges if not math.isnan(edge)]
    # In steps of ten percent, so that a growing curve seldom moves the axis.
    low, high = math.floor(min(known, default=0) * 10) / 10, math.ceil(max(known, default=1) * 10) / 10
    return _axis(title, range=[max(0.0, low), min(1.0, high) + 0.004], tickformat=".0%")


def _axis(title: str, **options: Any) -> dict[str, Any]:
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 12}},
        "tickangle": 0,
        "gridcolor": "rgba(127,137,150,0.22)",
        "linecolor": "rgba(127,137,150,0.6)",
        "showline": True,
        "zeroline": False,
        "automargin": True,
        **options,
    }


def _powers_of_two(values: Sequence[float]) -> list[int]:
    known = [value for value in values if value >= 1]
    if not known:
        return [1]
    low, high = math.floor(math.log2(min(known))), math.ceil(math.log2(max(known)))
    return [2**power for power in range(low, high + 1)]


def _thinned(budgets: Sequence[int]) -> list[int]:
    """Return those of these ascending budgets whose labels do not collide on a logarithmic axis."""
    room = math.log2(budgets[-1] / budgets[0]) / 12
    kept = [budgets[0]]
    for budget in budgets[1:]:
        if math.log2(budget / kept[-1]) >= room:
            kept.append(budget)
    return kept
