"""Whether the process answers, and whether it is ready, by the real app behind a real server."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.ui.shell.health import Health
from m1app.ui.web import build_app
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.m1app.ui.serving import serving
from tests.models.engine.scripted_server import Script
from tests.models.engine.scripted_server import serving as engine_serving

READY = {"ok": True, "engine": "ready", "model": "", "reasons": []}


@pytest.fixture
def engine() -> Iterator[Script]:
    with engine_serving(Script(answering(lambda _: RIGHT))) as script:
        yield script


@pytest.fixture
def services(tmp_path: Path, engine: Script) -> Services:
    return build_services(Settings(home=tmp_path, engine_url=engine.url))


@pytest.fixture
def client(services: Services) -> Iterator[httpx2.Client]:
    with serving(build_app(services)) as url, httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client


def test_ready_says_how_the_engine_is_and_is_also_at_the_older_path(client: httpx2.Client) -> None:
    for path in ("/healthz/ready", "/healthz"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, READY)


def test_an_engine_that_does_not_answer_makes_the_app_not_ready_but_alive(tmp_path: Path) -> None:
    services = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9", engine_api_key="sk-secret"))
    with serving(build_app(services)) as url:
        answer = httpx2.get(f"{url}/healthz/ready", timeout=60, trust_env=False)
        alive = httpx2.get(f"{url}/healthz/live", timeout=60, trust_env=False)
    assert (answer.status_code, alive.status_code, alive.json()) == (503, 200, {"ok": True})
    assert answer.json() == {"ok": False, "engine": "failed", "model": "", "reasons": ["The engine does not answer."]}


def test_a_database_that_takes_no_writes_is_a_reason_without_its_path(
    client: httpx2.Client, services: Services
) -> None:
    home = services.settings.home
    services.database.dispose()
    for file in home.glob("m1.sqlite3*"):
        file.unlink()
    (home / "m1.sqlite3").mkdir()
    answer = client.get("/healthz/ready")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["The database does not accept writes."])
    assert str(home) not in answer.text
    assert client.get("/healthz/live").status_code == 200


def test_a_database_that_is_locked_for_long_is_a_reason(
    client: httpx2.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.ui.shell.health._PATIENCE_SECONDS", 0.2)
    other = sqlite3.connect(services.settings.home / "m1.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        reasons = client.get("/healthz/ready").json()["reasons"]
    finally:
        other.close()
    assert reasons == ["The checks took longer than 0 seconds."]


async def test_a_disk_that_is_nearly_full_is_a_reason(services: Services) -> None:
    reading = await Health(services, min_free_bytes=1 << 62).read()
    await services.aclose()
    assert len(reading.reasons) == 1
    assert reading.reasons[0].startswith("The disk has only ")


async def test_many_who_ask_cause_one_check_in_a_thread(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[str] = []
    monkeypatch.setattr(services.database, "write_now", lambda _: writes.append(threading.current_thread().name))
    health = Health(services)
    for _ in range(20):
        await health.read()
    await services.aclose()
    assert len(writes) == 1
    assert writes[0] != threading.current_thread().name


def test_health_checks_ask_no_more_of_the_engine_than_the_pages(client: httpx2.Client, engine: Script) -> None:
    for _ in range(10):
        client.get("/healthz/ready")
    assert len([path for path, _ in engine.requests if path == "/v1/models"]) < 10
