"""Jobs from the command line, as a process of its own and without an engine."""

import asyncio
import json
import threading
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from m1app.bootstrap import build_services
from m1app.settings import EngineChoice, Settings
from m1app.ui.web import build_app
from storage.jobs.records import JobState
from tests.m1app.cli.command_line import assert_one_line, run
from tests.m1app.jobs.job_cases import a_job, app, home_settings

pytestmark = pytest.mark.usefixtures("no_settings")
NOBODY = "http://127.0.0.1:9"
NO_ENGINE = {"M1_ENGINE_URL": NOBODY}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = home_settings(tmp_path / "home")
    settings.home.mkdir()
    return settings


async def test_jobs_are_listed_stopped_resumed_and_deleted(settings: Settings) -> None:
    async with app(settings, is_scheduling=False) as service:
        job = await service.submit(a_job("Müller's sweep"))
        listed = run("jobs", "list", "--json", home=settings.home)
        assert [(each["id"], each["state"], each["name"]) for each in json.loads(listed.stdout)] == [
            (job.id, "queued", "Müller's sweep")
        ]
        assert run("jobs", "priority", job.id, "7", home=settings.home).returncode == 0
        assert (await service.get(job.id)).priority == 7
        stopped = run("jobs", "stop", job.id, home=settings.home)
        assert (stopped.returncode, stopped.stdout.split()[:2]) == (0, [job.id, "stopped"])
        assert run("jobs", "resume", job.id, home=settings.home).returncode == 0
        assert (await service.get(job.id)).state is JobState.QUEUED
        assert_one_line(run("jobs", "delete", job.id, home=settings.home).stderr, "Stop it before")
        await service.stop(job.id)
        log = run("jobs", "log", job.id, "--lines", "2", home=settings.home).stdout.splitlines()
        assert [line.split(" ", 1)[1] for line in log] == ["resumed by a user", "stopped by a user before it started"]
        assert run("jobs", "delete", job.id, home=settings.home).stdout.startswith("moved to the trash; ")
    assert run("jobs", "list", home=settings.home).stdout == "no jobs\n"


@pytest.mark.parametrize("command", ["stop", "resume", "delete", "log"])
def test_unknown_job_is_one_line(settings: Settings, command: str) -> None:
    done = run("jobs", command, "f" * 32, home=settings.home)
    assert done.returncode == 1
    assert_one_line(done.stderr, "not found")


def test_app_starts_jobs_and_stops_doing_so_when_it_ends(settings: Settings) -> None:
    services = build_services(settings.model_copy(update={"engine": EngineChoice.REMOTE, "engine_url": NOBODY}))
    with TestClient(build_app(services), base_url="http://127.0.0.1"):
        job = asyncio.run(services.jobs.submit(a_job("no such run")))
        end = time.monotonic() + 60
        while (failed := asyncio.run(services.jobs.get(job.id))).state is not JobState.FAILED:
            assert time.monotonic() < end, failed
            time.sleep(0.1)
    assert "not found" in failed.error
    assert not [thread for thread in threading.enumerate() if thread.name == "job-scheduler"]


async def test_worker_of_the_command_line_leaves_a_job_alone_that_was_not_started(settings: Settings) -> None:
    async with app(settings, is_scheduling=False) as service:
        job = await service.submit(a_job())
        done = run("job-worker", job.id, home=settings.home, **NO_ENGINE)
        assert done.returncode == 1
        assert "was not taken: it is queued" in done.stdout
        assert (await service.get(job.id)).state is JobState.QUEUED


def test_worker_of_an_unknown_job_says_so_with_the_time(settings: Settings) -> None:
    done = run("job-worker", "f" * 32, home=settings.home, **NO_ENGINE)
    assert done.returncode == 1
    assert f"Job '{'f' * 32}' not found" in done.stdout
    assert done.stdout.split("T")[0].count("-") == 2
