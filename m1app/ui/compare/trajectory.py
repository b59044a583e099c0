"""The trajectory of a pass as a Plotly figure: each option's probability at each cut of its thinking.

A plain dictionary; the page code fills in colours. `meta.colour` of a line is its index in a colour-blind safe palette;
dashes and letters are redundant cues. `meta.ink` names a colour of the page.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from m1app.targets import letters_of
from m1app.wording import verdict_of, verdict_with_letter
from storage.traces.records import Checkpoint

Figure = dict[str, Any]

_DASHES = (
    "solid",
    "7px,3px",
    "2px,3px",
    "9px,3px,2px,3px",
    "5px,5px",
    "1px,4px",
    "12px,3px",
    "4px,2px,1px,2px",
)
_LABEL_GAP = 0.07
"""Height of a letter at the end of a line, in units of the probability axis."""
_MOST_TICKS = 12


def trajectory_figure(
    options: Sequence[str],
    target: str | None,
    budgets: Sequence[int],
    points: Sequence[Checkpoint],
    wait_tokens: Sequence[int],
) -> Figure:
    """Return the figure with a logarithmic axis, and both axes to choose from.

    Args:
        options: the letters.
        target: the right one, or the right ones, as "A, C"; None if unknown.
        budgets: ascending, in tokens; used as ticks.
        points: cuts that have probabilities, by tokens; at least one.
        wait_tokens: thinking tokens before each "Wait".
    """
    # Cuts are within the largest budget, so the axis does not change while points are added.
    low = min([*budgets, *(point.cut_tokens for point in points)])
    high = max([*budgets, *(point.cut_tokens for point in points)])
    axes = {"log": _axis(budgets, low, high, is_log=True), "linear": _axis(budgets, low, high, is_log=False)}
    data = [_waits([tokens for tokens in wait_tokens if max(1, low) <= tokens <= high])]
    data += [_line(letter, place, letter in letters_of(target), points) for place, letter in enumerate(options)]
    data += _end_labels(options, target, points[-1])
    layout = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "#6b7684", "size": 12, "family": "system-ui, sans-serif"},
        "margin": {"l": 44, "r": 34, "t": 20, "b": 42},
        "showlegend": False,
        "hovermode": "x",
        "uirevision": "trajectory",
        "xaxis": axes["log"],
        "yaxis": {**_ground(), "range": [-0.03, 1.03], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%"},
    }
    return {"data": data, "layout": layout, "axes": axes}


def probability_words(options: Sequence[str], target: str | None, point: Checkpoint) -> str:
    """Text for a point, shown below the chart."""
    right = letters_of(target)
    shares = ", ".join(
        f"{letter}{' (target)' if letter in right else ''} {_share(point, letter):.1%}" for letter in options
    )
    verdict = verdict_of(point.letter, point.is_correct)
    is_unscored = point.letter is not None and point.is_correct is None
    answer = point.letter if is_unscored else verdict_with_letter(point.letter, verdict, target)
    return f"{point.cut_tokens:,} tokens: {shares}; answer {answer}"


def _share(point: Checkpoint, letter: str) -> float:
    shares: Mapping[str, float] = point.option_probabilities or {}
    return shares.get(letter, 0.0)


def _line(letter: str, place: int, is_target: bool, points: Sequence[Checkpoint]) -> Figure:
    name = f"{letter} (target)" if is_target else letter
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [max(1, point.cut_tokens) for point in points],
        "y": [_share(point, letter) for point in points],
        "line": {"width": 3 if is_target else 1.6, "dash": _DASHES[place % len(_DASHES)]},
        "marker": {"size": 7 if is_target else 6, "symbol": "circle" if is_target else "circle-open"},
        "cliponaxis": False,
        "hovertemplate": f"{name} %{{y:.1%}}<extra></extra>",
        "meta": {"colour": place},
    }


def _waits(tokens: Sequence[int]) -> Figure:
    """A dotted line and a W at the start of each "Wait"."""
    return {
        "type": "scatter",
        "mode": "lines+text",
        "x": [x for each in tokens for x in (each, each, None)],
        "y": [y for _ in tokens for y in (0, 1.03, None)],
        "text": [text for _ in tokens for text in ("", "W", "")],
        "textposition": "top center",
        "textfont": {"size": 12},
        "line": {"width": 1, "dash": "3px,3px"},
        "cliponaxis": False,
        "hoverinfo": "skip",
        "meta": {"ink": "--m1-wait"},
    }


def _end_labels(options: Sequence[str], target: str | None, last: Checkpoint) -> list[Figure]:
    """Letters at the ends of their lines, from the highest down, without overlap."""
    by_share = sorted(enumerate(options), key=lambda each: -_share(last, each[1]))
    labels, free = [], 1.0
    for below, (place, letter) in enumerate(by_share):
        room = _LABEL_GAP * (len(by_share) - 1 - below)  # Space needed by the letters below.
        at = max(min(_share(last, letter), free), min(room, free))
        free = at - _LABEL_GAP
        labels.append(
            {
                "type": "scatter",
                "mode": "text",
                "x": [max(1, last.cut_tokens)],
                "y": [at],
                "text": [f"  {letter} ◎" if letter in letters_of(target) else f"  {letter}"],
                "textposition": "middle right",
                "textfont": {"size": 12},
                "cliponaxis": False,
                "hoverinfo": "skip",
                "meta": {"colour": place},
            }
        )
    return labels


def _axis(budgets: Sequence[int], low: int, high: int, *, is_log: bool) -> Figure:
    scale = math.log10 if is_log else float
    ends = (scale(max(1, low)) if is_log else 0.0, scale(max(1, high)))
    room = (ends[1] - ends[0]) * 0.02 or 0.1
    ticks = _spaced([max(1, budget) for budget in budgets], scale, (ends[1] - ends[0]) / _MOST_TICKS)
    title = f"thinking tokens, {'logarithmic' if is_log else 'linear'}; ticks are budgets, W marks a Wait"
    return {
        **_ground(),
        "type": "log" if is_log else "linear",
        "title": {"text": title, "standoff": 6, "font": {"size": 12}},
        "range": [ends[0] - room, ends[1] + room],
        "tickvals": ticks,
        "ticktext": [f"{tick:,}" for tick in ticks],
        "showspikes": True,
        "spikemode": "across",
        "spikesnap": "data",
        "spikethickness": 1,
        "spikedash": "solid",
    }


def _spaced(budgets: Sequence[int], scale: Any, gap: float) -> list[int]:
    """Budgets whose labels do not collide, starting from the largest."""
    kept: list[int] = []
    for budget in sorted(budgets, reverse=True):
        if not kept or scale(kept[-1]) - scale(budget) >= gap:
            kept.append(budget)
    return kept[::-1]


def _ground() -> Figure:
    return {
        "fixedrange": True,
        "tickangle": 0,
        "gridcolor": "rgba(127,137,150,0.22)",
        "linecolor": "rgba(127,137,150,0.6)",
        "showline": True,
        "zeroline": False,
    }
