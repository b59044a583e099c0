"""The chart "Knowledge or reasoning?": the share of failures that one fact explains, a row for each group. Pure.

A Plotly figure as in `m1app.benchmark.charts.panels`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from m1app import wording
from m1app.benchmark.charts.axes import GREY, error_bars, plain_layout, share_axis
from m1app.benchmark.charts.panels import COLOURS, Figure, escaped_for_plotly
from m1app.fact_tests.shares import ExplainedShare, FactShares

_MOST_IN_GROUP = 12
"""Rows of one group, those with the most failures."""
_ROW_PIXELS, _EDGES_PIXELS = 26, 70
_HOVER = "<b>%{customdata[0]}</b><br>%{customdata[1]}<extra></extra>"


def share_groups(shares: FactShares, label_names: Mapping[str, str]) -> list[tuple[str, list[ExplainedShare]]]:
    """The groups of the chart, each with its heading; a group that says no more than all together is left out.

    Args:
        shares: what was counted.
        label_names: label id -> its name for people.
    """
    named = [_renamed(each, label_names.get(each.name, each.name)) for each in shares.by_label]
    budgets = [_renamed(each, f"{int(each.name):,} tokens") for each in shares.by_budget]
    groups = [
        ("All", [_renamed(shares.all, "all failures")]),
        ("Model", list(shares.by_model)),
        ("Thinking budget", budgets),
        ("Label", named),
        ("Tag", list(shares.by_tag)),
    ]
    kept = [(heading, _largest(rows)) for heading, rows in groups]
    return [(heading, rows) for heading, rows in kept if heading == "All" or len(rows) > 1 or _is_part(rows, shares)]


def _is_part(rows: Sequence[ExplainedShare], shares: FactShares) -> bool:
    return bool(rows) and rows[0].explained.n < shares.all.explained.n


def _largest(rows: Sequence[ExplainedShare]) -> list[ExplainedShare]:
    """At most `_MOST_IN_GROUP` rows, in the order given."""
    kept = {each.name for each in sorted(rows, key=lambda each: -each.explained.n)[:_MOST_IN_GROUP]}
    return [each for each in rows if each.name in kept]


def _renamed(share: ExplainedShare, name: str) -> ExplainedShare:
    return ExplainedShare(name, share.explained, share.verdicts)


def share_figure(groups: Sequence[tuple[str, Sequence[ExplainedShare]]]) -> Figure:
    """Return the figure: a point with its interval for each row, groups one below the other."""
    rows = [(f"{heading}: {each.name}" if heading != "All" else each.name) for heading, of in groups for each in of]
    layout = plain_layout("knowledge or reasoning")
    layout["xaxis"] = share_axis("share explained, 95% interval", [0.0, 1.0])
    layout["yaxis"] |= {
        "autorange": "reversed",
        "type": "category",
        "categoryarray": rows,
        "categoryorder": "array",
        "ticktext": [escaped_for_plotly(each) for each in rows],
        "tickvals": rows,
    }
    layout["height"] = _EDGES_PIXELS + _ROW_PIXELS * len(rows)
    data = [_points(heading, of, number) for number, (heading, of) in enumerate(groups)]
    return {"data": data, "layout": layout}


def _points(heading: str, shares: Sequence[ExplainedShare], number: int) -> dict[str, Any]:
    is_all = heading == "All"
    found = [each.explained for each in shares]
    colour = GREY if is_all else COLOURS[number % len(COLOURS)]
    return {
        "type": "scatter",
        "mode": "markers",
        "cliponaxis": False,
        "name": heading,
        "orientation": "h",
        "x": [each.value for each in found],
        "y": [each.name if is_all else f"{heading}: {each.name}" for each in shares],
        "customdata": [[escaped_for_plotly(each.name), said_of(each)] for each in shares],
        "hovertemplate": _HOVER,
        "marker": {"color": colour, "size": 9, "symbol": "diamond" if is_all else "circle"},
        "error_x": error_bars(found, colour, thickness=1.2, width=4),
        "meta": {"ink": "--m1-ink"} if is_all else {"colour": number % len(COLOURS)},
    }


def said_of(share: ExplainedShare) -> str:
    """As "60% (23% to 88%) of 5 failures"."""
    found = share.explained
    return (
        f"{wording.percent_with_interval(found.value, found.low, found.high)} of {wording.counted(found.n, 'failure')}"
    )
