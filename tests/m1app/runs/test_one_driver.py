"""Probes and sweeps through the driver: what is asked before anything is stored, and what each costs."""

import asyncio
from contextlib import aclosing

import pytest

from m1app.runs.live_trace import LiveTrace
from m1app.runs.probe import ProbeService
from m1app.runs.probe_pass import ProbePass
from m1app.runs.probe_request import ProbeRequest
from m1app.runs.sweep_request import SweepRequest
from m1app.runs.sweeps import SweepService
from m1app.strategies.protocol import Purpose
from models.engine.protocol import EngineKind
from storage.errors import DatabaseLocked
from storage.traces.records import TraceState
from tests.m1app.runs.test_strategies import ScriptedPlanner, database
from tests.m1app.strategies.scripted import OPTIONS, CharacterEngine, Script

__all__ = ["database"]

LONG = Script(think=lambda prompt, seed: "." * 300, answer=lambda prompt, thinking: "B. It is so.")


def a_probe(**changes) -> ProbeRequest:
    asked = {"stem": "Which?", "options": OPTIONS, "target": "B", "thinking_budget_tokens": 40, "answer_cap_tokens": 20}
    return ProbeRequest(**(asked | changes))


async def test_the_engine_is_asked_before_the_trace_is_stored(database, monkeypatch):
    engine, write = CharacterEngine(LONG), database.write

    async def late(work):
        async with asyncio.timeout(30):
            while engine.generated < 5:
                await asyncio.sleep(0)
        return await write(work)

    service = ProbeService(ScriptedPlanner(engine), database)
    monkeypatch.setattr(database, "write", late)
    begun = await service.start(a_probe())
    monkeypatch.setattr(database, "write", write)
    async with aclosing(service.follow(begun.id)) as snapshots:
        over = [each async for each in snapshots][-1]
    await service.aclose()
    assert (over.state, over.thinking_text, over.answer_letter) == (TraceState.COMPLETED, "." * 40, "B")
    assert over.tokens_generated == engine.generated


async def test_what_was_asked_for_a_trace_that_cannot_be_stored_is_cancelled(database, monkeypatch):
    engine = CharacterEngine(Script(think=lambda prompt, seed: "." * 9_000))

    async def refuse(work):
        while engine.generated < 5:
            await asyncio.sleep(0)
        raise DatabaseLocked("The database is in use.")

    service = ProbeService(ScriptedPlanner(engine), database)
    monkeypatch.setattr(database, "write", refuse)
    with pytest.raises(DatabaseLocked):
        await service.start(a_probe(thinking_budget_tokens=8_000))
    assert (engine.open["now"], service.running) == (0, 0)
    assert engine.generated < 8_000


async def test_a_probe_has_a_ledger(database):
    engine = CharacterEngine(LONG)
    service = ProbeService(ScriptedPlanner(engine), database)
    begun = await service.start(a_probe(force_rounds=1))
    await service._runs.finished(begun.id)
    asked = ProbePass(await ScriptedPlanner(engine).plan(a_probe()))
    before = engine.generated
    await asked.run(LiveTrace(begun, 0.0))
    assert [(each.purpose, each.generated) for each in asked.ledger] == [
        (Purpose.THINK, 40),
        (Purpose.ANSWER, 13),
        (Purpose.PROBE, 1),
    ]
    assert sum(each.generated for each in asked.ledger) == engine.generated - before
    await service.aclose()


async def test_an_answer_counts_where_the_options_cannot_be_looked_at(database):
    engine = CharacterEngine(LONG)
    stream = engine.stream

    async def fail_looks(asked):
        if asked.top_logprobs:
            raise KeyError("a programmer's mistake")
        async for chunk in stream(asked):
            yield chunk

    engine.stream = fail_looks
    service = ProbeService(ScriptedPlanner(engine), database)
    begun = await service.start(a_probe())
    over = await service._runs.finished(begun.id)
    await service.aclose()
    assert (over.state, over.error, over.answer_letter) == (TraceState.COMPLETED, "", "B")
    assert over.option_probabilities is None


@pytest.mark.parametrize("kind", [EngineKind.VLLM, EngineKind.LLAMA_CPP])
async def test_every_token_of_a_sweep_that_is_stopped_anywhere_is_counted(database, kind):
    asked = SweepRequest(
        stem="Which?", options=OPTIONS, target="B", budgets=(8, 9, 20, 40), force_rounds=(0,), answer_cap_tokens=20
    )
    whole = 0
    for least in (1, 8, 12, 21, 22, 23, 24, 40, 60, 10_000):
        engine = CharacterEngine(LONG, kind)
        service = SweepService(ScriptedPlanner(engine), database)
        begun = await service.start(asked)
        while engine.generated < least and service.running:
            await asyncio.sleep(0)
        service.stop(begun.sweep.id)
        over = await service.finished(begun.sweep.id)
        await service.aclose()
        assert over.sweep.tokens_generated == engine.generated, least
        whole = engine.generated
        before, engine = engine.generated, CharacterEngine(LONG, kind)
        if over.sweep.state is TraceState.STOPPED:
            service = SweepService(ScriptedPlanner(engine), database)
            await service.resume(begun.sweep.id)
            again = await service.finished(begun.sweep.id)
            await service.aclose()
            assert again.sweep.state is TraceState.COMPLETED
            assert again.sweep.tokens_generated == before + engine.generated
            assert again.passes[0].trace.thinking_text == "." * 40
            assert [each.text for each in again.passes[0].checkpoints] == ["B. It is so."] * 4
    assert whole == 40 + 4 * (13 + 1)
