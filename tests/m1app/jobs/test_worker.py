"""Workers as real processes: what becomes of a job, whatever happens to its worker, its app or its database."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from m1app.jobs.local_executor import LocalExecutor
from m1app.jobs.service import JobService
from m1app.jobs.watching import Presence
from m1app.settings import Settings
from storage.database import Database
from storage.jobs.records import JobKind, JobState, Resource
from tests.m1app.cli.command_line import ROOT, environment
from tests.m1app.jobs.job_cases import a_job, app, counted, counts_to, home_settings, pid_of, reaches, until
from tests.m1app.jobs.job_program import PROGRAM, QUICK

pytestmark = pytest.mark.usefixtures("no_settings")
SLOW = {"steps": 400, "seconds": 0.05}
"""Long enough to be met at work."""


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings of a home of its own; workers that are left over are ended."""
    settings = home_settings(tmp_path / "home")
    settings.home.mkdir()
    yield settings
    async with app(settings, is_scheduling=False) as service:
        for job in await service.recent():
            LocalExecutor().kill(job.handle)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[JobService]:
    async with app(settings) as service:
        yield service


async def is_gone(handle: str) -> bool:
    return LocalExecutor().look(handle) is Presence.GONE


async def test_job_runs_in_a_process_of_its_own_and_succeeds(service: JobService) -> None:
    job = await service.submit(a_job(steps=3))
    done = await reaches(service, job, JobState.SUCCEEDED)
    assert pid_of(done) != os.getpid()
    assert (done.attempt, done.error) == (1, "")
    assert (done.progress.done, done.progress.total, done.progress.unit) == (3, 3, "steps")
    assert done.progress.figures == {"half": 0.5}, "what is not a number is left out"
    assert done.created_at <= done.started_at <= done.heartbeat_at <= done.ended_at  # type: ignore[operator]
    log = await service.log_tail(job.id)
    for words in ("created: benchmark 'counting'", "started, attempt 1", "the runner begins", "succeeded"):
        assert words in log
    assert [step for _, step, _ in counted(service, job)] == [0, 1, 2]


async def test_progress_is_stored_while_the_job_runs(service: JobService) -> None:
    job = await service.submit(a_job(**SLOW))

    async def is_half_told() -> bool:
        now = await service.get(job.id)
        return now.state is JobState.RUNNING and now.progress.done >= 5

    await until(is_half_told, "progress")
    assert service.running == 1


async def test_running_job_is_found_by_the_next_app_after_a_kill_of_the_first(settings: Settings) -> None:
    async with app(settings, is_scheduling=False) as service:
        job = await service.submit(a_job(steps=120, seconds=0.05))
    first = subprocess.Popen(
        [sys.executable, *PROGRAM, "--app"], cwd=ROOT, env=environment(settings.home), start_new_session=True
    )
    try:
        async with app(settings, is_scheduling=False) as service:
            await counts_to(service, job, 3)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    async with app(settings) as service:

        async def is_seen() -> bool:
            return service.running == 1

        await until(is_seen, "finding the job again")
        done = await reaches(service, job, JobState.SUCCEEDED)
        assert done.attempt == 1
        assert [step for _, step, _ in counted(service, job)] == list(range(120))


async def test_killed_worker_is_lost_with_its_last_words_and_resume_goes_on(service: JobService) -> None:
    job = await service.submit(a_job(steps=60, seconds=0.05))
    await counts_to(service, job, 5)
    os.kill(pid_of(await service.get(job.id)), signal.SIGKILL)
    lost = await reaches(service, job, JobState.LOST)
    assert "exited without reporting a result" in lost.error
    assert "the runner begins" in lost.error
    assert lost.ended_at is not None
    before = counted(service, job)
    resumed = await service.resume(job.id)
    assert (resumed.id, resumed.error) == (job.id, "")
    done = await reaches(service, job, JobState.SUCCEEDED)
    assert (done.attempt, done.error) == (2, "")
    after = counted(service, job)
    assert after[: len(before)] == before
    assert [step for _, step, _ in after] == list(range(60))
    log = await service.log_tail(job.id)
    assert log.index("started, attempt 1") < log.index("lost: ") < log.index("resumed") < log.index("attempt 2")


