"""The driver on a scripted engine: what it asks, tells, refuses and charges."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.ledger import Entry, EntryState, Ledger, costs_of
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.drivers.pool import PoolDriver
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.budget_forcing import budget_forcing
from m1app.strategies.methods.voting import adaptive_vote, vote, weighted_vote
from m1app.strategies.protocol import (
    Answer,
    Answered,
    Cancel,
    Chat,
    Close,
    Failed,
    Finish,
    Grew,
    Look,
    Looked,
    Purpose,
    Refused,
    Start,
    Think,
    Thought,
    Verdict,
)
from models.engine.protocol import EngineKind
from models.errors import EngineError, ModelNotServed
from tests.m1app.strategies.scripted import OPTIONS, CharacterEngine, OneModel, Script, a_task, ids_of, run, text_of


class Kept(Observer):
    def __init__(self):
        self.finished, self.pictures = {}, {}

    def ended(self, request, finished):
        self.finished[request.key] = finished

    def shown(self, name, value):
        self.pictures[name] = value


def saying(*letters, lengths=(10,)):
    """Pass n thinks `lengths[n]` characters that name its number, and answers `letters[n]`."""

    def think(prompt, seed):
        return f"{seed:03}".ljust(lengths[seed % len(lengths)], ".")

    return Script(think=think, answer=lambda prompt, thinking: letters[int(thinking[:3])])


async def test_one_pass_costs_what_the_engine_generated():
    engine = CharacterEngine(saying("B"))
    verdict, ledger = await run(budget_forcing(a_task()), engine)
    assert verdict.letter == "B"
    assert ledger.costs.generated == engine.generated
    # Ten characters and the delimiter, "B" and the end, one look at the options.
    assert {each.key: each.generated for each in ledger.entries} == {
        "pass/0": 11,
        "pass/0/answer": 2,
        "pass/0/letters": 1,
    }
    assert [each.purpose for each in ledger.entries] == [Purpose.THINK, Purpose.ANSWER, Purpose.PROBE]
    assert all(each.state is EntryState.DONE and each.wasted == 0 for each in ledger.entries)
    assert (
        ledger.costs.injected == len("</think>Answer: ") - len("</think>") + 1 + ledger.entry("pass/0/letters").injected
    )


@pytest.mark.parametrize(("refused", "tries"), [(3, 1), (0, 3)])
async def test_tokens_that_an_engine_sent_and_that_were_refused_are_charged(monkeypatch, refused, tries):
    """A look is one token; an engine that sends three has spent the look, which is not tried again."""
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    engine = CharacterEngine(saying("B"))
    stream, looks = engine.stream, []

    async def too_many(asked):
        if asked.max_tokens == 1 and asked.top_logprobs:
            looks.append(asked)
            error = EngineError("The engine sent 3 tokens; 1 were asked for.")
            error.refused_tokens = refused
            raise error
        async for chunk in stream(asked):
            yield chunk

    engine.stream = too_many
    verdict, ledger = await run(budget_forcing(a_task()), engine)
    assert (verdict.letter, len(looks)) == ("B", tries)
    look = ledger.entry("pass/0/letters")
    assert (look.state, look.generated, look.wasted) == (EntryState.FAILED, refused, refused)
    assert ledger.left_tokens == 1_000 - engine.generated - refused


async def test_forced_rounds_are_inserted_and_not_generated():
    engine = CharacterEngine(saying("B"))
    verdict, ledger = await run(budget_forcing(a_task(force_rounds=2, thinking_tokens=40)), engine)
    told = [text_of(each.prompt_ids) for each in engine.requests]
    assert verdict.letter == "B"
    assert told[1] == "Which?<think>000....... Wait"
    assert ledger.costs.generated == engine.generated


async def test_a_vote_is_won_by_most_passes():
    engine = CharacterEngine(saying("B", "A", "B", "C", "B"))
    kept = Kept()
    verdict, ledger = await run(vote(a_task(), 5), engine, observer=kept)
    assert (verdict.letter, verdict.why) == ("B", "3 of 5 passes gave this answer.")
    assert kept.pictures["votes"]["votes"] == {"B": 3, "A": 1, "C": 1}
    assert engine.open["most"] == 5, "the passes run at once"
    assert ledger.costs.generated == engine.generated


async def test_a_tie_goes_to_the_answer_with_more_probability_and_then_to_the_first():
    def choices(prompt, thinking, lead):
        return {"A": 0.2, "C": 0.5} if thinking.startswith("001") else {"A": 0.4, "C": 0.4}

    script = saying("A", "C")
    assert (await run(vote(a_task(), 2), CharacterEngine(script)))[0].letter == "A"
    script.choices = choices
    assert (await run(vote(a_task(), 2), CharacterEngine(script)))[0].letter == "C"


async def test_a_weighted_vote_adds_up_probabilities():
    script = saying("A", "A", "B")
    script.choices = lambda prompt, thinking, lead: (
        {"A": 0.1, "B": 0.9} if thinking.startswith("002") else {"A": 0.5, "B": 0.45}
    )
    verdict, _ = await run(weighted_vote(a_task(), 3), CharacterEngine(script))
    assert verdict.letter == "B"


async def test_an_adaptive_vote_ends_when_its_leader_is_clear():
    script = saying(*"AABBBBBB")
    verdict, ledger = await run(adaptive_vote(a_task(), 8), CharacterEngine(script))
    assert verdict.letter == "A"
    assert {each.key for each in ledger.entries if each.purpose is Purpose.THINK} == {"pass/0", "pass/1"}
    script = saying(*"ABBBABBB")
    verdict, ledger = await run(adaptive_vote(a_task(), 8), CharacterEngine(script))
    assert verdict.letter == "B"
    assert len([each for each in ledger.entries if each.purpose is Purpose.THINK]) == 4


async def test_an_open_question_is_voted_on_by_the_words_of_its_answers():
    script = saying("Scurvy.", "  scurvy ", "Rickets")
    verdict, _ = await run(vote(a_task(options={}), 3), CharacterEngine(script), options={})
    assert (verdict.letter, verdict.answer) == (None, "Scurvy.")


async def test_a_budget_below_one_pass_is_refused_with_what_is_needed():
    with pytest.raises(StrategyRefused, match="Allow at least 110 tokens"):
        await run(vote(a_task(budget_tokens=50), 5), CharacterEngine())


async def test_passes_that_do_not_fit_wait_for_tokens_that_come_back():
    # Each reserves 100 + 20 tokens and uses 12: three at once do not fit, all five do one after another.
    task = a_task(thinking_tokens=100, budget_tokens=300)
    verdict, ledger = await run(vote(task, 5), CharacterEngine(saying(*"ABBBB")), budget=300)
    assert verdict.why == "4 of 5 passes gave this answer."
    assert ledger.costs.generated <= 300


async def test_passes_that_never_fit_are_named_and_the_others_count():
    task = a_task(thinking_tokens=100, budget_tokens=130)
    script = saying(*"ABBBB", lengths=(100,))
    verdict, ledger = await run(vote(task, 5), CharacterEngine(script), budget=130)
    assert verdict.letter == "A"
    assert "4 more could not be asked" in verdict.why
    assert ledger.costs.generated <= 130


def closing_at(tokens):
    def strategy():
        yield [Start(Think(key="t", budget_tokens=50, seed=0))]
        while True:
            event = yield []
            if isinstance(event, Grew) and event.tokens >= tokens + 3:
                break
        event = yield [Close("t", tokens)]
        while not isinstance(event, Thought):
            event = yield []
        thought = event
        event = yield [Start(Answer(key="a", after="t", cap_tokens=5, tokens=tokens))]
        return Verdict(event.letter, f"{thought.text}|{thought.finish}", "", "t")

    return strategy()


async def test_a_thinking_is_closed_where_the_strategy_says_and_the_rest_is_wasted():
    engine = CharacterEngine(Script(think=lambda prompt, seed: "0123456789" * 4))
    verdict, ledger = await run(closing_at(7), engine)
    assert verdict.answer == f"0123456|{Finish.CLOSED}"
    assert text_of(engine.requests[-1].prompt_ids) == "Which?<think>0123456</think>Final answer: "
    entry = ledger.entry("t")
    assert (entry.state, entry.generated - entry.wasted) == (EntryState.DONE, 7)
    assert ledger.costs.generated == engine.generated


async def test_closing_what_was_refused_does_nothing():
    def strategy():
        refused = yield [Start(Think(key="t", budget_tokens=50, seed=0)), Close("t", 1)]
        return Verdict(None, repr(refused), "")

    told = repr(Refused("t", 50, 9))
    assert (await run(strategy(), CharacterEngine(), budget=9))[0].answer == told
    assert PoolDriver(strategy(), [], Ledger(9)).run().answer == told


async def test_llama_cpp_waits_at_a_look_until_the_strategy_has_its_answer():
    def strategy():
        event = yield [Start(Think(key="t", budget_tokens=40, seed=0, pause_at=(10, 20)))]
        while not isinstance(event, Thought):
            is_there = isinstance(event, Grew) and event.tokens in (10, 20)
            look = (
                Look(key=f"look/{event.tokens}", after="t", tokens=event.tokens, choices=("A",)) if is_there else None
            )
            event = yield [Start(look)] if look else []
        return Verdict(None, "", "")

    engine = CharacterEngine(Script(think=lambda prompt, seed: "0123456789" * 4), kind=EngineKind.LLAMA_CPP)
    await run(strategy(), engine)
    assert engine.open["most"] == 1
    looks = [text_of(each.prompt_ids) for each in engine.requests if each.top_logprobs]
    assert looks == [
        "Which?<think>0123456789</think>Final answer: ",
        f"Which?<think>{'0123456789' * 2}</think>Final answer: ",
    ]


async def test_an_answer_at_an_overruled_stop_is_closed_as_a_natural_one():
    def strategy():
        event = yield [Start(Think(key="t", budget_tokens=40, seed=0, force_rounds=1))]
        while not isinstance(event, Thought):
            event = yield []
        assert event.stops[0] == 5
        event = yield [Start(Answer(key="a", after="t", cap_tokens=5, tokens=5))]
        return Verdict(event.letter, "", "")

    engine = CharacterEngine(Script(think=lambda prompt, seed: "01234"))
    await run(strategy(), engine)
    assert text_of(engine.requests[-1].prompt_ids) == "Which?<think>01234</think>Answer: "


async def test_a_cancelled_request_is_wasted_frees_its_engine_and_is_told_no_more():
    def strategy():
        event = yield [
            Start(Think(key="long", budget_tokens=500, seed=0)),
            Start(Think(key="t", budget_tokens=9, seed=0)),
        ]
        told = set()
        while not (isinstance(event, Thought) and event.key == "t"):
            event = yield []
        event = yield [Cancel("long"), Start(Think(key="u", budget_tokens=90, seed=0))]
        while not (isinstance(event, Thought) and event.key == "u"):
            told.add(event.key)
            event = yield []
        return Verdict(None, " ".join(sorted(told)), "")

    engine = CharacterEngine(Script(think=lambda prompt, seed: "." * 600))
    verdict, ledger = await run(strategy(), engine)
    assert verdict.answer == "u"
    entry = ledger.entry("long")
    assert entry.state is EntryState.CANCELLED
    assert 0 < entry.wasted == entry.generated
    assert engine.open["now"] == 0


async def test_a_prompt_of_its_own_can_be_thought_about_answered_and_looked_at():
    def strategy():
        chat = Chat("Is it right?", system="You judge.")
        yield [Start(Answer(key="plan", after=chat, cap_tokens=9, purpose=Purpose.PLAN))]
        event = yield [Start(Look(key="yes", after=chat, choices=("Yes", "No"), lead="It is: ", model="judge"))]
        return Verdict(None, repr(dict(event.probabilities)), "")

    judge = CharacterEngine(Script(choices=lambda prompt, thinking, lead: {"Yes": 0.75, "No": 0.25}))
    engine = CharacterEngine()
    verdict, ledger = await run(strategy(), engine, others={"judge": judge})
    assert verdict.answer == "{'Yes': 0.75, 'No': 0.25}"
    assert text_of(judge.requests[0].prompt_ids) == "You judge.|Is it right?<think></think>Answer: It is: "
    assert [(each.model, each.purpose) for each in ledger.entries] == [("toy", Purpose.PLAN), ("judge", Purpose.PROBE)]


async def test_an_engine_without_probabilities_is_told_as_that():
    def strategy():
        event = yield [Start(Look(key="l", after=Chat("?"), choices=("A",)))]
        return Verdict(None, str(event.probabilities), "")

    verdict, _ = await run(strategy(), CharacterEngine(has_logprobs=False))
    assert verdict.answer == "None"


async def test_confidences_come_with_the_tokens_they_belong_to():
    def strategy():
        event = yield [Start(Think(key="t", budget_tokens=40, seed=0, force_rounds=1, wants_confidence=True))]
        told = []
        while not isinstance(event, Thought):
            told.append((event.text, *event.confidences))
            event = yield []
        return Verdict(None, repr(told[:6]), "")

    script = Script(think=lambda prompt, seed: "01234", confidence=lambda text, place: (place + 1) / 10)
    verdict, _ = await run(strategy(), CharacterEngine(script))
    pairs = [(str(place), (place + 1) / 10) for place in range(5)]
    assert verdict.answer == repr([*pairs, (" Wait",)])


async def test_a_replayed_thinking_has_the_confidences_that_it_had():
    def strategy():
        event = yield [Start(Think(key="t", budget_tokens=40, seed=0, wants_confidence=True))]
        told = []
        while not isinstance(event, Thought):
            told += event.confidences
            event = yield []
        return Verdict(None, repr(told), "")

    script = Script(think=lambda prompt, seed: "01234", confidence=lambda text, place: (place + 1) / 10)
    kept = Kept()
    live, _ = await run(strategy(), CharacterEngine(script), observer=kept)
    engine = CharacterEngine(script)
    assert (await run(strategy(), engine, kept=kept.finished))[0] == live
    assert not engine.requests
    assert live.answer == repr([0.1, 0.2, 0.3, 0.4, 0.5])


@pytest.fixture
def no_pause(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)


async def test_an_engine_that_fails_is_tried_again_and_then_told(no_pause):
    failures = iter(["gone", ""])
    engine = CharacterEngine(Script(fails=lambda prompt: next(failures)))
    verdict, _ = await run(vote(a_task(thinking_tokens=9), 1), CharacterEngine(Script(fails=lambda prompt: "gone")))
    assert verdict.why == "gone"

    def strategy():
        event = yield [Start(Answer(key="a", after=Chat("?"), cap_tokens=5))]
        return Verdict(event.letter, "", "")

    verdict, ledger = await run(strategy(), engine)
    assert verdict.letter == "A"
    assert ledger.entry("a").state is EntryState.DONE


async def test_a_model_that_is_not_served_fails_its_requests_and_not_the_run():
    def strategy():
        think = Think(key="t", budget_tokens=9, seed=0, model="gone", chat=Chat("?"))
        event = yield [Start(think), Start(Answer(key="a", after=Chat("?"), cap_tokens=5))]
        told = {}
        while len(told) < 2:
            if not isinstance(event, Grew):
                told[event.key] = event
            event = (yield []) if len(told) < 2 else event
        return Verdict(told["a"].letter, told["t"].error, "")

    class NotServed(OneModel):
        async def served(self, model):
            if model:
                raise ModelNotServed("The engine does not serve 'gone'.")
            return await super().served(model)

    engine = CharacterEngine()
    ledger = Ledger(1_000)
    driver = Driver(strategy(), NotServed(engine), ledger, ids_of("Which?"), options=OPTIONS, temperature=0.6)
    verdict = await driver.run()
    assert (verdict.letter, verdict.answer) == ("A", "The engine does not serve 'gone'.")
    assert [each.key for each in ledger.entries] == ["a"]


async def test_a_strategy_that_waits_for_nothing_is_an_error_and_not_a_hang():
    def strategy():
        yield []

    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="nothing is running"):
            await run(strategy(), CharacterEngine())


@pytest.mark.parametrize("last", [[], [Cancel("t")]], ids=["after its last event", "after a cancellation"])
async def test_a_strategy_that_goes_on_waiting_is_an_error_too(last):
    def strategy():
        yield [Start(Think(key="t", budget_tokens=9, seed=0))]
        yield last
        while True:
            yield []

    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="nothing is running"):
            await run(strategy(), CharacterEngine())


async def test_what_ended_before_a_kill_is_replayed_and_what_ran_is_charged_as_wasted():
    script = saying(*"ABB", lengths=(30,))
    kept = Kept()
    whole, first = await run(vote(a_task(), 3), CharacterEngine(script), observer=kept)
    # As if it had been killed when pass 2 had thought 12 tokens.
    before = [each for each in first.entries if not each.key.startswith("pass/2")]
    before.append(Entry(key="pass/2", purpose=Purpose.THINK, model="toy", generated=12))
    finished = {key: each for key, each in kept.finished.items() if not key.startswith("pass/2")}
    engine = CharacterEngine(script)
    again, ledger = await run(vote(a_task(), 3), engine, ledger=Ledger(1_000, before), kept=finished)
    assert again == whole
    assert {text_of(each.prompt_ids)[:20] for each in engine.requests} == {"Which?<think>", "Which?<think>002...."}
    lost = next(each for each in ledger.entries if each.state is EntryState.LOST)
    assert (lost.generated, lost.wasted) == (12, 12)
    assert ledger.costs.generated == first.costs.generated + 12


async def test_a_run_that_is_cancelled_cancels_its_requests():
    engine = CharacterEngine(Script(think=lambda prompt, seed: "." * 10_000))
    task = asyncio.create_task(run(vote(a_task(budget_tokens=50_000), 4), engine, budget=50_000))
    while engine.generated < 50:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert engine.open["now"] == 0


@st.composite
def plans(draw):
    """Requests, cancellations and closings in any order."""
    keys = [f"t{number}" for number in range(draw(st.integers(1, 5)))]
    steps = [
        Start(
            Think(
                key=key,
                budget_tokens=draw(st.integers(1, 60)),
                seed=draw(st.integers(0, 9)),
                force_rounds=draw(st.integers(0, 3)),
            )
        )
        for key in keys
    ]
    for number in range(draw(st.integers(0, 8))):
        key = draw(st.sampled_from(keys))
        steps.append(
            draw(
                st.sampled_from(
                    [
                        Cancel(key),
                        Close(key, draw(st.integers(1, 30))),
                        Start(Answer(key=f"a{number}", after=Chat("?"), cap_tokens=draw(st.integers(1, 30)))),
                        Start(Look(key=f"l{number}", after=Chat("?"), choices=("A",))),
                    ]
                )
            )
        )
    return steps


def playing(steps):
    """A strategy that takes one step at each event, until nothing runs."""

    def strategy():
        running, started, left = set(), set(), list(steps)
        event = None
        while left or running:
            actions = []
            while left and not actions:
                step = left.pop(0)
                if isinstance(step, Start):
                    running.add(step.request.key)
                    started.add(step.request.key)
                    actions = [step]
                elif step.key in running:
                    actions = [step]
                    if isinstance(step, Cancel):
                        running.discard(step.key)
            if not (running or actions):
                break
            if not running:
                continue
            event = yield actions
            if isinstance(event, Thought | Answered | Looked | Failed | Refused):
                running.discard(event.key)
        return Verdict(None, "", "")

    return strategy()


@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(0, 150))
def test_no_strategy_overspends(steps: Sequence[Start | Cancel | Close], budget: int):
    engine = CharacterEngine(Script(think=lambda prompt, seed: "." * (7 * seed), answer=lambda p, t: "A" * 12))
    _, ledger = asyncio.run(run(playing(steps), engine, budget=budget))
    assert ledger.costs.generated <= budget
    assert ledger.costs.generated == engine.generated
    assert ledger.costs == costs_of(ledger.entries)
    assert all(each.state is not EntryState.RUNNING for each in ledger.entries)


async def test_tokens_of_a_cancelled_request_can_be_used_at_once():
    def strategy():
        event = yield [
            Start(Think(key="long", budget_tokens=80, seed=0)),
            Start(Think(key="t", budget_tokens=15, seed=1)),
        ]
        while not isinstance(event, Thought):
            event = yield []
        event = yield [Cancel("long"), Start(Answer(key="a", after="t", cap_tokens=30))]
        return Verdict(getattr(event, "letter", None), "", type(event).__name__)

    engine = CharacterEngine(Script(think=lambda prompt, seed: "." * (90 if seed == 0 else 9)))
    verdict, ledger = await run(strategy(), engine, budget=100)
    assert verdict.why == "Answered"
    assert ledger.costs.generated <= 100


async def test_only_so_many_thinkings_run_at_once_and_what_is_asked_of_them_goes_on():
    engine = CharacterEngine(saying(*"BABCB"))
    verdict, ledger = await run(vote(a_task(), 5), engine, room=asyncio.Semaphore(2))
    assert verdict.letter == "B"
    assert ledger.costs.generated == engine.generated
    thinking = [each for each in engine.requests if text_of(each.prompt_ids).endswith("<think>")]
    assert (len(thinking), engine.open["most thinking"]) == (5, 2)


async def test_where_a_kill_has_left_too_little_for_a_whole_pass_a_shorter_one_answers():
    lost = Entry(key="pass/0", purpose=Purpose.THINK, model="toy", generated=60)
    task = a_task(thinking_tokens=100, budget_tokens=130)
    engine = CharacterEngine(saying("B", lengths=(100,)))
    verdict, ledger = await run(vote(task, 1), engine, ledger=Ledger(130, [lost]))
    assert verdict.letter == "B"
    assert ledger.costs.generated == 60 + engine.generated <= 130
    assert "<think>000" in text_of(engine.requests[-1].prompt_ids)


@pytest.mark.parametrize("closes", [None, 7])
async def test_a_replayed_strategy_is_told_the_same_in_the_same_order(closes):
    def telling(told):
        def strategy():
            event = yield [Start(Think(key="t", budget_tokens=30, seed=0, force_rounds=1, wants_confidence=True))]
            while not isinstance(event, Thought):
                told.append(event)
                actions = []
                if isinstance(event, Grew) and event.tokens in (3, 7):
                    key = f"look/{event.tokens}"
                    actions.append(Start(Look(key=key, after="t", tokens=event.tokens, choices=("A",))))
                if isinstance(event, Looked) and event.key == f"look/{closes}":
                    actions.append(Close("t", closes))
                event = yield actions
            told.append(event)
            return Verdict(None, event.text, "")

        return strategy()

    script = Script(think=lambda prompt, seed: "0123456789" * 2, confidence=lambda text, place: float(place))
    first, again, kept = [], [], Kept()
    live, _ = await run(telling(first), CharacterEngine(script), observer=kept)
    engine = CharacterEngine(script)
    assert (await run(telling(again), engine, kept=kept.finished))[0] == live
    assert not engine.requests
    assert again == first
    assert [type(each) for each in first].index(Looked) < len(first) - 2, "it was told of a look as it went on"
    assert closes is None or max(each.tokens for each in first if isinstance(each, Grew)) > closes


async def test_an_answer_counts_although_the_options_could_not_be_looked_at(no_pause):
    engine = CharacterEngine(saying("B", "B", "A"))
    stream = engine.stream

    async def fail_looks(asked):
        if asked.top_logprobs:
            raise EngineError("no probabilities today")
        async for chunk in stream(asked):
            yield chunk

    engine.stream = fail_looks
    assert (await run(budget_forcing(a_task()), engine))[0].letter == "B"
    assert (await run(vote(a_task(), 3), engine))[0].why == "2 of 3 passes gave this answer."
