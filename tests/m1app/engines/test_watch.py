"""One poller asks the engine for everybody: however many listen, and not at all when nobody does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from m1app.engines.service import EngineService
from m1app.engines.watch import EngineReading, EngineWatch
from m1app.settings import Settings
from models.profiles import load_profiles
from models.weights.catalog import Catalog
from tests.e2e.running_app import closed_port
from tests.models.engine.bad_engine import Send, drip, endless, head, misbehaving, reply
from tests.models.engine.scripted_server import Script, serving, stream

pytestmark = pytest.mark.usefixtures("no_settings")

TABS = 40


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def script() -> Iterator[Script]:
    with serving(Script(stream())) as served:
        yield served


@pytest.fixture
async def engines(script: Script, tmp_path: Path) -> AsyncIterator[EngineService]:
    service = EngineService(Settings(home=tmp_path, engine_url=script.url), Catalog.load(), load_profiles())
    yield service
    await service.aclose()


def listings(script: Script) -> int:
    """How often the engine was asked for its models."""
    return [path for path, _ in script.requests].count("/v1/models")


async def ask_in_many_tabs(watch: EngineWatch) -> list[EngineReading]:
    return await asyncio.gather(*(watch.latest() for _ in range(TABS)))


async def test_many_tabs_cost_the_engine_what_one_does(engines: EngineService, script: Script, clock: Clock) -> None:
    watch = EngineWatch(engines, poll_seconds=3600, clock=clock)
    readings = await ask_in_many_tabs(watch)
    assert {reading.models for reading in readings} == {("scripted",)}
    first = listings(script)
    assert first <= 3  # who serves, and what
    for _ in range(5):
        clock.now += 1
        await ask_in_many_tabs(watch)
    assert listings(script) == first
    assert (await watch.latest()).age_seconds == 5
    await watch.aclose()


async def test_the_poller_ends_when_nobody_listens_and_begins_again_for_the_next(
    engines: EngineService, script: Script, clock: Clock
) -> None:
    watch = EngineWatch(engines, poll_seconds=0.01, listening_seconds=6, clock=clock)
    await watch.latest()
    clock.now += 7
    while watch.is_polling:
        await asyncio.sleep(0.005)
    asked = listings(script)
    await asyncio.sleep(0.05)
    assert listings(script) == asked
    reading = await watch.latest()
    assert reading.age_seconds == 0
    assert listings(script) > asked
    await watch.aclose()
    assert not watch.is_polling


async def test_an_engine_that_does_not_answer_is_a_reading_and_not_an_error(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{closed_port()}"
    engines = EngineService(Settings(home=tmp_path, engine_url=address), Catalog.load(), load_profiles())
    watch = EngineWatch(engines)
    reading = await watch.latest()
    assert (reading.info, reading.models) == (None, ())
    assert "M1_ENGINE_URL" in reading.problem
    await watch.aclose()
    await engines.aclose()


async def test_an_unexpected_error_reaches_whoever_asked(
    engines: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: str = "") -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(engines, "engine", broken)
    watch = EngineWatch(engines)
    for _ in range(2):  # the poller is begun anew
        with pytest.raises(ZeroDivisionError):
            await watch.latest()


async def first_reading(watch: EngineWatch) -> EngineReading:
    """A reading of the engine, however long it takes on this machine."""
    while "not answered yet" in (reading := await watch.latest()).problem:
        await asyncio.sleep(0.01)
    return reading


READINGS = {
    "a listing without an end": ({"models": endless(b'{"id":"m"},' * 5000, begin=head() + b'{"data":[')}, "bytes"),
    "a name for a terminal": ({"models": reply({"data": [{"id": "\x1b[2J", "max_model_len": 8}]})}, "printable"),
    "nesting": ({"models": reply('{"data":' + "[" * 100_000)}, "nested too deeply"),
    "a drip": ({"models": drip(b" ", 0.01)}, "has not answered within 0.3 s"),
    "a version that drips": ({"version": drip(b" ", 0.01)}, "has not answered within 0.3 s"),
}


@pytest.mark.parametrize(("replies", "words"), READINGS.values(), ids=READINGS)
async def test_a_bad_engine_is_a_reading_that_says_what_it_sent(
    tmp_path: Path, replies: dict[str, Send], words: str
) -> None:
    with misbehaving(**replies) as server:
        engines = EngineService(Settings(home=tmp_path, engine_url=server.url), Catalog.load(), load_profiles())
        watch = EngineWatch(engines, poll_seconds=0.01, reading_seconds=0.3 if "0.3" in words else 60)
        for _ in range(2):
            reading = await first_reading(watch)
            assert (reading.info, reading.models) == (None, ())
            assert words in reading.problem
        assert watch.is_polling
        await watch.aclose()
        await engines.aclose()


async def test_an_additional_engine_that_drips_hides_only_its_own_models(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.engines.service.MORE_ENGINE_SECONDS", 0.3)
    with misbehaving(models=drip(b" ", 0.01)) as bad:
        settings = Settings(home=tmp_path, engine_url=script.url, more_engine_urls=bad.url)
        engines = EngineService(settings, Catalog.load(), load_profiles())
        watch = EngineWatch(engines)
        reading = await first_reading(watch)
        assert (reading.models, reading.problem) == (("scripted",), "")
        await watch.aclose()
        await engines.aclose()
