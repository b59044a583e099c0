"""Fine-tuning runs side by side on the Admin page."""

from collections.abc import Sequence
from typing import Any

from m1app.benchmark.descriptions import caution
from m1app.training.comparison import METRICS, ComparedRun, MetricPoint, differing_fields

MOST_POINTS = 200
"""Points of a line; more cannot be distinguished in a chart of this size."""
_TITLES = {
    "loss": "Training loss",
    "held_out_loss": "Held-out loss",
    "gradient_norm": "Gradient norm",
    "learning_rate": "Learning rate",
    "accuracy": "Accuracy",
    "margin": "Margin of preference pairs",
    "held_out_margin": "Margin of held-out pairs",
    "pairs_right": "Share of pairs right",
    "held_out_pairs_right": "Share of held-out pairs right",
    "right_answers": "Share of right answers",
}


def compared_value(runs: Sequence[ComparedRun]) -> dict[str, Any]:
    """Return the runs for display: a chart for each metric that any of them has, and where their recipes differ."""
    ids = ",".join(run.job.id for run in runs)
    return {
        "runs": [{"id": run.job.id, "name": run.name} for run in runs],
        "charts": [
            {
                "metric": metric,
                "title": _TITLES[metric],
                "lines": [_line(run.metrics[metric]) for run in runs],
                "said": _said(runs, metric),
            }
            for metric in METRICS
            if any(run.metrics[metric] for run in runs)
        ],
        "differences": [[field.replace("_", " "), values] for field, values in differing_fields(runs)],
        "csv": f"/admin/training-runs.csv?runs={ids}",
    }


def _line(points: Sequence[MetricPoint]) -> list[list[float | None]]:
    """Step, value, limits and n of at most MOST_POINTS points, the last one among them."""
    every = -(-len(points) // MOST_POINTS) or 1
    kept = points[(len(points) - 1) % every :: every] if points else ()
    return [[each.step, each.value, each.low, each.high, each.n] for each in kept]


def _said(runs: Sequence[ComparedRun], metric: str) -> str:
    """The last value of each run in words, for users who cannot see the chart."""
    parts = []
    for run in runs:
        if points := run.metrics[metric]:
            last = points[-1]
            n = f" (n = {last.n:,})" if last.n is not None else ""
            parts.append(f"{run.name}: {last.value:.4g} at step {last.step:,}{n}")
    careful = min((point.n for run in runs for point in run.metrics[metric] if point.n), default=0)
    return "; ".join(parts) + "." + (f" {caution(careful)}" if caution(careful) else "")
