"""What a person may do with jobs, and what is refused: with an executor that starts nothing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m1app.jobs.errors import ExecutorError, JobRefused
from m1app.jobs.executor import Executor, WorkerTask
from m1app.jobs.scheduler import JobScheduler
from m1app.jobs.service import JobService
from m1app.jobs.watching import Presence, WatchLimits
from m1app.settings import Settings
from storage.database import Database, Session
from storage.errors import InvalidRecord, RecordNotFound
from storage.jobs.records import Job, JobProgress, JobState
from storage.jobs.repository import JobRepository
from tests.m1app.jobs.job_cases import a_job, app, home_settings, reaches

pytestmark = pytest.mark.usefixtures("no_settings")


class Recorder:
    """An executor on paper: workers are `alive` until the test says otherwise."""

    def __init__(self) -> None:
        self.tasks: list[WorkerTask] = []
        self.presence = Presence.ALIVE
        self.said: list[tuple[str, str]] = []
        self.problem = ""
        self.output = ""

    def start(self, task: WorkerTask) -> str:
        if self.problem:
            raise ExecutorError(self.problem)
        self.tasks.append(task)
        return f"paper-{task.attempt}"

    def look(self, handle: str) -> Presence:
        return self.presence

    def stop(self, handle: str) -> None:
        self.said.append(("stop", handle))

    def kill(self, handle: str) -> None:
        self.said.append(("kill", handle))

    def written(self, handle: str) -> str:
        if self.problem:
            raise ExecutorError(self.problem)
        return self.output


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = home_settings(tmp_path / "home")
    settings.home.mkdir()
    return settings


@pytest.fixture
async def service(settings: Settings, recorder: Recorder) -> AsyncIterator[JobService]:
    """Ticks are made by the tests."""

    def make(settings: Settings, database: Database) -> JobService:
        executors: dict[str, Executor] = {"local": recorder}
        limits = WatchLimits(gone_seconds=0.0, unknown_seconds=0.0, watched_seconds=0.0, grace_seconds=0.0)
        return JobService(database, settings, executors=executors, limits=limits)

    async with app(settings, make, is_scheduling=False) as service:
        yield service


def scheduler_of(service: JobService) -> JobScheduler:
    return service._schedulers[0]


async def started(service: JobService, **changes: Any) -> Job:
    job = await service.submit(a_job(**changes))
    scheduler_of(service).tick()
    return await service.get(job.id)


async def claim(service: JobService, job: Job) -> None:
    await service._database.write(lambda s: JobRepository(s).claim(job.id, ""))


async def over(service: JobService, job: Job, state: JobState, progress: JobProgress | None = None) -> None:
    def end(session: Session) -> bool:
        return JobRepository(session).end(job, state, list(JobState), progress=progress)

    assert await service._database.write(end)


async def test_job_waits_in_a_folder_of_its_own(service: JobService, settings: Settings) -> None:
    job = await service.submit(a_job(budgets=(64, 128), nested={"a": [1, None, 0.5]}))
    assert job.state is JobState.QUEUED
    assert job.recipe == {"budgets": [64, 128], "nested": {"a": [1, None, 0.5]}}
    assert (settings.jobs_directory / job.id / "artifacts").is_dir()
    assert "created: benchmark 'counting', priority 0" in await service.log_tail(job.id)
    assert await service.recent(text="count", states=[JobState.QUEUED]) == (job,)


@pytest.mark.parametrize("recipe", [{"a": object()}, {"a": float("inf")}, {"a": b"1"}, {"a": {1, 2}}, {("a", 1): 2}])
async def test_recipe_that_is_not_json_is_refused(service: JobService, recipe: dict[str, Any]) -> None:
    with pytest.raises(JobRefused, match="recipe is not JSON"):
        await service.submit(replace(a_job(), recipe=recipe))
    assert await service.recent() == ()


@pytest.mark.parametrize(("executor", "advice"), [("ray", "M1_RAY_ADDRESS"), ("slurm", "Available: local")])
async def test_executor_that_is_not_there_is_refused_with_advice(
    service: JobService, executor: str, advice: str
) -> None:
    with pytest.raises(JobRefused, match=advice):
        await service.submit(a_job(executor=executor))


async def test_ray_job_is_accepted_where_a_cluster_is_named_and_refused_to_resume_where_none_is(
    settings: Settings, service: JobService
) -> None:
    with_ray = home_settings(settings.home, ray_address="http://127.0.0.1:9")

    def make(settings: Settings, database: Database) -> JobService:
        return JobService(database, settings)

    async with app(with_ray, make, is_scheduling=False) as other:
        job = await other.submit(a_job(executor="ray"))
        await other.stop(job.id)
    with pytest.raises(JobRefused, match="M1_RAY_ADDRESS"):
        await service.resume(job.id)


async def test_priority_out_of_range_and_unstorable_name_are_refused(service: JobService) -> None:
    with pytest.raises(JobRefused, match="Priority"):
        await service.submit(a_job(priority=10**9))
    with pytest.raises(InvalidRecord, match="the job's name"):
        await service.submit(a_job("a\x00b"))
    assert await service.recent() == ()


async def test_no_job_without_a_folder(service: JobService, settings: Settings) -> None:
    settings.jobs_directory.write_text("in the way")
    with pytest.raises(JobRefused, match="folder cannot be created"):
        await service.submit(a_job())
    assert await service.recent() == ()


@pytest.mark.parametrize("job_id", ["f" * 32, "", "../..", "a\x00"])
async def test_unknown_job_is_told_by_every_method(service: JobService, job_id: str) -> None:
    for method in (service.get, service.stop, service.resume, service.delete, service.log_tail):
        with pytest.raises(RecordNotFound, match="not found"):
            await method(job_id)
    with pytest.raises(RecordNotFound):
        await service.set_priority(job_id, 1)
    assert service.artifacts(job_id) == ()
    with pytest.raises(JobRefused, match="no artifact"):
        service.artifact(job_id, "a.csv")


async def test_waiting_job_is_stopped_at_once_and_never_started(service: JobService, recorder: Recorder) -> None:
    job = await service.submit(a_job())
    assert (await service.stop(job.id)).state is JobState.STOPPED
    assert (await service.stop(job.id)).state is JobState.STOPPED, "twice is once"
    scheduler_of(service).tick()
    assert recorder.tasks == []


async def test_running_job_is_told_to_stop_and_ended_after_its_grace(service: JobService, recorder: Recorder) -> None:
    job = await started(service)
    assert (await service.stop(job.id)).state is JobState.STOPPING
    assert (await service.stop(job.id)).state is JobState.STOPPING
    for _ in range(2):
        scheduler_of(service).tick()
    assert recorder.said == [("stop", "paper-1"), ("kill", "paper-1")]
    recorder.presence = Presence.GONE
    scheduler_of(service).tick()
    assert (await service.get(job.id)).state is JobState.STOPPED


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.LOST])
async def test_job_that_is_over_cannot_be_stopped(service: JobService, state: JobState) -> None:
    job = await started(service)
    await over(service, job, state)
    with pytest.raises(JobRefused, match=f"ended \\({state.value}\\)"):
        await service.stop(job.id)


@pytest.mark.parametrize("state", [JobState.STOPPED, JobState.FAILED, JobState.LOST])
async def test_job_that_did_not_succeed_is_resumed_as_the_same(
    service: JobService, recorder: Recorder, state: JobState
) -> None:
    job = await started(service)
    await over(service, job, state)
    resumed = await service.resume(job.id)
    assert (resumed.id, resumed.state) == (job.id, JobState.QUEUED)
    scheduler_of(service).tick()
    assert [(task.job_id, task.attempt) for task in recorder.tasks] == [(job.id, 1), (job.id, 2)]


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED])
async def test_job_that_needs_no_resume_is_refused_one(service: JobService, state: JobState) -> None:
    job = await service.submit(a_job())
    if state is not JobState.QUEUED:
        scheduler_of(service).tick()
        await over(service, await service.get(job.id), state)
    with pytest.raises(JobRefused, match=f"\\({state.value}\\) cannot be resumed; only"):
        await service.resume(job.id)


async def test_benchmark_that_ended_with_failed_questions_can_ask_them_again(service: JobService) -> None:
    job = await started(service)
    await over(service, job, JobState.SUCCEEDED, JobProgress(done=5, total=5, figures={"failed": 2.0}))
    assert (await service.resume(job.id)).state is JobState.QUEUED


async def test_turn_goes_by_priority_also_when_it_is_changed(service: JobService, recorder: Recorder) -> None:
    low, mid, high = [(await service.submit(a_job(priority=priority))).id for priority in (-5, 0, 5)]
    assert (await service.set_priority(low, 9)).priority == 9
    for _ in range(3):
        scheduler_of(service).tick()
        await over(service, await service.get(recorder.tasks[-1].job_id), JobState.SUCCEEDED)
    assert [task.job_id for task in recorder.tasks] == [low, high, mid]


async def test_no_place_starts_nothing(settings: Settings, recorder: Recorder) -> None:
    def make(settings: Settings, database: Database) -> JobService:
        return JobService(database, settings, executors={"local": recorder})

    async with app(home_settings(settings.home, cpu_jobs=0), make, is_scheduling=False) as service:
        assert (await started(service)).state is JobState.QUEUED


async def test_job_that_is_over_is_deleted_with_its_folder_and_others_are_not(
    service: JobService, settings: Settings
) -> None:
    job = await started(service)
    with pytest.raises(JobRefused, match="Stop it before"):
        await service.delete(job.id)
    await over(service, job, JobState.FAILED)
    deletion = await service.delete(job.id)
    assert await service.recent() == ()
    assert (settings.jobs_directory / job.id).exists()
    service.remove_files(deletion)
    assert not (settings.jobs_directory / job.id).exists()


async def test_artifacts_are_listed_and_opened(service: JobService, settings: Settings) -> None:
    job = await service.submit(a_job())
    (settings.jobs_directory / job.id / "artifacts" / "results.csv").write_text("a,b\n")
    assert service.artifacts(job.id) == (("results.csv", 4),)
    assert service.artifact(job.id, "results.csv").read_text() == "a,b\n"
    with pytest.raises(JobRefused, match=r"no artifact '\.\./log\.txt'"):
        service.artifact(job.id, "../log.txt")


async def test_worker_that_cannot_be_started_fails_the_job_with_the_reason(
    service: JobService, recorder: Recorder
) -> None:
    recorder.problem = "There is no memory left. Free some."
    job = await started(service)
    assert (job.state, job.error) == (JobState.FAILED, "There is no memory left. Free some.")
    assert "could not be started: There is no memory left" in await service.log_tail(job.id)


async def test_silent_worker_that_nobody_can_see_is_lost(service: JobService, recorder: Recorder) -> None:
    job = await started(service)
    await claim(service, job)
    recorder.presence = Presence.UNKNOWN
    scheduler_of(service).tick()
    scheduler_of(service).tick()
    lost = await service.get(job.id)
    assert lost.state is JobState.LOST
    assert "not reported" in lost.error


async def test_output_that_is_kept_elsewhere_is_shown_and_copied_when_the_job_is_over(
    service: JobService, recorder: Recorder
) -> None:
    job = await started(service)
    recorder.output = "".join(f"line {number}\n" for number in range(50))
    assert (await service.log_tail(job.id, lines=3)) == "line 47\nline 48\nline 49\n"
    await over(service, job, JobState.SUCCEEDED)
    scheduler_of(service).tick()
    recorder.problem = "the cluster is gone"
    assert (await service.log_tail(job.id)).endswith("line 49\n")


async def test_log_of_a_running_job_says_when_its_output_cannot_be_read(
    service: JobService, recorder: Recorder
) -> None:
    job = await started(service)
    recorder.problem = "the cluster does not answer"
    assert (await service.log_tail(job.id)).endswith("(the cluster does not answer)\n")


async def test_worker_is_given_settings_and_log(service: JobService, recorder: Recorder, settings: Settings) -> None:
    job = await started(service)
    task = recorder.tasks[0]
    assert task.log_path == settings.jobs_directory / job.id / "log.txt"
    assert task.environment["M1_HOME"] == str(settings.home)
    assert task.environment["M1_DATABASE_URL"] == settings.database_address
    assert job.handle == "paper-1"


async def test_scheduler_goes_on_after_the_database_was_away_and_after_a_mistake(
    settings: Settings, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [InvalidRecord("nothing to be had"), OSError("disk"), KeyError("a mistake")]
    read = JobRepository.in_states

    def fails_at_first(self: JobRepository, states: Any) -> Any:
        if problems:
            raise problems.pop()
        return read(self, states)

    monkeypatch.setattr(JobRepository, "in_states", fails_at_first)
    monkeypatch.setattr("m1app.jobs.scheduler.TICK_SECONDS", 0.05)

    def make(settings: Settings, database: Database) -> JobService:
        return JobService(database, settings, executors={"local": recorder})

    async with app(settings, make) as service:
        await reaches(service, await service.submit(a_job()), JobState.RUNNING)
    assert problems == []
