"""Transitions of the Benchmarks page as dictionaries. Pure; runs and questions are in `runs_view`."""

from typing import Any

from m1app import wording
from m1app.benchmark.charts.flow import flow_figure, flows
from m1app.benchmark.descriptions import comparison_words
from m1app.benchmark.queries import CellPair, Transitions


def transitions_value(transitions: Transitions, pair: CellPair, passes: int) -> dict[str, Any]:
    """The flow, its counts, and the comparison in words.

    Args:
        transitions: the transitions between the two cells.
        pair: the cells.
        passes: passes per question in the run.
    """
    compared = transitions.comparison
    before, after = wording.cell(*pair.before), wording.cell(*pair.after)
    if pair.other_model not in ("", pair.model):
        before, after = f"{pair.model}, {before},", f"{pair.other_model}, {after}"
    what = "questions (first pass only)" if passes > 1 else "answers to the same questions"
    return {
        "figure": flow_figure(transitions),
        "ways": [
            {
                "verdict": way.verdict,
                "words": way.words,
                "count": way.count,
                "share": wording.percent(way.count / compared.n),
            }
            for way in flows(transitions)
        ],
        "head": f"From {before} to {after}: {compared.n:,} {what}.",
        "comparison": comparison_words(compared),
    }