async def test_stopped_job_keeps_what_it_has_and_resumes(service: JobService) -> None:
    job = await service.submit(a_job(steps=60, seconds=0.1))
    await counts_to(service, job, 3)
    assert (await service.stop(job.id)).state is JobState.STOPPING
    stopped = await reaches(service, job, JobState.STOPPED)
    assert (stopped.error, stopped.progress.done) == ("", len(counted(service, job)))
    assert stopped.progress.done < 60
    await until(lambda: is_gone(stopped.handle), "the worker's end")
    await service.resume(job.id)
    assert (await reaches(service, job, JobState.SUCCEEDED)).attempt == 2
    assert [step for _, step, _ in counted(service, job)] == list(range(60))


async def test_worker_is_told_to_stop_through_the_database_where_no_scheduler_can_signal_it(settings: Settings) -> None:
    async with app(settings) as service:
        job = await service.submit(a_job(**SLOW))
        await counts_to(service, job, 2)
    async with app(settings, is_scheduling=False) as service:
        await service.stop(job.id)
        await reaches(service, job, JobState.STOPPED)


async def test_worker_that_does_not_stop_in_time_is_ended(service: JobService) -> None:
    job = await service.submit(a_job(mode="deaf", **SLOW))
    await counts_to(service, job, 2)
    await service.stop(job.id)
    stopped = await reaches(service, job, JobState.STOPPED)
    assert len(counted(service, job)) < SLOW["steps"]
    assert stopped.error == ""
    assert "did not stop in time" in await service.log_tail(job.id)
    await until(lambda: is_gone(stopped.handle), "the worker's end")


async def test_worker_that_the_system_ends_has_stopped_and_can_be_resumed(service: JobService) -> None:
    job = await service.submit(a_job(**SLOW))
    await counts_to(service, job, 2)
    os.kill(pid_of(await service.get(job.id)), signal.SIGTERM)
    await reaches(service, job, JobState.STOPPED)
    assert "received SIGTERM" in await service.log_tail(job.id)
    assert (await service.resume(job.id)).state is JobState.QUEUED


@pytest.mark.parametrize(
    ("mode", "error", "log"),
    [
        ("refuses", "The question set is empty. Import one with questions.", "AppError"),
        ("breaks", "An unexpected error occurred (KeyError: 'a mistake of the programmer')", "Traceback"),
        ("gives up", "The job ended before it was complete", "failed: The job ended before"),
    ],
)
async def test_what_a_runner_raises_is_the_error_of_the_job(
    service: JobService, mode: str, error: str, log: str
) -> None:
    job = await service.submit(a_job(mode=mode))
    failed = await reaches(service, job, JobState.FAILED)
    assert failed.error.startswith(error)
    assert log in await service.log_tail(job.id)


async def test_kind_that_the_worker_does_not_know_fails(service: JobService) -> None:
    job = await service.submit(a_job(kind=JobKind.FINE_TUNING))
    assert "cannot run fine-tuning jobs" in (await reaches(service, job, JobState.FAILED)).error


async def test_worker_that_dies_before_it_begins_has_failed_with_what_it_said(settings: Settings) -> None:
    def make(settings: Settings, database: Database) -> JobService:
        dies = LocalExecutor(("-c", "import sys; sys.exit('libgomp.so.1 is missing')"))
        return JobService(database, settings, executors={"local": dies}, limits=QUICK)

    async with app(settings, make) as service:
        failed = await reaches(service, await service.submit(a_job()), JobState.FAILED)
    assert "ended before it could start" in failed.error
    assert "libgomp.so.1 is missing" in failed.error


