"""Verdict changes between two cells, as a flow from right and wrong before to right and wrong after.

A Plotly figure as in `panels`. Blue is right and orange is lost, a colour-blind safe pair, and every band is labelled
too.
"""

from dataclasses import dataclass

from m1app.benchmark.charts.axes import GREY
from m1app.benchmark.charts.panels import Figure
from m1app.benchmark.queries import Transitions

_PAD = 0.12
"""Gap between the two nodes of a side, as a share of the height."""


@dataclass(frozen=True, slots=True)
class Flow:
    """The questions with one of the four transitions."""

    verdict: str
    """"right-right", "right-wrong", "wrong-right" or "wrong-wrong": before, then after."""
    words: str
    count: int
    colour: str


def flows(transitions: Transitions) -> tuple[Flow, ...]:
    """The four transitions, ordered by the verdict before."""
    return (
        Flow("right-right", "stayed right", transitions.right_right, "rgba(42,127,196,0.38)"),
        Flow("right-wrong", "right became wrong", transitions.right_wrong, "rgba(196,101,26,0.78)"),
        Flow("wrong-right", "wrong became right", transitions.wrong_right, "rgba(42,127,196,0.78)"),
        Flow("wrong-wrong", "stayed wrong", transitions.wrong_wrong, "rgba(125,136,151,0.38)"),
    )


def flow_figure(transitions: Transitions) -> Figure:
    """Return the flow as a figure; a band's `customdata` is its verdict."""
    ways = flows(transitions)
    shown = [way for way in ways if way.count]
    right_right, right_wrong, wrong_right, wrong_wrong = (way.count for way in ways)
    sums = (right_right + right_wrong, wrong_right + wrong_wrong, right_right + wrong_right, right_wrong + wrong_wrong)
    total = sum(way.count for way in ways) or 1
    names = ("Before: {:,} right", "Before: {:,} wrong", "After: {:,} right", "After: {:,} wrong")
    # Plotly omits nodes without a band, and would put another in their place.
    nodes = [number for number, count in enumerate(sums) if count]
    sankey = {
        "type": "sankey",
        "arrangement": "fixed",
        "orientation": "h",
        "textfont": {"color": GREY, "size": 13, "shadow": "none"},
        "node": {
            "label": [names[number].format(sums[number]) for number in nodes],
            "x": [0.001 if number < 2 else 0.999 for number in nodes],
            "y": [_height(sums[number], sums[number - number % 2], total, number) for number in nodes],
            "color": ["#2a7fc4" if number % 2 == 0 else "#c4651a" for number in nodes],
            "thickness": 14,
            "pad": 26,
            "line": {"width": 0},
            "hoverinfo": "skip",
        },
        "link": {
            "source": [nodes.index(0 if way.verdict.startswith("right") else 1) for way in shown],
            "target": [nodes.index(2 if way.verdict.endswith("right") else 3) for way in shown],
            "value": [way.count for way in shown],
            "color": [way.colour for way in shown],
            "customdata": [way.verdict for way in shown],
            "label": [way.words for way in shown],
            "hovertemplate": "%{value:,} %{label}<extra></extra>",
        },
    }
    layout = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": GREY, "size": 13, "family": "system-ui, sans-serif"},
        "margin": {"l": 8, "r": 8, "t": 10, "b": 10},
    }
    return {"data": [sankey], "layout": layout}


def _height(count: int, upper: int, total: int, number: int) -> float:
    """Center of a node, from 0 at the top to 1: right above wrong."""
    share = count / total * (1 - _PAD)
    middle = share / 2 if number % 2 == 0 else upper / total * (1 - _PAD) + _PAD + share / 2
    return min(0.999, max(0.001, middle))
