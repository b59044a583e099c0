"""Runs on an engine that misbehaves for some of them: those fail with what it sent, the others are complete."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from m1app.bootstrap import Services, build_services
from m1app.runs.probe_request import ProbeRequest
from m1app.settings import Settings
from storage.traces.records import Trace, TraceState
from storage.traces.repository import TraceRepository
from tests.models.engine.bad_engine import DONE, Connection, endless, event, misbehaving, send
from tests.models.engine.scripted_server import chunk

FLOODS = [
    (endless(b"x" * 65_536), "a line of more than"),
    (endless(event(chunk("", []))), "in a row without a token"),
    (endless(event(chunk("a", [-1]))), "-1 as a token id"),
    (endless(b": ping\n\n" * 1000), "bytes for 0 tokens"),
]
UNSTORABLE = event(json.dumps(chunk("SURROGATE", [7], "stop")).replace("SURROGATE", r"a\ud800b\u0000c"))


def answer(connection: Connection) -> None:
    """Flood the questions that ask for it; the answer to others holds what cannot be stored."""
    prompt = "".join(map(chr, connection.body["prompt"]))
    number = next((n for n in range(len(FLOODS)) if f"flood {n}" in prompt), None)
    if number is None:
        send(UNSTORABLE, DONE)(connection)
    else:
        FLOODS[number][0](connection)


@pytest.fixture
async def services(tmp_path: Path, no_settings: None) -> AsyncIterator[Services]:
    with misbehaving(completions=answer) as server:
        built = build_services(Settings(home=tmp_path, engine_url=server.url))
        yield built
        await built.aclose()


async def run(services: Services, stem: str) -> Trace:
    request = ProbeRequest(stem=stem, thinking_budget_tokens=40, answer_cap_tokens=8)
    started = await services.probe.start(request)
    async with aclosing(services.probe.follow(started.id)) as snapshots:
        return [snapshot async for snapshot in snapshots][-1]


async def test_one_bad_stream_fails_its_own_run_and_no_other(services: Services) -> None:
    stems = [*(f"flood {n} please" for n in range(len(FLOODS))), "Which vitamin?", "Which organ?"]
    traces = await asyncio.gather(*(run(services, stem) for stem in stems))
    states = [trace.state for trace in traces]
    assert states == [TraceState.FAILED] * len(FLOODS) + [TraceState.COMPLETED] * 2
    for trace, (_, words) in zip(traces, FLOODS, strict=False):
        assert words in trace.error


async def test_text_that_no_database_takes_is_stored_with_replacements(services: Services) -> None:
    trace = await run(services, "Which vitamin?")
    stored = await services.database.read(lambda s: TraceRepository(s).get(trace.id))
    assert stored.answer_text == "a\ufffdb\ufffdc"
    assert stored.segments == trace.segments
