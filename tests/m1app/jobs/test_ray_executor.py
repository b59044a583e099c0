"""Jobs on a real Ray of one node: make test-ray."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.bootstrap import build_services
from m1app.jobs.code_version import git_commit
from m1app.jobs.errors import ExecutorError
from m1app.jobs.executor import WorkerTask
from m1app.jobs.ray_executor import RayExecutor
from m1app.jobs.service import JobService
from m1app.jobs.watching import Presence, WatchLimits
from m1app.settings import Settings
from storage.benchmarks.records import RunState
from storage.database import Database
from storage.jobs.records import JobState, Resource
from tests.m1app.jobs.job_cases import a_job, app, counted, counts_to, home_settings, reaches, until
from tests.m1app.jobs.job_program import PROGRAM
from tests.m1app.jobs.ray_cluster import free_port, ray_cluster

pytestmark = [pytest.mark.usefixtures("no_settings"), pytest.mark.timeout(400)]
ID = "0123456789abcdef0123456789abcdef"
OPTIONS = {"A": "Adrenal gland", "B": "Thyroid gland"}
HORMONES = ("cortisol", "aldosterone", "adrenaline")
PATIENT = WatchLimits(gone_seconds=3.0, unknown_seconds=60.0, watched_seconds=1.0, grace_seconds=5.0)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    pytest.importorskip("ray", reason="Ray is not installed; run make test-ray")
    home = Path(tempfile.mkdtemp(prefix="m1-ray-"))
    try:
        with ray_cluster(home) as address:
            yield address
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def service(address: str, tmp_path: Path) -> AsyncIterator[JobService]:
    """An app whose workers run on Ray; they are the tests' own, and the code that they import is what was sent."""
    settings = home_settings(tmp_path / "home", ray_address=address, cpu_jobs=2)
    settings.home.mkdir()

    def make(settings: Settings, database: Database) -> JobService:
        executors = {"ray": RayExecutor(settings.ray_address, PROGRAM)}
        return JobService(database, settings, executors=executors, limits=PATIENT)

    async with app(settings, make) as service:
        yield service


@pytest.mark.ray
async def test_job_runs_on_the_cluster_from_the_code_that_was_sent(service: JobService) -> None:
    job = await service.submit(a_job(steps=3, executor="ray"))
    done = await reaches(service, job, JobState.SUCCEEDED, seconds=120)
    assert done.handle == f"m1-{job.id}-1"
    assert [step for _, step, _ in counted(service, job)] == [0, 1, 2]
    log = await service.log_tail(job.id)
    assert "started, attempt 1, on cpu by ray" in log
    assert "the runner begins" in log
    assert "/runtime_resources/working_dir_files/" in log, "the worker says where its code lies"
    assert git_commit()
    assert f" of commit {git_commit()}" in log


@pytest.mark.ray
async def test_running_job_is_stopped_and_resumed_on_the_cluster(service: JobService) -> None:
    job = await service.submit(a_job(steps=80, seconds=0.1, executor="ray"))
    await counts_to(service, job, 3)
    assert "the runner begins" in await service.log_tail(job.id), "read while it runs"
    await service.stop(job.id)
    stopped = await reaches(service, job, JobState.STOPPED, seconds=120)
    assert stopped.progress.done < 80
    await service.resume(job.id)
    done = await reaches(service, job, JobState.SUCCEEDED, seconds=120)
    assert (done.attempt, done.handle) == (2, f"m1-{job.id}-2")
    assert [step for _, step, _ in counted(service, job)] == list(range(80))


@pytest.mark.ray
async def test_worker_that_does_not_stop_in_time_is_ended_on_the_cluster(service: JobService) -> None:
    job = await service.submit(a_job(mode="deaf", steps=1200, seconds=0.1, executor="ray"))
    await counts_to(service, job, 3)
    await service.stop(job.id)
    await reaches(service, job, JobState.STOPPED, seconds=120)
    assert len(counted(service, job)) < 1200


@pytest.mark.ray
async def test_worker_that_ray_ends_behind_the_apps_back_is_over_and_resumed(service: JobService, address: str) -> None:
    job = await service.submit(a_job(steps=1200, seconds=0.1, executor="ray"))
    await counts_to(service, job, 3)
    await asyncio.to_thread(RayExecutor(address).kill, f"m1-{job.id}-1")
    ended = await reaches(service, job, JobState.STOPPED, JobState.LOST, seconds=120)
    assert ended.attempt == 1
    assert (await service.resume(job.id)).state is JobState.QUEUED
    await service.stop(job.id)


