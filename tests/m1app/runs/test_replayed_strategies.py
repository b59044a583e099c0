"""A run that goes on after a kill between thinking and answer: it asks what it would have asked, and nothing else."""

import asyncio
from contextlib import aclosing

import pytest

from m1app.runs.strategies import StrategyService
from models.engine.protocol import EngineKind
from storage.strategies.repository import StrategyRepository
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository
from tests.m1app.runs.test_strategies import ScriptedPlanner, database, end_of, request
from tests.m1app.strategies.scripted import CLOSE, CharacterEngine, Script, text_of

__all__ = ["database"]

THINKING = "".join(f"Step {number} says that it is so. Wait, is it? " for number in range(20))


def choices(prompt, thinking, lead):
    """Sure after 150 characters; a verifier says at once that nothing new comes."""
    if not thinking:
        return {"Yes": 0.9, "No": 0.1}
    leader = "B" if len(thinking) > 150 else "AC"[len(thinking) // 32 % 2]
    return {leader: 0.98 if len(thinking) > 150 else 0.5, "A" if leader != "A" else "B": 0.01}


SCRIPT = Script(
    think=lambda prompt, seed: f"{seed}{THINKING}",
    answer=lambda prompt, thinking: "B",
    choices=choices,
    confidence=lambda text, place: 9.0 if text.startswith("1") else 5.0 + place % 7,
)
CHOICES = ["trimr", "deer", "dynasor", "deepconf:k=3:warmup=2:window=16"]


class HeldEngine(CharacterEngine):
    """Waits with every answer until it is told to go on."""

    def __init__(self, kind):
        super().__init__(SCRIPT, kind)
        self.held, self.goes_on = [], asyncio.Event()

    async def stream(self, asked):
        if CLOSE in asked.prompt_ids and not asked.top_logprobs:
            self.held.append(asked.prompt_ids)
            await self.goes_on.wait()
        async with aclosing(super().stream(asked)) as chunks:
            async for chunk in chunks:
                yield chunk


async def killed_at_its_answers(database, engine: HeldEngine, choice: str) -> str:
    """Id of a run whose process has gone when all that thinks had ended, and the answers had not."""
    service = StrategyService(ScriptedPlanner(engine), database)
    begun = await service.start(request(choices=(choice,), budget_tokens=4_000, thinking_tokens=400))
    passes = 2 if choice.startswith("deepconf") else 1
    while len(engine.held) < passes or engine.open["now"]:
        await asyncio.sleep(0.01)
    live = service._runs.live(begun.run.id)
    await live.save()
    live.save = lambda: asyncio.sleep(0)
    service._runs._tasks[begun.run.id].cancel()
    await service.aclose()

    def forget(session):
        assert StrategyRepository(session).mark_interrupted(lambda owner: False, 0.0) == 1
        TraceRepository(session).mark_interrupted(lambda owner: False, 0.0)

    await database.write(forget)
    return begun.run.id


@pytest.mark.parametrize("kind", [EngineKind.VLLM, EngineKind.LLAMA_CPP])
@pytest.mark.parametrize("choice", CHOICES)
async def test_after_a_kill_between_thinking_and_answer_the_same_is_asked(database, choice, kind):
    whole = HeldEngine(kind)
    whole.goes_on.set()
    service = StrategyService(ScriptedPlanner(whole), database)
    begun = await service.start(request(choices=(choice,), budget_tokens=4_000, thinking_tokens=400))
    expected = (await end_of(service, begun.run.id)).strategies[0]

    killed = HeldEngine(kind)
    run_id = await killed_at_its_answers(database, killed, choice)
    before = await database.read(lambda s: StrategyRepository(s).requests(run_id)[0])
    engine = HeldEngine(kind)
    engine.goes_on.set()
    after = StrategyService(ScriptedPlanner(engine), database)
    await after.resume(run_id)
    over = (await end_of(after, run_id)).strategies[0]
    await after.aclose()
    await service.aclose()

    assert (over.result.state, over.result.letter) == (TraceState.COMPLETED, "B")
    asked = [each.prompt_ids for each in engine.requests]
    assert engine.held[: len(killed.held)] == killed.held, "the answers are asked after the same thinking"
    done = {each.key for each in before if each.state == "done"}
    new = [each.key for each in over.requests[len(before) :]]
    assert not done & set(new), "nothing is asked twice"
    if not choice.startswith("deepconf"):  # Its third pass begins only now, in pieces.
        assert len(asked) == len(new)
    if kind is EngineKind.LLAMA_CPP:  # Else it depends on how the engine's turns fall how far it looks ahead.
        assert {each.key for each in over.requests} == {each.key for each in expected.requests}
        assert (over.result.why, over.result.picture) == (expected.result.why, expected.result.picture)
        assert [text_of(each) for each in asked] == [text_of(each.prompt_ids) for each in whole.requests[-len(asked) :]]
    else:
        answers = {"pass/0/answer", "pass/0/letters"}
        assert set(new) <= (answers if not choice.startswith("deepconf") else {each.key for each in expected.requests})
