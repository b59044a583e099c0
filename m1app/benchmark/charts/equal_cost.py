"""Strategies at equal cost: accuracy against mean tokens per question, a line for each strategy.

A Plotly figure as in `panels`. The ceiling is grey and dashed, since no strategy can reach it without the target.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from m1app import wording
from m1app.benchmark.charts.axes import GREY, error_bars, plain_layout, share_axis, tokens_axis
from m1app.benchmark.charts.panels import COLOURS, Figure, KeyEntry, escaped_for_plotly, front
from m1app.benchmark.intervals import Proportion
from m1app.benchmark.strategy_comparison import Facet, StrategyComparison, StrategyPoint
from m1app.benchmark.strategy_table import NAMES, setting, title_of
from m1app.strategies.evaluating.evaluation import StrategyName

_Own = tuple[str, bool, float, Proportion]
"""A strategy of the run itself: as it is written, whether from the pool, mean tokens, accuracy."""
_HOVER = "<b>%{fullData.name}</b><br>%{customdata[0]}<br>accuracy %{customdata[1]}<br>%{x:,.0f} tokens<extra></extra>"


def equal_cost_figure(comparison: StrategyComparison) -> tuple[Figure, tuple[KeyEntry, ...]]:
    """Return the figure and its legend."""
    own = [(each.choice, each.is_from_pool, each.tokens, each.accuracy) for each in comparison.measured]
    return _figure(comparison.points, own)


def facet_figure(facet: Facet) -> Figure:
    """The same of the questions of one difficulty; its legend is that of the whole figure."""
    return _figure(facet.points, facet.measured)[0]


def _figure(points: Sequence[StrategyPoint], measured: Sequence[_Own]) -> tuple[Figure, tuple[KeyEntry, ...]]:
    data, key = [], []
    for strategy, line in groupby(points, key=lambda point: point.strategy):
        data.append(_line(strategy, list(line)))
        colour = None if strategy is StrategyName.CEILING else _colour(strategy)
        key.append(KeyEntry(name=NAMES[strategy], colour=colour, dash=_dash(strategy)))
    for is_from_pool in (True, False):
        if own := [each for each in measured if each[1] is is_from_pool]:
            data.append(_marks(own, is_from_pool=is_from_pool))
            name = "Circles: this run's strategies, from the pool" if is_from_pool else "Stars: measured"
            key.append(KeyEntry(name=name, colour=None, dash="dot"))
    reachable = [(each.tokens, each.accuracy.value) for each in points if each.strategy is not StrategyName.CEILING]
    data.append(front([*reachable, *((tokens, found.value) for _, _, tokens, found in measured)]))
    name = "Pareto front: nothing is more accurate at the same or lower cost"
    key.append(KeyEntry(name=name, colour=None, dash="dot"))
    return {"data": data, "layout": _layout(points, measured)}, tuple(key)


def _marks(own: Sequence[_Own], *, is_from_pool: bool) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "from the pool" if is_from_pool else "measured",
        "x": [tokens for _, _, tokens, _ in own],
        "y": [found.value for *_, found in own],
        "customdata": [[escaped_for_plotly(title_of(choice)), _shown(found)] for choice, _, _, found in own],
        "hovertemplate": _HOVER,
        "marker": {"color": GREY, "size": 11, "symbol": "circle-open" if is_from_pool else "star-open"},
        "error_y": error_bars([found for *_, found in own], GREY, thickness=0.7, width=2),
        "meta": {"ink": "--m1-ink"},
    }


def _line(strategy: StrategyName, points: Sequence[StrategyPoint]) -> dict[str, Any]:
    is_ceiling = strategy is StrategyName.CEILING
    colour = GREY if is_ceiling else COLOURS[_colour(strategy)]
    drawn: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines" if is_ceiling else "lines+markers",
        "name": NAMES[strategy],
        "x": [each.tokens for each in points],
        "y": [each.accuracy.value for each in points],
        "customdata": [[setting(each), _shown(each.accuracy)] for each in points],
        "hovertemplate": _HOVER,
        "line": {"color": colour, "width": 2, "dash": _dash(strategy)},
        "meta": {"colour": None if is_ceiling else _colour(strategy)},
    }
    if not is_ceiling:
        drawn["marker"] = {"color": colour, "size": 7, "symbol": _SYMBOLS[strategy]}
        drawn["error_y"] = error_bars([each.accuracy for each in points], colour, thickness=0.7, width=2)
    return drawn


def _shown(found: Proportion) -> str:
    return wording.percent_with_interval(found.value, found.low, found.high)


def _layout(points: Sequence[StrategyPoint], measured: Sequence[_Own]) -> dict[str, Any]:
    layout = plain_layout("equal cost")
    costs = [*(point.tokens for point in points), *(tokens for _, _, tokens, _ in measured)]
    layout["xaxis"] = tokens_axis("mean tokens per question", costs)
    found = [*(each.accuracy for each in points), *(each for *_, each in measured)]
    edges = [edge for each in found for edge in (each.low, each.high)]
    layout["yaxis"] = share_axis("accuracy, 95% interval", edges)
    return layout


_SYMBOLS: Mapping[StrategyName, str] = dict(
    zip(
        StrategyName,
        ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down", "hexagon"),
        strict=False,  # The ceiling has no marks.
    )
)


def _colour(strategy: StrategyName) -> int:
    return list(StrategyName).index(strategy) % len(COLOURS)


def _dash(strategy: StrategyName) -> str:
    return "dash" if strategy is StrategyName.CEILING else "solid"
