"""Runs of strategies with a judge: kept, stopped and resumed on a scripted engine, and counted on the real ones."""

import asyncio

import pytest

from m1app.bootstrap import Services
from m1app.runs.errors import ProbeRefused
from m1app.runs.strategies import StrategyService
from models.engine.endpoint import Endpoint
from models.errors import ModelNotServed
from storage.traces.records import TraceState
from tests.m1app.runs.test_strategies import (
    ScriptedPlanner,
    counted_by_engine,
    database,
    end_of,
    request,
    service_of,
    until,
)
from tests.m1app.strategies.scripted import HANGS, CharacterEngine, text_of
from tests.m1app.strategies.test_verifying import judging, passes_saying

__all__ = ["database"]

WITH_A_JUDGE = ("best-of-n:n=2:m=1:tokens=6", "heimdall:n=2:m=1:tokens=6", "j1:n=2:m=1:tokens=6", "genprm:n=2:steps=2")


def a_judge(hangs: bool = False):
    script = judging(passes_saying(*"ABC"), lambda number, *_: number / 10)
    quick = script.think

    def think(prompt, seed):
        is_last = prompt.startswith("You are") and "[Solution]\n002" in prompt
        return "." * 300 + HANGS if is_last and hangs else quick(prompt, seed)

    script.think = think
    return script


async def test_a_stopped_judge_is_asked_again_only_for_what_had_not_ended(database):
    engine = CharacterEngine(a_judge(hangs=True))
    service = await service_of(database, engine)
    wanted = request(choices=("best-of-n:n=3:m=1:tokens=5000",), budget_tokens=40_000)
    begun = await service.start(wanted)

    def two_are_judged(snapshot):
        done = {each.key for each in snapshot.strategies[0].requests if each.state == "done"}
        return {"verify/0/0/verdict", "verify/1/0/verdict"} <= done and engine.generated > 200

    await until(service, begun.run.id, two_are_judged)
    service.stop(begun.run.id)
    stopped = await end_of(service, begun.run.id)
    assert stopped.run.state is TraceState.STOPPED
    assert stopped.strategies[0].result.picture["matrix"]["rows"][1]["scores"] == [pytest.approx(0.1)]
    engine.script, before = a_judge(), len(engine.requests)
    await service.resume(begun.run.id)
    over = await end_of(service, begun.run.id)
    result = over.strategies[0].result
    assert (result.letter, result.of_key) == ("C", "pass/2")
    assert result.generated == engine.generated
    again = [text_of(each.prompt_ids) for each in engine.requests[before:]]
    assert again and all("[Solution]\n002" in each for each in again)


async def test_a_judge_that_is_not_served_is_refused_before_anything_is_asked_or_stored(database):
    class Planner(ScriptedPlanner):
        async def served(self, model):
            if model == "gone-7b":
                raise ModelNotServed("The engine does not serve 'gone-7b'. It serves: toy.")
            return await super().served(model)

    engine = CharacterEngine(a_judge())
    service = StrategyService(Planner(engine), database)
    with pytest.raises(ProbeRefused) as refused:
        await service.start(request(choices=("vote:k=3", "best-of-n:n=2:m=1:tokens=6:judge=gone-7b")))
    assert refused.value.field == "strategies"
    assert str(refused.value) == (
        "Best of n: the judge is not served. The engine does not serve 'gone-7b'. It serves: toy."
    )
    assert engine.requests == []
    assert await service.recent(10) == ()
    begun = await service.start(request(choices=("best-of-n:n=2:m=1:tokens=6:judge=other-7b",)))
    assert (await end_of(service, begun.run.id)).strategies[0].result.error == ""


@pytest.mark.engine
async def test_the_ledger_of_judges_is_the_engines_own_count(services: Services, engine_endpoint: Endpoint):
    before = counted_by_engine(engine_endpoint)
    begun = await services.strategies.start(
        request(choices=WITH_A_JUDGE, stem="What causes scurvy?", budget_tokens=80, answer_cap_tokens=8)
    )
    over = await end_of(services.strategies, begun.run.id)
    assert [each.result.error for each in over.strategies] == [""] * 4
    assert all("could not be asked" not in each.result.why for each in over.strategies)
    told = sum(each.result.generated for each in over.strategies)
    found = 0
    for _ in range(100):  # The engine's counters follow a moment later.
        if (found := counted_by_engine(engine_endpoint) - before) >= told:
            break
        await asyncio.sleep(0.1)
    assert found == told
