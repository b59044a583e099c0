"""Strategies of the Benchmarks page as dictionaries. Pure."""

from dataclasses import asdict
from typing import Any

from m1app.benchmark.charts.equal_cost import equal_cost_figure, facet_figure
from m1app.benchmark.strategy_comparison import StrategyComparison
from m1app.benchmark.strategy_table import facets_note, measured_notes, measured_table, strategy_notes, strategy_table
from m1app.wording import counted


def strategies_value(comparison: StrategyComparison) -> dict[str, Any]:
    """The chart with its legend, the table, and what a reader must know of them."""
    figure, key = equal_cost_figure(comparison)
    has_own = bool(comparison.measured or comparison.guessing)
    return {
        "figure": figure,
        "key": [asdict(entry) for entry in key],
        "table": asdict(strategy_table(comparison)),
        "note": " ".join(strategy_notes(comparison)),
        "measured": asdict(measured_table(comparison)) if has_own else None,
        "measured_note": " ".join(measured_notes(comparison)) if has_own else "",
        "facets": [
            {"title": f"{each.name} ({counted(each.questions, 'question')})", "figure": facet_figure(each)}
            for each in comparison.facets
        ],
        "facets_note": facets_note() if comparison.facets else "",
    }