async def test_worker_is_heard_of_while_its_runner_is_busy(service: JobService) -> None:
    job = await service.submit(a_job(mode="busy", seconds=8))
    heard = set()

    async def is_heard_often() -> bool:
        now = await service.get(job.id)
        assert now.state in (JobState.QUEUED, JobState.RUNNING)
        heard.add(now.heartbeat_at)
        return len(heard - {None}) >= 3

    await until(is_heard_often, "three heartbeats")
    assert counted(service, job) == [], "the runner has not given way yet"


async def test_second_worker_of_a_job_refuses(service: JobService, settings: Settings) -> None:
    job = await service.submit(a_job(**SLOW))
    await counts_to(service, job, 2)
    before = await service.get(job.id)
    second = _run_worker(settings, job.id)
    assert second.returncode == 1
    assert "another worker is running it" in second.stdout
    after = await service.get(job.id)
    assert (after.state, after.handle, after.attempt) == (JobState.RUNNING, before.handle, 1)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.STOPPED])
async def test_worker_of_a_job_that_was_not_started_refuses(settings: Settings, state: JobState) -> None:
    async with app(settings, is_scheduling=False) as service:
        job = await service.submit(a_job())
        if state is JobState.STOPPED:
            await service.stop(job.id)
        refused = _run_worker(settings, job.id)
        assert refused.returncode == 1
        assert f"it is {state.value}" in refused.stdout
        assert (await service.get(job.id)).state is state


def _run_worker(settings: Settings, job_id: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *PROGRAM, job_id],
        cwd=ROOT,
        env=environment(settings.home),
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_worker_of_a_deleted_job_ends(service: JobService, settings: Settings) -> None:
    job = await service.submit(a_job(**SLOW))
    await counts_to(service, job, 2)
    handle = (await service.get(job.id)).handle
    with closing(sqlite3.connect(settings.home / "m1.sqlite3", timeout=10)) as connection, connection:
        connection.execute("DELETE FROM job")
    await until(lambda: is_gone(handle), "the worker's end")
    assert len(counted(service, job)) < SLOW["steps"]


async def test_database_that_is_away_for_a_while_costs_nothing(service: JobService, settings: Settings) -> None:
    job = await service.submit(a_job(steps=30, seconds=0.1))
    await counts_to(service, job, 2)
    with closing(sqlite3.connect(settings.home / "m1.sqlite3", timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        await counts_to(service, job, 30)
        await asyncio.sleep(QUICK.gone_seconds + 2)
        connection.execute("ROLLBACK")
    done = await reaches(service, job, JobState.SUCCEEDED)
    assert (done.attempt, done.progress.done) == (1, 30)
    assert "waiting for the database" in await service.log_tail(job.id)


async def test_limit_holds_for_each_resource(settings: Settings) -> None:
    async with app(home_settings(settings.home, cpu_jobs=2, gpu_jobs=1)) as service:
        resources = [Resource.CPU] * 4 + [Resource.GPU] * 2
        jobs = [await service.submit(a_job(steps=15, seconds=0.1, resource=each)) for each in resources]
        for job in jobs:
            await reaches(service, job, JobState.SUCCEEDED, seconds=120)
        for resource, places in ((Resource.CPU, 2), (Resource.GPU, 1)):
            steps = [counted(service, job) for job in jobs if job.resource is resource]
            spans = [(each[0][2], each[-1][2]) for each in steps]
            at_once = [sum(begin <= moment <= end for begin, end in spans) for moment, _ in spans]
            assert max(at_once) <= places


async def test_two_apps_on_one_database_start_each_job_once(settings: Settings) -> None:
    shared = home_settings(settings.home, cpu_jobs=2)
    async with app(shared) as first, app(shared) as second:
        jobs = [await (first if number % 2 else second).submit(a_job(steps=2)) for number in range(6)]
        for job in jobs:
            done = await reaches(first, job, JobState.SUCCEEDED, seconds=120)
            assert done.attempt == 1
            assert [step for _, step, _ in counted(first, job)] == [0, 1]
            assert (await first.log_tail(job.id)).count("started, attempt") == 1
