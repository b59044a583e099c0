"""Shared by job tests: settings, a scheduling app, and waiting for events."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from m1app.jobs.service import JobService
from m1app.jobs.states import OVER
from m1app.settings import Settings
from storage.database import Database
from storage.jobs.records import Job, JobKind, JobState, NewJob
from tests.m1app.jobs.job_program import make_service


def a_job(name: str = "counting", **changes: Any) -> NewJob:
    """A job for `job_program`; other arguments go into its recipe."""
    fields = {key: changes.pop(key) for key in ("priority", "resource", "executor", "kind") if key in changes}
    return NewJob(**{"kind": JobKind.BENCHMARK, "name": name, "recipe": changes} | fields)


@asynccontextmanager
async def app(
    settings: Settings, make: Callable[[Settings, Database], JobService] = make_service, *, is_scheduling: bool = True
) -> AsyncIterator[JobService]:
    """An app's service with its scheduler; leaving the context ends the app but not the workers."""
    database = Database(settings.database_address)
    database.migrate()
    service = make(settings, database)
    task = asyncio.create_task(service.run_scheduler()) if is_scheduling else None
    try:
        yield service
    finally:
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await service.aclose()
        database.dispose()


async def until(is_so: Callable[[], Awaitable[bool]], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not await is_so():
        assert time.monotonic() < end, f"{what} did not happen in {seconds:.0f} s"
        await asyncio.sleep(0.05)


async def reaches(service: JobService, job: Job, *states: JobState, seconds: float = 60.0) -> Job:
    """The job, once it is in one of these states."""

    async def is_there() -> bool:
        now = (await service.get(job.id)).state
        assert now in states or now not in OVER, f"{job.name} is {now}"
        return now in states

    try:
        await until(is_there, f"{job.name} becoming {'/'.join(states)}", seconds)
    except AssertionError as exc:
        raise AssertionError(f"{exc}\n{await service.get(job.id)}\n{await service.log_tail(job.id)}") from exc
    return await service.get(job.id)


async def counts_to(service: JobService, job: Job, steps: int) -> None:
    """Wait until the job has counted that far."""

    async def has_counted() -> bool:
        return len(counted(service, job)) >= steps

    await until(has_counted, f"step {steps}")


def counted(service: JobService, job: Job) -> list[tuple[int, int, float]]:
    """Attempt, step and time of each step that was counted."""
    if "steps.txt" not in dict(service.artifacts(job.id)):
        return []
    lines = service.artifact(job.id, "steps.txt").read_text().splitlines()
    return [(int(attempt), int(step), float(moment)) for attempt, step, moment in (line.split() for line in lines)]


def pid_of(job: Job) -> int:
    return int(job.handle.split(":")[1])


def home_settings(home: Path, **changes: Any) -> Settings:
    return Settings(home=home, **changes)
