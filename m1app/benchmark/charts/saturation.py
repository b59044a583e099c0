"""A curve of a run with the law that was fitted to it: measured points with intervals, the law as a line.

A Plotly figure as in `panels`. Beyond the last point the law is dotted, since it was fitted to nothing there.
"""

from typing import Any

import numpy as np

from m1app.benchmark.charts.axes import error_bars, plain_layout, share_axis, tokens_axis
from m1app.benchmark.charts.panels import COLOURS, Figure, KeyEntry
from m1app.benchmark.run_fits import Along, FittedCurve
from m1app.wording import percent_with_interval

_POINT_COLOUR, _LAW_COLOUR = 0, 1
_STEPS = 80
_BEYOND = 2.0
"""The law is drawn to so many times the last point."""


def saturation_figure(curve: FittedCurve) -> tuple[Figure, tuple[KeyEntry, ...]]:
    """Return the figure and its legend."""
    data = [_measured(curve)]
    key = [KeyEntry(name="measured", colour=_POINT_COLOUR, dash="solid")]
    if curve.saturation is not None:
        last = curve.points[-1].n
        data += [
            _law(curve, curve.points[0].n, last, "solid"),
            _law(curve, last, last * _BEYOND, "dot"),
        ]
        key.append(KeyEntry(name="fitted law", colour=_LAW_COLOUR, dash="solid"))
        key.append(KeyEntry(name="fitted law beyond the points", colour=_LAW_COLOUR, dash="dot"))
    return {"data": data, "layout": _layout(curve)}, tuple(key)


def _measured(curve: FittedCurve) -> dict[str, Any]:
    found = [each.accuracy for each in curve.points]
    colour = COLOURS[_POINT_COLOUR]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "measured",
        "x": [each.n for each in curve.points],
        "y": [each.value for each in found],
        "customdata": [[percent_with_interval(each.value, each.low, each.high)] for each in found],
        "hovertemplate": "%{x:,}: accuracy %{customdata[0]}<extra></extra>",
        "marker": {"color": colour, "size": 8},
        "error_y": error_bars(found, colour),
        "meta": {"colour": _POINT_COLOUR},
    }


def _law(curve: FittedCurve, low: float, high: float, dash: str) -> dict[str, Any]:
    assert curve.saturation is not None
    places = np.geomspace(low, high, _STEPS).tolist()
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "fitted law",
        "x": places,
        "y": [curve.saturation.at(each / curve.unit) for each in places],
        "hovertemplate": "%{x:,.0f}: the law says %{y:.1%}<extra></extra>",
        "line": {"color": COLOURS[_LAW_COLOUR], "width": 2, "dash": dash},
        "meta": {"colour": _LAW_COLOUR},
    }


def _layout(curve: FittedCurve) -> dict[str, Any]:
    layout = plain_layout(f"fit {curve.along.value}")
    most = curve.points[-1].n * (_BEYOND if curve.saturation else 1)
    title = "thinking budget, tokens" if curve.along is Along.BUDGET else "passes"
    layout["xaxis"] = tokens_axis(title, [*(each.n for each in curve.points), most])
    edges = [edge for each in curve.points for edge in (each.accuracy.low, each.accuracy.high)]
    if curve.saturation is not None:
        edges.append(curve.saturation.at(most / curve.unit))
    layout["yaxis"] = share_axis("accuracy, 95% interval", edges)
    return layout
