"""A strategy by policy, on a scripted engine whose pilot is as sure as a test says."""

from collections.abc import Mapping

import pytest

from m1app.strategies.catalogue import choose
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.errors import StrategyRefused
from models.engine.protocol import EngineKind
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run
from tests.m1app.strategies.test_driver import Kept
from tests.m1app.strategies.test_policy import a_bin, a_policy

SURE, TORN = {"A": 0.98, "B": 0.01, "C": 0.01}, {"A": 0.4, "B": 0.4, "C": 0.2}
PILOT_TOKENS = 11 + 2 + 1
"""Ten characters and the delimiter, a letter and the end, a look."""


def small_policy(**named):
    """One chain where the pilot is sure, else a vote of three."""
    bins = [a_bin(0.6, "budget-forcing"), a_bin(None, "vote:k=3")]
    bins = [each.model_copy(update={"thinking_tokens": 40}) for each in bins]
    return a_policy(*bins, pilot_tokens=30, **named)


def saying(probabilities: Mapping[str, float], letters: str = "ABBC") -> Script:
    """Pass n answers letter n: the pilot "A", then "B", "B", "C"."""
    return Script(
        think=lambda prompt, seed: f"{seed:03}.......",
        answer=lambda prompt, thinking: letters[int(thinking[:3])],
        choices=lambda prompt, thinking, lead: probabilities,
    )


def auto(policy, **named):
    return choose("auto", {"policy": "mine"}).start(a_task(policies={"mine": policy}, **named))


async def test_a_sure_pilot_is_followed_by_one_chain_and_everything_is_counted():
    engine, kept = CharacterEngine(saying(SURE)), Kept()
    verdict, ledger = await run(auto(small_policy()), engine, observer=kept)
    assert (verdict.letter, verdict.of) == ("B", "pass/0")
    assert verdict.why.startswith(
        "Pilot entropy 0.16 bits: below 0.60, so One chain with 40 thinking tokens per pass; "
    )
    assert verdict.why.endswith("One pass of 10 thinking tokens.")
    assert [each.key for each in ledger.entries] == [
        *("pilot/0", "pilot/0/answer", "pilot/0/letters", "pass/0", "pass/0/answer", "pass/0/letters")
    ]
    assert ledger.costs.generated == engine.generated == 2 * PILOT_TOKENS
    shown = kept.pictures["policy"]
    assert (shown["choice"], shown["thinking_tokens"], shown["pilot_passes"]) == ("budget-forcing", 40, 1)
    assert shown["entropy"] == pytest.approx(0.1614, abs=1e-4)


async def test_a_torn_pilot_is_followed_by_a_vote_with_seeds_of_its_own():
    engine, kept = CharacterEngine(saying(TORN)), Kept()
    verdict, ledger = await run(auto(small_policy(), seed=0), engine, observer=kept)
    assert verdict.letter == "B"
    assert "1.52 bits: 0.60 or more, so Vote (passes 3)" in verdict.why
    assert verdict.why.endswith("2 of 3 passes gave this answer.")
    thought = {key: each.event.text[:3] for key, each in kept.finished.items() if key.count("/") == 1}
    assert thought == {"pilot/0": "000", "pass/0": "001", "pass/1": "002", "pass/2": "003"}
    assert kept.pictures["votes"]["votes"] == {"B": 2, "C": 1}
    assert ledger.costs.generated == 4 * PILOT_TOKENS


async def test_several_pilots_are_averaged():
    """Two pilots, each sure of another letter: together they are torn."""
    script = saying({}, letters="ABAAA")
    script.choices = lambda prompt, thinking, lead: {"AB"[int(thinking[:3]) % 2]: 0.9}
    verdict, ledger = await run(auto(small_policy(pilot_passes=2)), CharacterEngine(script))
    assert "Pilot entropy 1.00 bits" in verdict.why
    assert [each.key for each in ledger.entries if each.key.count("/") == 1][:2] == ["pilot/0", "pilot/1"]


