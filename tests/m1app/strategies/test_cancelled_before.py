"""Requests that a strategy had cancelled before a kill: not asked again, unless they are no longer cancelled."""

import asyncio
from dataclasses import replace

import pytest

from m1app.strategies.drivers.finished_requests import Cancelled
from m1app.strategies.drivers.ledger import Entry, EntryState, Ledger
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.methods.deepconf import deepconf
from m1app.strategies.methods.first_finish import first_finish
from m1app.strategies.protocol import Answer, Cancel, Chat, Close, Grew, Look, Start, Think, Thought, Verdict
from models.errors import EngineError
from tests.m1app.strategies.scripted import HANGS, CharacterEngine, Script, a_task, run

LENGTHS = (60, 20, 70, 80)
LEVELS = (9.0, 9.0, 3.0, 9.0)


def script(hangs="") -> Script:
    """Passes of `LENGTHS` characters, sure of them by `LEVELS`; `hangs` names one that never ends."""

    def think(prompt, seed):
        text = f"{seed:03}".ljust(LENGTHS[seed], ".")
        return text[:15] + HANGS if hangs == f"{seed:03}" else text

    return Script(
        think=think,
        answer=lambda prompt, thinking: HANGS if hangs == "answer" else "B",
        confidence=lambda thinking, place: LEVELS[int(thinking[:3])],
    )


class Noted(Observer):
    """Keeps what would be stored, at every moment."""

    def __init__(self):
        self.kept, self.asked = {}, []

    def began(self, request, model, prompt_ids, close=None):
        self.asked.append(request.key)

    def ended(self, request, finished):
        self.kept[request.key] = finished

    def cancelled(self, request, finished):
        if finished is not None:
            self.kept[request.key] = finished


async def killed(strategy, engine, is_far) -> tuple[Noted, tuple[Entry, ...]]:
    """What is stored of a run that is killed as soon as `is_far` says so of its entries."""
    noted, ledger = Noted(), Ledger(1_000)
    task = asyncio.create_task(run(strategy, engine, observer=noted, ledger=ledger))
    async with asyncio.timeout(5):
        while not is_far({each.key: each.state for each in ledger.entries}):
            await asyncio.sleep(0)
    kept, entries = dict(noted.kept), ledger.entries
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    noted.kept = kept
    return noted, entries


async def resumed(strategy, engine, kept, entries):
    noted, ledger = Noted(), Ledger(1_000, entries)
    verdict, _ = await run(strategy, engine, observer=noted, ledger=ledger, kept=kept)
    return verdict, ledger, noted


STRATEGIES = {
    "deepconf": (lambda: deepconf(a_task(thinking_tokens=90), k=4, warmup=2, window=10), "003", "pass/2"),
    "first-finish": (lambda: first_finish(a_task(thinking_tokens=90), 4), "answer", "pass/3"),
}


@pytest.mark.parametrize("name", STRATEGIES)
async def test_what_was_cancelled_is_neither_asked_again_nor_charged_twice(name):
    strategy, hangs, cut = STRATEGIES[name]
    whole, _, unbroken = await resumed(strategy(), CharacterEngine(script()), {}, ())
    waited_for = "pass/1/answer" if hangs == "answer" else f"pass/{int(hangs)}"

    def is_far(states):
        return states.get(cut) is EntryState.CANCELLED and waited_for in states

    before, entries = await killed(strategy(), CharacterEngine(script(hangs)), is_far)
    assert isinstance(before.kept[cut].event, Cancelled)
    engine = CharacterEngine(script())
    verdict, ledger, noted = await resumed(strategy(), engine, before.kept, entries)
    assert verdict == whole
    assert verdict.last_shown == whole.last_shown
    assert not [key for key in noted.asked if not key.startswith(waited_for) and key in before.kept]
    assert cut not in noted.asked
    again = [each for each in ledger.entries if each.key == cut]
    assert again == [each for each in entries if each.key == cut]
    assert ledger.costs.generated == sum(each.generated for each in entries) + engine.generated
    # And after a second kill at once, the same.
    _, _, third = await resumed(strategy(), CharacterEngine(script()), before.kept | noted.kept, ledger.entries)
    assert not third.asked
    assert unbroken.asked


async def test_passes_that_ran_when_the_winner_came_in_are_not_asked_again():
    whole, first, noted = await resumed(first_finish(a_task(thinking_tokens=90), 4), CharacterEngine(script()), {}, ())
    # As if the kill had come when the winner was stored, and the others were not yet cancelled.
    kept = {"pass/1": noted.kept["pass/1"]}
    entries = [replace(each, state=EntryState.RUNNING) for each in first.entries if each.key in (*kept, "pass/0")]
    entries[1] = replace(entries[1], state=EntryState.DONE)
    engine = CharacterEngine(script())
    verdict, ledger, again = await resumed(first_finish(a_task(thinking_tokens=90), 4), engine, kept, entries)
    assert verdict.letter == whole.letter
    assert again.asked == ["pass/1/answer", "pass/1/letters"]
    assert ledger.costs.generated == sum(each.generated for each in entries) + engine.generated


