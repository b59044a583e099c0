"""Stored passes instead of an engine: the same answers, the same tokens."""

import pytest

from m1app.strategies.catalogue import choose
from m1app.strategies.drivers.ledger import EntryState, Ledger
from m1app.strategies.drivers.pool import PoolDriver, PooledAnswer, PooledPass
from m1app.strategies.errors import NotInPool
from m1app.strategies.protocol import Close, Finish, Start, Think, Thought, Verdict
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run


def a_pass(number, letter, length, *, budget=100, probabilities=None):
    """A pass of `length` tokens, one character each."""
    finish = Finish.NATURAL if length < budget else Finish.BUDGET
    end = min(length, budget)
    answer = PooledAnswer(end, end, finish, letter, letter, len(letter) + 1, probabilities or {letter: 1.0})
    return PooledPass(number, 0.6, f"{number:03}".ljust(end, "."), (answer,))


def script_of(passes):
    """What an engine says that makes just these passes."""
    by_number = {each.seed: each for each in passes}

    def of(thinking):
        return by_number[int(thinking[:3])].answers[-1]

    def think(prompt, seed):
        stored = by_number[seed]
        return stored.text if stored.answers[-1].finish is Finish.NATURAL else stored.text.ljust(500, ".")

    return Script(
        think=think,
        answer=lambda prompt, thinking: of(thinking).text,
        choices=lambda prompt, thinking, lead: of(thinking).probabilities,
    )


PASSES = [
    a_pass(0, "A", 40, probabilities={"A": 0.6, "B": 0.4}),
    a_pass(1, "B", 25, probabilities={"A": 0.1, "B": 0.9}),
    a_pass(2, "A", 130, probabilities={"A": 0.5, "B": 0.5}),
    a_pass(3, "C", 60, probabilities={"C": 0.7}),
]


@pytest.mark.parametrize("text", ["budget-forcing", "vote:k=4", "weighted-vote:k=4", "adaptive-vote:k=4"])
async def test_the_pool_agrees_with_a_live_run_that_is_fed_the_same_samples(text):
    name, _, rest = text.partition(":")
    choice = choose(name, dict(part.split("=") for part in rest.split(":")) if rest else {})
    task = a_task(thinking_tokens=100)
    engine = CharacterEngine(script_of(PASSES))
    live, live_ledger = await run(choice.start(task), engine)
    ledger = Ledger(1_000)
    pooled = PoolDriver(choice.start(task), PASSES, ledger).run()
    assert pooled == live
    assert {each.key: each.generated for each in ledger.entries} == {
        each.key: each.generated for each in live_ledger.entries
    }


def test_what_is_not_stored_is_refused():
    with pytest.raises(NotInPool, match="none of seed 4"):
        PoolDriver(choose("vote", {"k": 5}).start(a_task(thinking_tokens=100)), PASSES, Ledger(1_000)).run()
    with pytest.raises(NotInPool, match="no answer at 99 thinking tokens"):
        PoolDriver(choose("vote", {"k": 4}).start(a_task(thinking_tokens=99)), PASSES, Ledger(1_000)).run()


def test_a_closed_pass_is_charged_up_to_where_it_was_closed():
    def strategy():
        event = yield [Start(Think(key="t", budget_tokens=100, seed=2, temperature=0.6, pause_at=(40,)))]
        assert event.tokens == 30
        event = yield []
        assert event.tokens == 40
        event = yield [Close("t", 30)]
        assert isinstance(event, Thought)
        return Verdict(None, event.text, "")

    cuts = (PooledAnswer(30, 30, Finish.BUDGET, "A", "A", 2), PASSES[2].answers[0])
    ledger = Ledger(1_000)
    verdict = PoolDriver(strategy(), [PooledPass(2, 0.6, PASSES[2].text, cuts)], ledger).run()
    assert verdict.answer == PASSES[2].text[:30]
    entry = ledger.entry("t")
    assert (entry.state, entry.generated, entry.wasted) == (EntryState.DONE, 40, 10)


def test_text_is_told_at_the_next_cut_whatever_pauses_are_asked_for():
    def strategy():
        event = yield [Start(Think(key="t", budget_tokens=100, seed=0, temperature=0.6, pause_at=(10, 35, 70)))]
        told = []
        while not isinstance(event, Thought):
            told.append((event.tokens, event.text))
            event = yield []
        return Verdict(None, repr(told), "")

    text = "x" * 30 + "y" * 70
    cuts = (
        PooledAnswer(30, 30, Finish.BUDGET, "A", "A", 2),
        PooledAnswer(100, 100, Finish.BUDGET, "B", "B", 2),
    )
    verdict = PoolDriver(strategy(), [PooledPass(0, 0.6, text, cuts)], Ledger(1_000)).run()
    assert verdict.answer == repr([(10, ""), (30, "x" * 30), (35, ""), (70, ""), (100, "y" * 70)])