async def test_an_engine_without_probabilities_is_answered_by_the_pilot():
    verdict, ledger = await run(auto(small_policy()), CharacterEngine(saying(SURE), has_logprobs=False))
    assert (verdict.letter, verdict.of) == ("A", "pilot/0")
    assert verdict.why == (
        "The engine reports no option probabilities. So no strategy could be chosen. The pilot's answer is used."
    )
    assert {each.key.split("/")[0] for each in ledger.entries} == {"pilot"}


async def test_without_probabilities_several_pilots_are_read_by_their_votes():
    engine = CharacterEngine(saying(SURE, letters="ABCBB"), has_logprobs=False)
    verdict, _ = await run(auto(small_policy(pilot_passes=2)), engine)
    assert "Pilot entropy 1.00 bits" in verdict.why


async def test_a_pilot_that_fails_says_so():
    script = saying(SURE)
    script.fails = lambda prompt: "The engine is gone."
    verdict, _ = await run(auto(small_policy()), CharacterEngine(script))
    assert (verdict.letter, verdict.answer) == (None, "")
    assert verdict.why.startswith("The pilot failed: ")
    assert verdict.why.endswith("So no strategy could be chosen.")


async def test_where_the_chosen_strategy_has_no_tokens_left_the_pilots_answer_stands():
    """The pilot thinks and answers to its limits; the rest pays for no answer of the chain."""
    script = saying(SURE)
    script.think = lambda prompt, seed: f"{seed:03}".ljust(35, ".")
    script.answer = lambda prompt, thinking: "A".ljust(30)
    verdict, ledger = await run(auto(small_policy(), budget_tokens=75), CharacterEngine(script), budget=75)
    assert (verdict.letter, verdict.of) == ("A", "pilot/0")
    assert "too small for one pass with answers of up to 20 tokens. Allow at least 22 tokens" in verdict.why
    assert verdict.why.endswith("The pilot's answer is used.")
    assert ledger.costs.generated <= 75


async def test_a_chosen_strategy_thinks_less_where_its_answer_would_not_fit():
    script = saying(SURE)
    script.think = lambda prompt, seed: f"{seed:03}".ljust(50, ".")
    verdict, ledger = await run(auto(small_policy(), budget_tokens=90), CharacterEngine(script), budget=90)
    assert (verdict.letter, verdict.of) == ("B", "pass/0")
    assert verdict.why.endswith("One pass of 30 thinking tokens.")
    assert ledger.costs.generated <= 90


async def test_a_chosen_strategy_that_refuses_the_question_leaves_the_pilots_answer():
    policy = a_policy(a_bin(None, "deepconf:k=4:warmup=8"), pilot_tokens=30)
    verdict, _ = await run(auto(policy, budget_tokens=120), CharacterEngine(saying(SURE)), budget=120)
    assert verdict.letter == "A"
    assert verdict.why.endswith("The pilot's answer is used.")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"policies": {}}, "There is no policy named 'mine'"),
        ({"budget_tokens": 71}, "of up to 51 tokens, and an answer. Allow at least 73 tokens."),
        ({"options": {}}, "this question has none"),
    ],
)
async def test_what_cannot_be_run_is_refused_before_anything_is_asked(named, said):
    engine = CharacterEngine(saying(SURE))
    given = {"policies": {"mine": small_policy()}} | named
    with pytest.raises(StrategyRefused, match=said):
        await run(choose("auto", {"policy": "mine"}).start(a_task(**given)), engine)
    assert engine.requests == []


async def test_a_run_that_was_killed_goes_on_from_its_finished_requests():
    engine, kept = CharacterEngine(saying(TORN)), Kept()
    whole, _ = await run(auto(small_policy()), engine, observer=kept)
    for count in range(1, len(kept.finished)):
        finished = dict(list(kept.finished.items())[:count])
        again = CharacterEngine(saying(TORN))
        verdict, _ = await run(auto(small_policy()), again, kept=finished)
        assert verdict == whole
        assert len(again.requests) == len(engine.requests) - count


async def test_a_pilot_that_does_not_fit_the_context_is_shorter():
    engine = CharacterEngine(saying(SURE), kind=EngineKind.LLAMA_CPP)
    await run(auto(small_policy(), most_thinking_tokens=5), engine, ledger=Ledger(1_000))
    assert engine.requests[0].max_tokens <= 5