@pytest.mark.ray
async def test_job_for_which_no_node_has_room_waits_and_can_be_taken_back(service: JobService) -> None:
    job = await service.submit(a_job(steps=1, executor="ray", resource=Resource.GPU))
    running = await reaches(service, job, JobState.RUNNING)

    async def is_submitted() -> bool:
        return bool((await service.get(job.id)).handle)

    await until(is_submitted, "submission")
    await asyncio.sleep(3)
    assert (await service.get(job.id)).state is JobState.RUNNING
    assert running.heartbeat_at is None
    await service.stop(job.id)
    await reaches(service, job, JobState.STOPPED, seconds=60)
    assert counted(service, job) == []


@pytest.mark.ray
def test_submission_that_ray_does_not_know_is_gone_and_stopping_it_is_fine(address: str) -> None:
    executor = RayExecutor(address)
    assert executor.look("m1-unknown-1") is Presence.GONE
    assert executor.written("m1-unknown-1") == ""
    executor.stop("m1-unknown-1")
    executor.kill("m1-unknown-1")


@pytest.mark.ray
async def test_worker_that_ray_cannot_start_has_failed_with_its_message(address: str, tmp_path: Path) -> None:
    settings = home_settings(tmp_path / "home", ray_address=address)
    settings.home.mkdir()

    def make(settings: Settings, database: Database) -> JobService:
        broken = RayExecutor(settings.ray_address, ("-c", "import sys; sys.exit('no such library')"))
        return JobService(database, settings, executors={"ray": broken}, limits=PATIENT)

    async with app(settings, make) as service:
        failed = await reaches(service, await service.submit(a_job(executor="ray")), JobState.FAILED, seconds=120)
    assert "no such library" in failed.error


@pytest.mark.ray
def test_cluster_that_does_not_answer_is_told_with_what_to_check(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed; run make test-ray")
    executor = RayExecutor(f"http://127.0.0.1:{free_port()}")
    assert executor.look("m1-x-1") is Presence.UNKNOWN
    with pytest.raises(ExecutorError, match="Check M1_RAY_ADDRESS and that the cluster is running"):
        executor.start(a_task(tmp_path))


def a_task(folder: Path) -> WorkerTask:
    return WorkerTask(job_id=ID, attempt=1, resource=Resource.CPU, log_path=folder / "log.txt", environment={})


def test_missing_ray_is_told_with_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    executor = RayExecutor("http://127.0.0.1:9")
    with pytest.raises(ExecutorError, match=r"Ray is not installed here.*requirements/ray\.txt"):
        executor.start(a_task(tmp_path))
    assert executor.look("m1-x-1") is Presence.UNKNOWN


@pytest.mark.ray
@pytest.mark.engine
async def test_benchmark_runs_on_the_cluster_with_an_engine_of_its_own(
    address: str, tmp_path: Path, smollm2_path: Path
) -> None:
    questions = [{"question": f"Which gland makes {what}?", "options": OPTIONS, "answer_idx": "A"} for what in HORMONES]
    (tmp_path / "glands.json").write_text(json.dumps({"glands": questions}), encoding="utf-8")
    settings = home_settings(tmp_path / "home", ray_address=address)
    settings.home.mkdir()
    settings.models_directory.symlink_to(smollm2_path.parents[1])
    services = build_services(settings)
    scheduler = asyncio.create_task(services.jobs.run_scheduler())
    try:
        await asyncio.to_thread(services.engines.wait_ready, 60)
        await services.question_sets.import_file(tmp_path / "glands.json")
        recipe = BenchmarkRecipe(question_sets=("glands",), budgets=(8, 16), force_rounds=(0, 1), answer_cap_tokens=4)
        run, job = await services.benchmarks.launch(recipe, executor="ray")
        done = await reaches(services.jobs, job, JobState.SUCCEEDED, seconds=200)
        assert (done.handle, done.progress.done) == (f"m1-{job.id}-1", len(questions))
        assert (await services.benchmark_reading.get(run.id)).state is RunState.COMPLETED
        cells = await services.benchmark_reading.cells([run.id])
        assert [(cell.force_rounds, cell.budget_tokens, cell.n) for cell in cells] == [
            (0, 8, 3), (0, 16, 3), (1, 8, 3), (1, 16, 3),
        ]  # fmt: skip
    finally:
        scheduler.cancel()
        await asyncio.gather(scheduler, return_exceptions=True)
        await services.aclose()