async def test_where_the_bar_has_changed_a_pass_that_was_cut_is_asked_again(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    engine, stream = CharacterEngine(script("003")), CharacterEngine.stream

    async def without_the_second(request):
        if request.seed == 1:
            raise EngineError("gone")
        async for chunk in stream(engine, request):
            yield chunk

    engine.stream = without_the_second
    strategy = lambda: deepconf(a_task(thinking_tokens=90), k=4, warmup=2, window=10)  # noqa: E731
    before, entries = await killed(strategy(), engine, lambda states: states.get("pass/2") is EntryState.CANCELLED)
    kept = {key: each for key, each in before.kept.items() if key != "pass/1"}  # What failed is asked again.
    sure = script()
    sure.confidence = lambda thinking, place: 2.0 if thinking.startswith("001") else LEVELS[int(thinking[:3])]
    verdict, ledger, noted = await resumed(strategy(), CharacterEngine(sure), kept, entries)
    assert "pass/2" in noted.asked
    assert ledger.entry("pass/2").state is EntryState.DONE
    assert [each["state"] for each in verdict.last_shown[0].value["passes"]] == ["kept", "cut", "kept", "kept"]


def following(told):
    """Cancels "a" when "b" has told more than ten tokens; without that, waits for both."""

    def strategy():
        event = yield [
            Start(Think(key="a", budget_tokens=60, seed=0, wants_confidence=True)),
            Start(Think(key="b", budget_tokens=60, seed=1)),
        ]
        left = {"a", "b"}
        while left:
            told.append(event)
            actions = []
            if isinstance(event, Grew) and event.key == "b" and event.tokens > 10 and "a" in left:
                actions, left = [Cancel("a")], left - {"a"}
            if isinstance(event, Thought):
                left -= {event.key}
            if left:
                event = yield actions
        return Verdict(None, "", "")

    return strategy()


@pytest.mark.parametrize("text_of_b", ["001" + "b" * 40, "001"])
async def test_a_request_that_is_not_cancelled_this_time_goes_on_where_it_had_been_told(text_of_b):
    def think(prompt, seed):
        return "0123456789" * 3 if seed == 0 else "001" + "b" * 20 + HANGS

    places = Script(think=think, confidence=lambda text, place: float(place))
    first, again = [], []
    before, entries = await killed(
        following(first),
        CharacterEngine(places),
        lambda states: states.get("a") is EntryState.CANCELLED,
    )
    places.think = lambda prompt, seed: "0123456789" * 3 if seed == 0 else text_of_b
    engine = CharacterEngine(places)
    _, ledger, noted = await resumed(following(again), engine, before.kept, entries)
    assert sorted(noted.asked) == ["a", "b"], "b was lost, so nothing tells when to cancel a"
    of_a = [each for each in again if each.key == "a" and isinstance(each, Grew)]
    text = "".join(each.text for each in of_a)
    assert text == ("0123456789" * 3)[: len(text)]
    told = [value for each in of_a for value in each.confidences]
    assert told == [float(place) for place in range(len(told))]
    assert [each.tokens for each in of_a] == sorted({each.tokens for each in of_a})
    assert ledger.entry("a").attempt == 1
    if text_of_b == "001":  # b is so short that a goes on to its end, which the first process had not seen.
        assert len(text) == 30
    assert ledger.costs.generated == sum(each.generated for each in entries) + engine.generated
    # Killed again, it is told in the same pieces.
    third = []
    await resumed(following(third), CharacterEngine(places), before.kept | noted.kept, ledger.entries)
    assert [each for each in third if each.key == "a"] == [each for each in again if each.key == "a"]


async def test_answers_and_looks_that_were_cancelled_are_not_asked_again():
    def strategy():
        event = yield [
            Start(Answer(key="a", after=Chat("?"), cap_tokens=30)),
            Start(Look(key="l", after=Chat("?"), choices=("A",))),
            Start(Think(key="t", budget_tokens=60, seed=1)),
        ]
        while not (isinstance(event, Grew) and event.tokens > 10):
            event = yield []
        event = yield [Cancel("a"), Cancel("l"), Close("t", 5)]
        while not isinstance(event, Thought):
            event = yield []
        yield [Start(Look(key="end", after="t", choices=("A",)))]
        return Verdict(None, "", "")

    hanging = Script(think=lambda prompt, seed: "." * 50, answer=lambda prompt, thinking: HANGS)
    noted, ledger = Noted(), Ledger(1_000)
    await run(strategy(), CharacterEngine(hanging), observer=noted, ledger=ledger)
    assert isinstance(noted.kept["a"].event, Cancelled)
    del noted.kept["end"]
    entries = [each for each in ledger.entries if each.key != "end"]
    _, _, again = await resumed(strategy(), CharacterEngine(hanging), noted.kept, entries)
    assert again.asked == ["end"]


async def test_a_run_that_is_stopped_has_cancelled_nothing():
    noted, ledger = Noted(), Ledger(1_000)
    strategy = first_finish(a_task(thinking_tokens=90), 2)
    task = asyncio.create_task(run(strategy, CharacterEngine(script("001")), observer=noted, ledger=ledger))
    while not ledger.generated:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert {each.state for each in ledger.entries} == {EntryState.CANCELLED}
    assert not noted.kept
