"""A person has the model answer now: the thinking is closed as if its budget were spent."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from models.engine.protocol import CompletionChunk, CompletionRequest, FinishReason
from models.thinking.budget_forcing import Generate, Generated, Insert, SegmentKind, ThinkingFinish, thinking_pass
from models.thinking.early_exit import EarlyExit
from models.thinking.sweep import Cell, Cut, Stop, SweepPlan, grid
from models.thinking.thinking_pass import PassEvent, PassFinished, PassSettings, SegmentClosed, SegmentGrew, run_pass
from tests.models.thinking.test_budget_forcing import MARKERS, PROMPT
from tests.models.thinking.test_sweep import ScriptedEngine, markers

ANSWER_CAP_TOKENS = 3
SETTINGS = PassSettings(budget_tokens=50, force_rounds=1, answer_cap_tokens=ANSWER_CAP_TOKENS)


@pytest.mark.parametrize(
    ("stretches", "used", "rounds"),
    [
        ([(4, "exit")], 4, 0),
        ([(0, "exit")], 0, 0),
        ([(3, "natural"), (5, "exit")], 3 + 1 + 5, 1),
        ([(3, "natural"), (0, "exit")], 3 + 1, 1),
    ],
)
def test_thinking_that_a_person_ends_is_closed_like_an_overrun_and_answered(
    stretches: list[tuple[int, str]], used: int, rounds: int
) -> None:
    controller = thinking_pass(PROMPT, MARKERS, budget_tokens=50, force_rounds=3, answer_cap_tokens=7)
    step = next(controller)
    for count, how in stretches:
        assert isinstance(step, Generate) and step.kind is SegmentKind.THINK
        ids = tuple(1000 + number for number in range(count))
        step = controller.send(Generated("thought.", ids, how == "natural", is_early_exit=how == "exit"))
        if how == "natural":
            assert isinstance(step, Insert) and step.kind is SegmentKind.WAIT
            step = controller.send(None)
    assert step == Insert(SegmentKind.CLOSE, MARKERS.overrun_close)
    answer = controller.send(None)
    assert isinstance(answer, Generate) and answer.kind is SegmentKind.ANSWER
    with pytest.raises(StopIteration) as ended:
        controller.send(Generated("B", (500,), is_natural_stop=True))
    outcome = ended.value.value
    assert (outcome.thinking_finish, outcome.thinking_tokens, outcome.forced_rounds) == (
        ThinkingFinish.EARLY_EXIT,
        used,
        rounds,
    )


def test_cells_that_the_pass_has_not_reached_end_where_a_person_ended_it() -> None:
    plan = SweepPlan(grid((8, 16, 64), (0, 1)))
    assert plan.advance(9) == [Cut(8, ThinkingFinish.BUDGET, 0)]
    assert plan.stop(Stop(12, (99,), 1)) == [Cut(12, ThinkingFinish.NATURAL, 0)]
    assert plan.advance(14) == []
    assert plan.finish(14, ThinkingFinish.EARLY_EXIT) == [Cut(14, ThinkingFinish.EARLY_EXIT, 1)]
    assert plan.cuts[Cell(8, 1)] == Cut(8, ThinkingFinish.BUDGET, 0)
    assert plan.cuts[Cell(64, 0)] == Cut(12, ThinkingFinish.NATURAL, 0)
    assert plan.cuts[Cell(16, 1)] == plan.cuts[Cell(64, 1)] == Cut(14, ThinkingFinish.EARLY_EXIT, 1)


class StuckEngine(ScriptedEngine):
    """Thinks some tokens and then says nothing more; answers at once."""

    thinking_tokens = 5
    texts = ("Hm.",)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        is_thinking = request.max_tokens > ANSWER_CAP_TOKENS
        for number in range(self.thinking_tokens if is_thinking else ANSWER_CAP_TOKENS):
            finish = FinishReason.LENGTH if not is_thinking and number + 1 == ANSWER_CAP_TOKENS else None
            yield CompletionChunk((1000,), self.texts[number % len(self.texts)], finish)
        if is_thinking:
            await asyncio.Event().wait()


def stuck(thinking_tokens: int = 5, *texts: str) -> StuckEngine:
    engine = StuckEngine(seed=0, stop_share=0.0, is_spelled=False)
    object.__setattr__(engine, "thinking_tokens", thinking_tokens)
    object.__setattr__(engine, "texts", texts or ("Hm.",))
    return engine


async def events_of(engine: ScriptedEngine, exits: EarlyExit, ask_after: int | None) -> list[PassEvent]:
    """The events of a pass; the exit is asked for after so many pieces of text, when nothing more comes."""
    events: list[PassEvent] = []
    if ask_after == 0:
        exits.ask()
    async for event in run_pass(engine, PROMPT, markers(1, is_spelled=engine.is_spelled), SETTINGS, exits):
        events.append(event)
        if isinstance(event, SegmentGrew) and grown(events) == ask_after:
            asyncio.get_running_loop().call_later(0.01, exits.ask)
    return events


def grown(events: list[PassEvent]) -> int:
    return sum(isinstance(each, SegmentGrew) for each in events)


@pytest.mark.parametrize("tokens", [0, 5])
async def test_an_engine_that_is_silent_is_left_at_once_and_then_answers(tokens: int) -> None:
    events = await events_of(stuck(5), EarlyExit(), tokens)
    finished = events[-1]
    assert isinstance(finished, PassFinished)
    assert (finished.outcome.thinking_finish, finished.outcome.thinking_tokens) == (ThinkingFinish.EARLY_EXIT, tokens)
    closed = [each for each in events if isinstance(each, SegmentClosed)]
    assert [each.is_early_exit for each in closed] == [True, False, False]
    assert [each.is_natural_stop for each in closed] == [False, False, False]
    assert sum(len(each.token_ids) for each in events if isinstance(each, SegmentGrew)) >= tokens + ANSWER_CAP_TOKENS


async def test_text_that_might_have_become_a_stop_text_is_thinking_when_a_person_ends_it() -> None:
    engine = stuck(2, "So.", "## ")
    object.__setattr__(engine, "is_spelled", True)
    events = await events_of(engine, EarlyExit(), 1)
    thought = "".join(each.text for each in events if isinstance(each, SegmentGrew))
    assert thought.startswith("So.## ")


async def test_a_stop_at_the_same_time_wins() -> None:
    exits = EarlyExit()
    task = asyncio.create_task(events_of(stuck(), exits, None))
    await asyncio.sleep(0.02)
    exits.ask()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_thinking_that_ended_by_itself_has_its_own_reason() -> None:
    exits = EarlyExit()
    settings = PassSettings(budget_tokens=4, force_rounds=0, answer_cap_tokens=ANSWER_CAP_TOKENS)
    engine = ScriptedEngine(seed=0, stop_share=0.0, is_spelled=False)
    events: list[PassEvent] = []
    async for event in run_pass(engine, PROMPT, markers(1, is_spelled=False), settings, exits):
        events.append(event)
        if grown(events) == settings.budget_tokens:
            exits.ask()
    finished = events[-1]
    assert isinstance(finished, PassFinished)
    assert (finished.outcome.thinking_finish, finished.outcome.thinking_tokens) == (ThinkingFinish.BUDGET, 4)


async def test_another_cancellation_is_not_taken_back() -> None:
    exits = EarlyExit()

    async def silent() -> AsyncGenerator[int, None]:
        await asyncio.Event().wait()
        yield 1

    task = asyncio.create_task(exits.next_of(silent()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not exits.is_asked
