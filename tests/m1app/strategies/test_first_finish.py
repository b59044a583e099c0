"""The race: who wins it, what the others cost, and what happens when nobody finishes."""

import pytest

from m1app.strategies.drivers.ledger import EntryState
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.first_finish import first_finish
from m1app.strategies.protocol import Purpose
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run


def racing(letters, lengths):
    """Pass n thinks `lengths[n]` characters and answers `letters[n]`."""
    return Script(
        think=lambda prompt, seed: f"{seed:03}".ljust(lengths[seed], "."),
        answer=lambda prompt, thinking: letters[int(thinking[:3])],
    )


async def test_where_short_is_right_the_race_wins_and_every_token_is_charged():
    engine = CharacterEngine(racing("BABB", (60, 20, 70, 80)))
    verdict, ledger = await run(first_finish(a_task(thinking_tokens=90), 4), engine)
    assert (verdict.letter, verdict.of) == ("A", "pass/1")
    assert verdict.why == "Pass 2 finished first, after 20 thinking tokens, ahead of 3 others."
    assert ledger.costs.generated == engine.generated
    # Twenty tokens, the delimiter, "A" and its end, a look; and three tails of about as many tokens.
    assert ledger.entry("pass/1").generated == 21
    for other in ("pass/0", "pass/2", "pass/3"):
        entry = ledger.entry(other)
        assert entry.state is EntryState.CANCELLED
        assert 20 <= entry.wasted == entry.generated < 60
    assert f"{other}/answer" not in {each.key for each in ledger.entries}


async def test_where_short_is_wrong_the_race_loses():
    verdict, _ = await run(first_finish(a_task(thinking_tokens=90), 3), CharacterEngine(racing("AAB", (50, 60, 9))))
    assert verdict.letter == "B"


async def test_a_pass_that_its_budget_ended_has_not_finished():
    # Pass 0 is cut at 40 tokens, before pass 1 has begun to end.
    engine = CharacterEngine(racing("AB", (90, 39)))
    verdict, _ = await run(first_finish(a_task(thinking_tokens=40), 2), engine)
    assert verdict.letter == "B"


async def test_if_no_pass_finishes_the_first_one_answers():
    engine = CharacterEngine(racing("ABC", (90, 90, 90)))
    verdict, ledger = await run(first_finish(a_task(thinking_tokens=40), 3), engine)
    assert (verdict.letter, verdict.why) == (
        "A",
        "No pass finished within 40 thinking tokens, so the first one answered.",
    )
    assert ledger.costs.generated == engine.generated == 3 * 40 + 2 + 1
    assert [bar["state"] for bar in verdict.last_shown[0].value["bars"]] == ["won", "budget", "budget"]


async def test_the_picture_has_a_bar_for_each_pass():
    verdict, _ = await run(first_finish(a_task(thinking_tokens=90), 2), CharacterEngine(racing("AB", (60, 20))))
    picture = verdict.last_shown[0].value
    assert picture["budget"] == 90
    assert [(bar["pass"], bar["state"]) for bar in picture["bars"]] == [(0, "cancelled"), (1, "won")]
    assert picture["bars"][1]["tokens"] == 20


@pytest.mark.parametrize(("budget", "raced"), [(301, 1), (302, 2)])
async def test_only_passes_whose_answers_could_be_paid_race(budget, raced):
    # Each may think 100 tokens, answer in 50 and be looked at.
    task = a_task(thinking_tokens=100, budget_tokens=budget, answer_cap_tokens=50)
    engine = CharacterEngine(racing("AB", (99, 60)))
    verdict, ledger = await run(first_finish(task, 2), engine, budget=budget)
    assert verdict.letter == "AB"[raced - 1]
    assert sum(each.purpose is Purpose.THINK for each in ledger.entries) == raced
    assert ledger.costs.generated <= budget


async def test_a_budget_for_no_race_and_an_engine_that_is_gone_are_said(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    with pytest.raises(StrategyRefused, match="Allow at least 88 tokens"):
        await run(first_finish(a_task(budget_tokens=80), 4), CharacterEngine())
    verdict, _ = await run(first_finish(a_task(), 2), CharacterEngine(Script(fails=lambda prompt: "gone")))
    assert (verdict.letter, verdict.why) == (None, "gone")


async def test_a_pass_that_fails_leaves_the_race_to_the_others(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    script = racing("AB", (40, 60))
    calls = iter(range(100))
    script.fails = lambda prompt: "gone" if prompt.endswith("<think>") and next(calls) in (0, 2, 3) else ""
    verdict, _ = await run(first_finish(a_task(thinking_tokens=90), 2), CharacterEngine(script))
    assert verdict.letter in "AB"
