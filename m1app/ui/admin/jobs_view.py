"""Jobs on the Admin page: list rows, and details of one job."""

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from m1app.benchmark.descriptions import accuracy_words
from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.benchmark.run_progress import accuracy_so_far
from m1app.fact_tests.errors import FactTestRefused
from m1app.fact_tests.recipe import FactTestsRecipe
from m1app.jobs.states import OVER, may_resume
from m1app.training.data_jobs.recipe import QUESTIONS, DataJobRecipe
from m1app.training.errors import DataJobRefused, RecipeRefused
from m1app.training.recipe import TrainingRecipe
from m1app.wording import duration, rate, size
from storage.jobs.records import Job, JobKind, JobProgress, JobState

_ACTIVE = (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING)
_SHOWN_DIFFERENCES = 3
_WHERE = {"local": "This machine", "ray": "Ray"}


def wanted_states(choice: str) -> tuple[JobState, ...]:
    """The states that a filter choice selects; empty means all, also for an unknown choice."""
    if choice == "active":
        return _ACTIVE
    if choice == "over":
        return tuple(state for state in JobState if state in OVER)
    return tuple(state for state in JobState if state.value == choice)


def rows_value(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The jobs of the list; those of one name come with what tells them apart."""
    alike: dict[str, list[Job]] = {}
    for job in jobs:
        alike.setdefault(job.name, []).append(job)
    return [row_value(job) | {"apart": _apart(job, alike[job.name])} for job in jobs]


def _apart(job: Job, alike: Sequence[Job]) -> str:
    """What this job's recipe has that not all of the same name have; else its id. Empty if it is the only one."""
    if len(alike) < 2:
        return ""
    found = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in job.recipe.items()
        if isinstance(value, str | int | float)
        and value != ""
        and any(each.recipe.get(name) != value for each in alike)
    ]
    same = [each for each in alike if each is not job and each.recipe == job.recipe]
    words = ", ".join(found[:_SHOWN_DIFFERENCES])
    return f"{words or 'job'} {job.id[:6]}" if same or not words else words


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
        "results": _results(job),
        "can_stop": job.state in (JobState.QUEUED, JobState.RUNNING),
        "can_resume": may_resume(job),
        "can_clone": is_benchmark or (job.kind is JobKind.FINE_TUNING and bool(command)),
        "can_delete": job.state in OVER,
        "artifacts": [[name, size(count)] for name, count in artifacts],
        "log": log,
    }


def _results(job: Job) -> str:
    """The page that shows what the job finds; empty if the job itself is all there is."""
    if job.kind is JobKind.BENCHMARK and job.subject_id:
        return f"/benchmarks/?run={job.subject_id}"
    if job.kind is JobKind.STUDY:
        return f"/studies/?study={job.subject_id}"
    if job.kind is JobKind.TRAINING_DATA:
        made = str(job.recipe.get("name") or job.recipe.get("source", ""))
        if made.startswith(QUESTIONS):
            return "/admin/?tab=sets"
        return f"/admin/?{urlencode({'tab': 'samples', 'set': made.partition(':')[0]})}"
    return "/facts/" if job.kind is JobKind.FACT_TESTS else ""


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
        if job.kind is JobKind.TRAINING_DATA:
            return DataJobRecipe.parse(job.recipe).command_line()
        if job.kind is JobKind.FACT_TESTS:
            return FactTestsRecipe.parse(job.recipe).command_line()
        if job.kind is JobKind.STUDY:
            return shlex.join(["python", "-m", "m1app", "study", "resume", job.name])
        return BenchmarkRecipe.model_validate(dict(job.recipe)).command_line()
    except (ValidationError, RecipeRefused, FactTestRefused, DataJobRefused):
        return ""
