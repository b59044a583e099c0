"""Histograms of samples as Plotly figures: lengths of reasoning, and domains."""

from collections import Counter
from collections.abc import Sequence
from statistics import quantiles
from typing import Any

from m1app.benchmark.charts.axes import plain_layout
from m1app.training.sample_index import IndexedSample
from m1app.wording import counted

MOST_BARS = 40
SHOWN_DOMAINS = 20
NO_DOMAIN = "no domain"
_STEPS = (1, 2, 5)
_LENGTHS_PIXELS = 240
_FRAME_PIXELS, _BAR_PIXELS = 70, 22


def length_chart(samples: Sequence[IndexedSample]) -> dict[str, Any]:
    """A histogram of the characters of reasoning, and what it shows in words."""
    lengths = [each.characters for each in samples]
    width = _width(max(lengths, default=0))
    counts = Counter(length // width for length in lengths)
    bars = range(max(counts, default=0) + 1)
    spans = [f"{bar * width:,} to {bar * width + width - 1:,}" for bar in bars]
    layout = _layout("lengths", _LENGTHS_PIXELS)
    layout["xaxis"] |= {"title": {"text": "Characters of reasoning"}}
    layout["yaxis"] |= {"title": {"text": "Samples"}}
    trace = _bars([bar * width + width / 2 for bar in bars], [counts[bar] for bar in bars], spans)
    return {"data": [trace | {"width": width * 0.9}], "layout": layout, "said": _spread(lengths)}


def domain_chart(samples: Sequence[IndexedSample]) -> dict[str, Any]:
    """Samples of the most frequent domains, and what the chart shows in words."""
    counts = Counter(each.domain or NO_DOMAIN for each in samples).most_common()
    shown, rest = counts[:SHOWN_DOMAINS], counts[SHOWN_DOMAINS:]
    if rest:
        shown = [*shown, (f"{len(rest):,} others", sum(count for _, count in rest))]
    names = [name if len(name) <= 40 else f"{name[:39]}…" for name, _ in shown]
    layout = _layout("domains", _FRAME_PIXELS + _BAR_PIXELS * len(shown))
    layout["xaxis"] |= {"title": {"text": "Samples"}}
    layout["yaxis"] |= {
        "tickvals": list(range(len(shown))),
        "ticktext": names,
        "autorange": "reversed",
        "automargin": True,
    }
    trace = _bars([count for _, count in shown], list(range(len(shown))), names)
    said = "; ".join(f"{name}: {count:,}" for name, count in shown)
    return {"data": [trace | {"orientation": "h"}], "layout": layout, "said": said}


def _bars(x: Sequence[float], y: Sequence[float], names: Sequence[str]) -> dict[str, Any]:
    # Names are somebody's words: as customdata, Plotly shows them as they are, but reads its own tags in them.
    plain = [name.replace("&", "&amp;").replace("<", "&lt;") for name in names]
    return {
        "type": "bar",
        "x": list(x),
        "y": list(y),
        "customdata": plain,
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"color": "#000000"},
        "meta": {"colour": 0},
    }


def _layout(name: str, height: int) -> dict[str, Any]:
    return plain_layout(name) | {"showlegend": False, "bargap": 0.1, "height": height}


def _width(longest: int) -> int:
    """A round width of which not more than `MOST_BARS` are needed."""
    scale = 1
    while True:
        for step in _STEPS:
            if longest // (step * scale) < MOST_BARS:
                return step * scale
        scale *= 10


def _spread(lengths: Sequence[int]) -> str:
    if len(lengths) < 2:
        return counted(len(lengths), "sample")
    low, middle, high = quantiles(lengths, n=4, method="inclusive")
    return (
        f"{counted(len(lengths), 'sample')}: half have {low:,.0f} to {high:,.0f} characters of reasoning, "
        f"the median has {middle:,.0f}, the longest {max(lengths):,}"
    )
