"""Strategies at equal cost: accuracy against mean tokens per question, a line for each strategy.

A Plotly figure as in `panels`. The ceiling is grey and dashed, since no strategy can reach it without the target.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from m1app import wording
from m1app.benchmark.charts.axes import GREY, plain_layout, share_axis, tokens_axis
from m1app.benchmark.charts.panels import COLOURS, Figure, KeyEntry, front
from m1app.benchmark.strategy_comparison import StrategyComparison, StrategyPoint
from m1app.benchmark.strategy_table import NAMES, setting
from m1app.strategies.evaluation import Strategy

_HOVER = "<b>%{fullData.name}</b><br>%{customdata[0]}<br>accuracy %{customdata[1]}<br>%{x:,.0f} tokens<extra></extra>"


def equal_cost_figure(comparison: StrategyComparison) -> tuple[Figure, tuple[KeyEntry, ...]]:
    """Return the figure and its legend."""
    data, key = [], []
    for strategy, own in groupby(comparison.points, key=lambda point: point.strategy):
        data.append(_line(strategy, list(own)))
        colour = None if strategy is Strategy.CEILING else _colour(strategy)
        key.append(KeyEntry(name=NAMES[strategy], colour=colour, dash=_dash(strategy)))
    reachable = [each for each in comparison.points if each.strategy is not Strategy.CEILING]
    data.append(front([(each.tokens, each.accuracy.value) for each in reachable]))
    name = "Pareto front: nothing is more accurate at the same or lower cost"
    key.append(KeyEntry(name=name, colour=None, dash="dot"))
    return {"data": data, "layout": _layout(comparison.points)}, tuple(key)


def _line(strategy: Strategy, points: Sequence[StrategyPoint]) -> dict[str, Any]:
    is_ceiling = strategy is Strategy.CEILING
    colour = GREY if is_ceiling else COLOURS[_colour(strategy)]
    drawn: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines" if is_ceiling else "lines+markers",
        "name": NAMES[strategy],
        "x": [each.tokens for each in points],
        "y": [each.accuracy.value for each in points],
        "customdata": [[setting(each), _accuracy(each)] for each in points],
        "hovertemplate": _HOVER,
        "line": {"color": colour, "width": 2, "dash": _dash(strategy)},
        "meta": {"colour": None if is_ceiling else _colour(strategy)},
    }
    if not is_ceiling:
        drawn["marker"] = {"color": colour, "size": 7, "symbol": _SYMBOLS[strategy]}
        drawn["error_y"] = _bars(points, colour)
    return drawn


def _bars(points: Sequence[StrategyPoint], colour: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [each.accuracy.high - each.accuracy.value for each in points],
        "arrayminus": [each.accuracy.value - each.accuracy.low for each in points],
        "color": colour,
        "thickness": 0.7,
        "width": 2,
    }


def _accuracy(point: StrategyPoint) -> str:
    return wording.percent_with_interval(point.accuracy.value, point.accuracy.low, point.accuracy.high)


def _layout(points: Sequence[StrategyPoint]) -> dict[str, Any]:
    layout = plain_layout("equal cost")
    layout["xaxis"] = tokens_axis("mean tokens per question", [point.tokens for point in points])
    edges = [edge for each in points for edge in (each.accuracy.low, each.accuracy.high)]
    layout["yaxis"] = share_axis("accuracy, 95% interval", edges)
    return layout


_SYMBOLS: Mapping[Strategy, str] = dict(
    zip(
        Strategy,
        ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down"),
        strict=False,  # The ceiling has no marks.
    )
)


def _colour(strategy: Strategy) -> int:
    return list(Strategy).index(strategy) % len(COLOURS)


def _dash(strategy: Strategy) -> str:
    return "dash" if strategy is Strategy.CEILING else "solid"
