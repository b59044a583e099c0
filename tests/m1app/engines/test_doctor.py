"""The doctor: each check finds what is wrong, and a failed check is a finding and no error."""

import shutil
import sqlite3
from collections import namedtuple
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from m1app.backup.naming import new_backup
from m1app.bootstrap import Services, build_services
from m1app.engines import doctor
from m1app.engines.doctor import Finding, examine
from m1app.settings import Settings
from models.engine.endpoint import Endpoint
from storage.database import Database
from tests.e2e.running_app import closed_port
from tests.models.engine.bad_engine import Send, drip, endless, event, head, misbehaving, reply
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
    assert list(found) == ["versions", "disk", "database", "backups", "engine", "generation"]
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


BAD = {
    "a description that drips": ({"models": drip(b" ", 0.01)}, "engine", "not answered within 0.5 s"),
    "a description with control characters": (
        {"models": reply({"data": [{"id": "\x1b[2J", "max_model_len": 8}]})},
        "engine",
        "printable characters",
    ),
    "a tokenizer without an end": (
        {"tokenize": endless(b"1," * 9000, begin=head() + b'{"tokens":[')},
        "generation",
        "bytes",
    ),
    "a stream that drips": ({"completions": drip(b": ping\n\n", 0.01)}, "generation", "took more than 0.5 s"),
    "too many tokens": ({"completions": endless(event(chunk("a", [1])))}, "generation", "only 8 were requested"),
}


@pytest.mark.parametrize(("replies", "name", "words"), BAD.values(), ids=BAD)
async def test_a_bad_engine_is_a_finding_that_says_what_it_sent(
    make: MakeServices, monkeypatch: pytest.MonkeyPatch, replies: dict[str, Send], name: str, words: str
) -> None:
    if "0.5 s" in words:
        monkeypatch.setattr(doctor, "_ENGINE_SECONDS", 0.5)
    with misbehaving(**replies) as server:
        found = await findings(make(Endpoint(server.url)))
    assert not found[name].is_good
    assert words in found[name].detail
    assert found[name].detail.isprintable()
    assert found["database"].is_good


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


async def test_a_database_without_its_tables_is_a_finding(services: Services) -> None:
    with sqlite3.connect(services.settings.home / "m1.sqlite3") as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        tables = raw.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%'").fetchall()
        for (name,) in tables:
            if name.startswith(("annotation", "benchmark")):
                raw.execute(f'DROP TABLE "{name}"')
    database = (await findings(services))["database"]
    assert not database.is_good
    assert "missing tables: annotation, " in database.detail
    assert "m1app restore FILE --replace" in database.detail


def hours_ago(settings: Settings, hours: float) -> None:
    now = new_backup(settings)
    now.parent.mkdir(exist_ok=True)
    home_id = now.name.split("-")[1]
    now.with_name(f"m1app-{home_id}-{datetime.now(UTC) - timedelta(hours=hours):%Y%m%dT%H%M%SZ}.zip").touch()


def test_without_a_schedule_the_age_of_the_last_backup_is_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert doctor._backups(settings).detail.startswith("none yet; no schedule (M1_BACKUP_DIRECTORY")
    hours_ago(settings, 30)
    found = doctor._backups(settings)
    assert found.is_good
    assert "the last one is 30 h 00 min old" in found.detail


@pytest.mark.parametrize(("hours", "is_good"), [(None, False), (23, True), (47, True), (49, False)])
def test_a_schedule_that_is_behind_is_a_finding(tmp_path: Path, hours: float | None, is_good: bool) -> None:
    settings = Settings(home=tmp_path, backup_directory=str(tmp_path / "safe"))
    if hours is not None:
        hours_ago(settings, hours)
    found = doctor._backups(settings)
    assert found.is_good is is_good
    assert ("why a backup failed" in found.detail) is not is_good


def test_a_package_that_is_missing_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("gradio", "no-such-package"))
    assert doctor._versions().detail.endswith("no-such-package not installed")
