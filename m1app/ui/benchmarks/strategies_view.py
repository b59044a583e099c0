"""Strategies of the Benchmarks page as dictionaries. Pure."""

from dataclasses import asdict
from typing import Any

from m1app.benchmark.charts.equal_cost import equal_cost_figure
from m1app.benchmark.strategy_comparison import StrategyComparison
from m1app.benchmark.strategy_table import strategy_notes, strategy_table


def strategies_value(comparison: StrategyComparison) -> dict[str, Any]:
    """The chart with its legend, the table, and what a reader must know of them."""
    figure, key = equal_cost_figure(comparison)
    return {
        "figure": figure,
        "key": [asdict(entry) for entry in key],
        "table": asdict(strategy_table(comparison)),
        "note": " ".join(strategy_notes(comparison)),
    }
