"""Transitions of the Benchmarks page as dictionaries. Pure; runs and questions are `benchmark_view`."""

from typing import Any

from m1app.services.benchmark_flow import flow_figure, flows
from m1app.services.benchmark_reading import Transitions
from m1app.services.benchmark_words import cell_words, comparison_words, percent


def transitions_value(transitions: Transitions, before: tuple[int, int], after: tuple[int, int]) -> dict[str, Any]:
    """The flow, its counts, and the comparison in words.

    Args:
        transitions: between the two cells.
        before: (budget, rounds) of the first.
        after: the same of the second.
    """
    compared = transitions.comparison
    return {
        "figure": flow_figure(transitions),
        "ways": [
            {"verdict": way.verdict, "words": way.words, "count": way.count, "share": percent(way.count / compared.n)}
            for way in flows(transitions)
        ],
        "head": f"From {cell_words(before)} to {cell_words(after)}: {compared.n:,} answers to the same questions.",
        "comparison": comparison_words(compared),
    }
