"""Votes at several temperatures."""

import pytest

from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.temperatures import TEMPERATURES, temperatures
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run


class ByTemperature(CharacterEngine):
    """Thinks of its seed, and keeps at which temperature it was asked."""

    def __init__(self, letters):
        super().__init__(
            Script(
                think=lambda prompt, seed: f"{seed:03}......",
                answer=lambda prompt, thinking: letters[int(thinking[:3])],
            )
        )

    @property
    def asked(self):
        return [each.temperature for each in self.requests if each.is_fresh]


async def test_an_easy_question_ends_after_one_round():
    engine = ByTemperature("A" * 13)
    verdict, ledger = await run(temperatures(a_task()), engine)
    assert verdict.letter == "A"
    assert verdict.why == "7 of 7 passes gave this answer. All temperatures agreed after round 1 of 2."
    assert sorted(engine.asked) == list(TEMPERATURES)
    assert ledger.costs.generated == engine.generated == 7 * (10 + 2 + 1)


async def test_a_hard_question_is_asked_in_every_round_but_at_zero_once():
    # One of the seven disagrees in the first round; together A has 8 of 13.
    engine = ByTemperature("ABAAAAB" + "BBAABA")
    verdict, ledger = await run(temperatures(a_task()), engine)
    assert verdict.letter == "A"
    assert verdict.why == "8 of 13 passes gave this answer. The temperatures did not agree."
    assert sorted(engine.asked) == [0.0, *sorted(TEMPERATURES[1:] * 2)]
    picture = verdict.last_shown[0].value
    assert picture["answers"] == ["A", "B"]
    assert picture["counts"] == [[1, 0], [0, 2], [1, 1], [2, 0], [2, 0], [1, 1], [1, 1]]
    assert (picture["done"], picture["passes"]) == (13, 13)
    assert ledger.costs.generated == engine.generated


async def test_a_temperature_whose_leader_has_too_small_a_share_goes_on():
    # After two rounds A leads everywhere, but has half of the passes at 0.2.
    letters = "ABAAAAA" + "AAAAAA" + "AAAAAA"
    engine = ByTemperature(letters)
    verdict, _ = await run(temperatures(a_task(budget_tokens=2_000), rounds=3), engine, budget=2_000)
    assert verdict.last_shown[0].value["done"] == 19
    engine = ByTemperature(letters)
    verdict, _ = await run(temperatures(a_task(budget_tokens=2_000), rounds=3, share=0.5), engine, budget=2_000)
    assert verdict.last_shown[0].value["done"] == 13


async def test_errors_that_all_temperatures_share_win():
    verdict, ledger = await run(temperatures(a_task()), ByTemperature("B" * 13))
    assert verdict.letter == "B"
    assert len([each for each in ledger.entries if "/" not in each.key.removeprefix("pass/")]) == 7


async def test_a_budget_for_fewer_passes_is_refused_with_what_would_do():
    with pytest.raises(StrategyRefused, match=r"too small for 13 passes.*Allow at least 286 tokens"):
        await run(temperatures(a_task(budget_tokens=200)), CharacterEngine())
