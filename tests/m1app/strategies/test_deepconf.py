"""DeepConf: the bar of the warm-up passes, who is cancelled, and who wins."""

import pytest

from m1app.strategies.drivers.ledger import EntryState, Ledger
from m1app.strategies.drivers.pool import PoolDriver, PooledAnswer, PooledPass
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.deepconf import deepconf, percentile_of
from m1app.strategies.protocol import Finish
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run

LETTERS = "ABABBB"
LEVELS = (10.0, 8.0, 9.0, 3.0, 3.0, 3.0)
"""Confidence of each pass."""


def script(letters=LETTERS, levels=LEVELS, length=60):
    return Script(
        think=lambda prompt, seed: f"{seed:03}".ljust(length, "."),
        answer=lambda prompt, thinking: letters[int(thinking[:3])],
        confidence=lambda thinking, place: levels[int(thinking[:3])],
    )


async def test_passes_below_the_bar_are_cancelled_and_the_others_vote_by_confidence():
    engine = CharacterEngine(script())
    verdict, ledger = await run(deepconf(a_task(thinking_tokens=90), k=6, warmup=3, window=10), engine)
    # The bar is the 10th percentile of 8, 9 and 10, so pass 1 has no vote: A has 10 + 9, B has nothing.
    assert verdict.letter == "A"
    assert verdict.why == "The most confidence of the 2 passes that were kept; 4 of 6 fell below the bar."
    for number in (3, 4, 5):
        entry = ledger.entry(f"pass/{number}")
        assert entry.state is EntryState.CANCELLED
        assert 10 <= entry.generated == entry.wasted < 60
    assert ledger.costs.generated == engine.generated
    picture = verdict.last_shown[0].value
    assert picture["bar"] == pytest.approx(8.2)
    assert [each["state"] for each in picture["passes"]] == ["kept", "cut", "kept", "cut", "cut", "cut"]
    assert picture["votes"] == {"A": 19.0}


async def test_where_confidence_misleads_it_loses_against_the_majority():
    verdict, _ = await run(
        deepconf(a_task(thinking_tokens=90), k=6, warmup=3, window=10),
        CharacterEngine(script(letters="BAAAAA", levels=(10, 3, 3.5, 3, 3, 3))),
    )
    assert verdict.letter == "B"


async def test_a_moment_of_doubt_is_enough_to_be_cancelled():
    def confidence(thinking, place):
        return 2.0 if thinking.startswith("003") and 20 <= place < 30 else 9.0

    engine = CharacterEngine(script(letters="AABBAA"))
    engine.script.confidence = confidence
    verdict, ledger = await run(deepconf(a_task(thinking_tokens=90), k=4, warmup=3, window=10), engine)
    assert ledger.entry("pass/3").state is EntryState.CANCELLED
    assert 21 <= ledger.entry("pass/3").generated < 40
    assert verdict.letter == "A"


async def test_a_pass_shorter_than_the_window_counts_with_its_mean():
    engine = CharacterEngine(script(length=20))
    verdict, ledger = await run(deepconf(a_task(thinking_tokens=90), k=6, warmup=3, window=128), engine)
    assert verdict.letter == "A"
    # Nothing is known of them before their end, so nothing is saved, but they have no vote.
    assert all(each.state is EntryState.DONE for each in ledger.entries)
    assert verdict.why == "The most confidence of the 2 passes that were kept; 4 of 6 fell below the bar."


async def test_an_engine_without_probabilities_is_refused():
    engine = CharacterEngine(script(), has_logprobs=False)
    ledger = Ledger(1_000)
    with pytest.raises(StrategyRefused, match="needs the probabilities of the likeliest tokens"):
        await run(deepconf(a_task(thinking_tokens=90), k=6, warmup=3), engine, ledger=ledger)
    assert engine.open["now"] == 0
    assert ledger.costs.generated == engine.generated < 3 * 60


def test_fewer_passes_than_warm_up_passes_are_refused():
    with pytest.raises(StrategyRefused, match="4 warm-up passes are more than its 3 passes"):
        next(deepconf(a_task(), k=3))


async def test_the_picture_is_bounded():
    engine = CharacterEngine(script(length=900))
    verdict, _ = await run(
        deepconf(a_task(thinking_tokens=950, budget_tokens=9_000), k=2, warmup=2, window=10), engine, budget=9_000
    )
    points = [each["points"] for each in verdict.last_shown[0].value["passes"]]
    assert all(50 <= len(each) <= 100 for each in points)
    assert points[0][-1][0] > 850


async def test_stored_confidences_give_the_live_verdict():
    passes = [
        PooledPass(
            seed,
            0.6,
            f"{seed:03}".ljust(60, "."),
            (PooledAnswer(60, 60, Finish.NATURAL, letter, letter, 2, {letter: 1.0}),),
            confidences=(level,) * 60,
        )
        for seed, (letter, level) in enumerate(zip(LETTERS, LEVELS, strict=True))
    ]
    task = a_task(thinking_tokens=90)
    ledger = Ledger(1_000)
    pooled = PoolDriver(deepconf(task, k=6, warmup=3, window=10), passes, ledger).run()
    live, _ = await run(deepconf(task, k=6, warmup=3, window=10), CharacterEngine(script()))
    assert pooled == live
    # Told in steps of 8 tokens, a group of 10 is known after 16.
    assert ledger.entry("pass/3").generated == 16


def test_a_percentile_lies_between_the_nearest_values():
    assert percentile_of([3.0], 10) == 3
    assert percentile_of([1.0, 2.0, 3.0], 50) == 2
    assert percentile_of([10.0, 8.0, 9.0], 10) == pytest.approx(8.2)
    assert percentile_of([1.0, 2.0], 100) == 2
