"""The doctor: each check finds what is wrong, and a failed check is a finding and no error."""

import shutil
from collections import namedtuple
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from m1app.bootstrap import Services, build_services
from m1app.engines import doctor
from m1app.engines.doctor import Finding, examine
from m1app.settings import Settings
from models.engine.endpoint import Endpoint
from storage.database import Database
from tests.e2e.running_app import closed_port
from tests.models.engine.scripted_server import Script, chunk, fail, serving, stream

Usage = namedtuple("Usage", "total used free")
MakeServices = Callable[..., Services]


@pytest.fixture
async def make(tmp_path: Path, no_settings: None) -> AsyncIterator[MakeServices]:
    async with AsyncExitStack() as stack:

        def build(endpoint: Endpoint) -> Services:
            settings = Settings(home=tmp_path, engine_url=endpoint.base_url, engine_api_key=endpoint.api_key)
            services = build_services(settings)
            stack.push_async_callback(services.aclose)
            return services

        yield build


async def findings(services: Services, database: Database | None = None) -> dict[str, Finding]:
    found = await examine(services.settings, database or services.database, services.engines)
    return {finding.name: finding for finding in found}


@pytest.mark.engine
async def test_a_working_app_passes_every_check(
    make: MakeServices, embedded_endpoint: Endpoint, tmp_path: Path
) -> None:
    services = make(embedded_endpoint)
    found = await findings(services)
    assert list(found) == ["versions", "disk", "database", "engine", "generation"]
    assert [name for name, finding in found.items() if not finding.is_good and name != "disk"] == []
    assert "smollm2-135m, context 2,048 tokens, profile plain-chatml" in found["engine"].detail
    assert found["generation"].detail == "8 tokens with their ids"
    assert f"at {tmp_path / 'm1.sqlite3'}" in found["database"].detail
    assert f"gradio {metadata.version('gradio')}" in found["versions"].detail
    assert embedded_endpoint.api_key not in str(found)


async def test_an_engine_that_is_down_fails_its_two_checks_only(make: MakeServices) -> None:
    found = await findings(make(Endpoint(f"http://127.0.0.1:{closed_port()}")))
    assert (found["engine"].is_good, found["generation"].is_good, found["database"].is_good) == (False, False, True)
    assert "M1_ENGINE_URL" in found["engine"].detail


@pytest.mark.parametrize(
    ("completion", "words"),
    [
        (fail(500, {"error": {"message": "CUDA died"}}), "CUDA died"),
        (stream(chunk("a", [1]), is_whole=False), "broke"),
        (stream({"choices": [{"text": "x", "finish_reason": None}]}), "without token ids"),
        (stream(chunk("", [], "stop")), "0 tokens"),
    ],
)
async def test_an_engine_that_answers_but_cannot_generate_is_found(
    make: MakeServices, completion: Any, words: str
) -> None:
    with serving(Script(completion)) as script:
        found = await findings(make(Endpoint(script.url)))
    assert (found["engine"].is_good, found["generation"].is_good) == (True, False)
    assert words in found["generation"].detail


async def test_a_guessed_profile_is_said_to_be_one(make: MakeServices) -> None:
    with serving(Script(stream(chunk("a", [1], "stop")))) as script:
        found = await findings(make(Endpoint(script.url)))
    assert "profile plain (a guess: no profile matches this model)" in found["engine"].detail


@pytest.fixture
def services(make: MakeServices) -> Services:
    """Services whose engine refuses at once, for checks that do not need one."""
    return make(Endpoint(f"http://127.0.0.1:{closed_port()}"))


async def test_a_database_that_cannot_be_opened_is_a_finding(services: Services, tmp_path: Path) -> None:
    place = tmp_path / "missing" / "m1.sqlite3"
    found = await findings(services, Database(f"sqlite:///{place.parent / 'a' / 'm1.sqlite3'}"))
    assert not found["database"].is_good
    assert str(place.parent) in found["database"].detail


async def test_a_database_that_is_none_is_a_finding(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite3"
    file.write_bytes(b"no database at all, only text" * 100)
    found = await findings(services, Database(f"sqlite:///{file}"))
    assert not found["database"].is_good
    assert str(file) in found["database"].detail


@pytest.mark.parametrize(("free", "is_good"), [(999_999_999, False), (1_000_000_000, True)])
async def test_a_disk_that_is_nearly_full_is_a_finding_with_advice(
    services: Services, monkeypatch: pytest.MonkeyPatch, free: int, is_good: bool
) -> None:
    # A full disk cannot be had here without filling one.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free))
    disk = (await findings(services))["disk"]
    assert disk.is_good is is_good
    assert ("M1_HOME" in disk.detail) is not is_good


def test_a_package_that_is_missing_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("gradio", "no-such-package"))
    assert doctor._versions().detail.endswith("no-such-package not installed")
