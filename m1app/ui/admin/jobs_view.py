"""Jobs on the Admin page: list rows, and details of one job."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from m1app.benchmark.descriptions import accuracy_words
from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.benchmark.run_progress import accuracy_so_far
from m1app.jobs.states import OVER, may_resume
from m1app.training.errors import RecipeRefused
from m1app.training.recipe import TrainingRecipe
from m1app.wording import duration, rate, size
from storage.jobs.records import Job, JobKind, JobProgress, JobState

_ACTIVE = (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING)
_WHERE = {"local": "This machine", "ray": "Ray"}


def wanted_states(choice: str) -> tuple[JobState, ...]:
    """The states that a filter choice selects; empty means all, also for an unknown choice."""
    if choice == "active":
        return _ACTIVE
    if choice == "over":
        return tuple(state for state in JobState if state in OVER)
    return tuple(state for state in JobState if state.value == choice)


def row_value(job: Job) -> dict[str, Any]:
    """A job in the list."""
    return {
        "id": job.id,
        "name": job.name or "(unnamed)",
        "kind": job.kind.value,
        "state": job.state.value,
        "created": job.created_at.isoformat(),
        "priority": job.priority,
        "share": _share(job.progress),
        "progress": progress_text(job),
    }


def progress_text(job: Job) -> str:
    """Progress of a job in one line."""
    progress, parts = job.progress, []
    if progress.total:
        parts.append(f"{progress.done:,} of {progress.total:,} {progress.unit}".rstrip())
    elif progress.done:
        parts.append(f"{progress.done:,} {progress.unit}".rstrip())
    if job.state is JobState.RUNNING:
        if progress.per_second:
            parts.append(rate(progress.per_second))
        if progress.seconds_left is not None:
            parts.append(f"{duration(progress.seconds_left)} left")
    if (found := accuracy_so_far(progress)) and progress.done:
        parts.append(f"accuracy {accuracy_words(found)}")
    return " · ".join(parts)


def detail_value(
    job: Job, *, log: str, artifacts: Sequence[tuple[str, int]], now: datetime | None = None
) -> dict[str, Any]:
    """Details and actions of one job.

    Args:
        job: the job.
        log: the last lines of its log.
        artifacts: its files: name and bytes.
        now: aware, UTC; None uses the current time.
    """
    is_benchmark = job.kind is JobKind.BENCHMARK and bool(job.subject_id)
    command = _command(job)
    return row_value(job) | {
        "error": job.error,
        "message": job.progress.message,
        "facts": _facts(job, now or datetime.now(UTC)),
        "figures": [[name, f"{value:.4g}"] for name, value in _more_figures(job)],
        "command": command,
        "run": job.subject_id if is_benchmark else "",
        "can_stop": job.state in (JobState.QUEUED, JobState.RUNNING),
        "can_resume": may_resume(job),
        "can_clone": is_benchmark or (job.kind is JobKind.FINE_TUNING and bool(command)),
        "can_delete": job.state in OVER,
        "artifacts": [[name, size(count)] for name, count in artifacts],
        "log": log,
    }


def _share(progress: JobProgress) -> float | None:
    """0 to 1; None if the total is unknown."""
    return min(1.0, progress.done / progress.total) if progress.total else None


def _more_figures(job: Job) -> list[tuple[str, float]]:
    """Metrics that are not in the progress line."""
    return sorted(
        (name.replace("_", " ").capitalize(), value)
        for name, value in job.progress.figures.items()
        if not name.startswith("accuracy")
    )


def _facts(job: Job, now: datetime) -> list[list[str]]:
    facts = [
        ["Kind", f"{job.kind.value}, on {job.resource.value.upper()}"],
        ["Where", _WHERE.get(job.executor, job.executor)],
        ["Attempt", f"{job.attempt}" if job.attempt else ""],
        ["Took", _took(job, now)],
        ["Worker", job.handle],
        ["Job", job.id],
    ]
    return [fact for fact in facts if fact[1]]


def _took(job: Job, now: datetime) -> str:
    """Duration of the last attempt; empty before the first, so that a waiting job's text does not change."""
    if job.started_at is None:
        return ""
    until = job.ended_at if job.ended_at and job.ended_at > job.started_at else now
    return duration((until - job.started_at).total_seconds())


def _command(job: Job) -> str:
    """The equivalent command line; empty for a recipe of another app version."""
    try:
        if job.kind is JobKind.FINE_TUNING:
            return TrainingRecipe.parse(dict(job.recipe)).command_line()
        return BenchmarkRecipe.model_validate(dict(job.recipe)).command_line()
    except (ValidationError, RecipeRefused):
        return ""
