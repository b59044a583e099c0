"""Transitions of the Benchmarks page as dictionaries. Pure; runs and questions are `benchmark_view`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from m1app.services.benchmark_flow import flow_figure, flows
from m1app.services.benchmark_reading import Transitions
from m1app.services.benchmark_tables import CurvePoint, curve_table
from m1app.services.benchmark_words import cell_words, comparison_words, percent


def transitions_value(
    transitions: Transitions,
    before: tuple[int, int],
    after: tuple[int, int],
    curve: Sequence[CurvePoint],
    first_budget: int,
) -> dict[str, Any]:
    """The flow, the comparison in words, and the comparisons along the curve.

    Args:
        transitions: between the two cells.
        before: (budget, rounds) of the first.
        after: the same of the second.
        curve: each budget compared with the one before, at the rounds of `after`.
        first_budget: the run's lowest, with which the curve begins.
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
        "curve": asdict(curve_table(curve, first_budget)),
    }
