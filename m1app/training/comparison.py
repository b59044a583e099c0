"""Fine-tuning runs side by side: what was measured by step, and the recipe fields in which they differ."""

import asyncio
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m1app.errors import AppError
from m1app.jobs.service import JobService
from m1app.spreadsheet import harmless
from m1app.training.events import Event
from m1app.training.service import FineTuningService
from storage.jobs.records import Job, JobKind

MOST_RUNS = 8
"""As many lines as one chart has colours for."""
COLUMNS = ("job", "name", "metric", "step", "value", "low", "high", "n")
METRICS: Mapping[str, tuple[str, str]] = {
    "loss": ("log", "loss"),
    "held_out_loss": ("evaluated", "eval_loss"),
    "gradient_norm": ("log", "gradient_norm"),
    "learning_rate": ("log", "learning_rate"),
    "accuracy": ("accuracy", "value"),
    "margin": ("log", "reward_margin"),
    "held_out_margin": ("evaluated", "reward_margin"),
    "pairs_right": ("log", "pair_accuracy"),
    "held_out_pairs_right": ("evaluated", "pair_accuracy"),
    "right_answers": ("log", "reward"),
}
"""Metric -> the event that has it, and its field there. The last five are of DPO and GRPO."""


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One value of a metric."""

    step: int
    value: float
    low: float | None = None
    """Of the 95% interval, as `high`; None for metrics without one."""
    high: float | None = None
    n: int | None = None
    """Questions of an accuracy."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run of a comparison."""

    job: Job
    metrics: Mapping[str, tuple[MetricPoint, ...]]
    """Every metric of METRICS, by step; empty if it was not measured. A loss that is not a number is left out."""

    @property
    def name(self) -> str:
        """The job's name, with the beginning of its id: several jobs may have one name."""
        return f"{self.job.name or 'unnamed'} ({self.job.id[:6]})"


async def read_runs(jobs: JobService, fine_tuning: FineTuningService, job_ids: Sequence[str]) -> list[ComparedRun]:
    """Read the runs to compare, each once, in the given order.

    Raises:
        AppError: there are more than MOST_RUNS, or a job is no fine-tuning.
        RecordNotFound: there is no such job.
    """
    wanted = list(dict.fromkeys(job_ids))
    if len(wanted) > MOST_RUNS:
        raise AppError(f"{len(wanted)} runs are marked, but only {MOST_RUNS} can be compared at once. Unmark some.")
    runs = []
    for job_id in wanted:
        job = await jobs.get(job_id)
        if job.kind is not JobKind.FINE_TUNING:
            raise AppError(
                f"Job {job.name!r} is a {job.kind.value}, not a fine-tuning, so it has no curves to compare."
            )
        events = await asyncio.to_thread(fine_tuning.read_progress, job_id)
        runs.append(ComparedRun(job, metrics_of(events)))
    return runs


def metrics_of(events: Sequence[Event]) -> dict[str, tuple[MetricPoint, ...]]:
    """What a training measured, by metric."""
    return {
        metric: tuple(sorted(_points(events, kind, field), key=lambda point: point.step))
        for metric, (kind, field) in METRICS.items()
    }


def _points(events: Sequence[Event], kind: str, field: str) -> Iterator[MetricPoint]:
    for event in events:
        if event["event"] == kind and (value := event.get(field)) is not None:
            yield MetricPoint(int(event["step"]), float(value), event.get("low"), event.get("high"), event.get("n"))


def differing_fields(runs: Sequence[ComparedRun]) -> list[tuple[str, list[str]]]:
    """The recipe fields whose values are not all equal, with the value of each run; "-" where a recipe has none."""
    fields = dict.fromkeys(name for run in runs for name in run.job.recipe)
    found = ((name, [_shown(run.job.recipe.get(name)) for run in runs]) for name in fields)
    return [(name, values) for name, values in found if len(set(values)) > 1]


def _shown(value: Any) -> str:
    return "-" if value is None or value == "" else str(value)


def comparison_csv(runs: Sequence[ComparedRun]) -> bytes:
    """A row for each value, as CSV with a byte order mark."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for run in runs:
        for metric, points in run.metrics.items():
            for point in points:
                row = (run.job.id, run.job.name, metric, point.step, point.value, point.low, point.high, point.n)
                writer.writerow([harmless(value) for value in row])
    return ("\ufeff" + out.getvalue()).encode()
