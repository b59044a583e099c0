"""Plans on a scripted engine: how the budget is split, kept, and what happens without a plan."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.plan_and_budget import SCHEDULES, plan_and_budget, read_plan, shares
from m1app.strategies.protocol import Purpose
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run, text_of
from tests.m1app.strategies.test_driver import Kept

BUDGET = 1_200


def planned(*difficulties):
    steps = [{"question": f"Step {i}?", "difficulty": each} for i, each in enumerate(difficulties)]
    return json.dumps({"sub_questions": steps})


def planning(plan, length=2_000, final="B"):
    """Thinks as long as it may; sub-question i is answered "fact i", the whole from the facts that it reads."""

    def answer(prompt, thinking):
        if "Write only JSON" in prompt:
            return plan
        if step := re.search(r"Answer step (\d)", prompt):
            return f"fact {step[1]}"
        return final(prompt) if callable(final) else final

    return Script(think=lambda prompt, seed: "." * length, answer=answer)


async def plan_of(script, budget=BUDGET, schedule="constant", ledger=None, **named):
    engine, kept = CharacterEngine(script), Kept()
    task = a_task(budget_tokens=budget, **named)
    verdict, ledger = await run(plan_and_budget(task, schedule), engine, ledger=ledger or Ledger(budget), observer=kept)
    assert ledger.costs.generated == engine.generated <= ledger.budget_tokens
    return verdict, ledger, engine, kept.pictures["plan"]


async def test_thinking_is_shared_by_difficulty_and_cannot_exceed_it():
    plan = planned(1, 4)
    verdict, ledger, _, picture = await plan_of(planning(plan))
    # 1,200, less the plan with its end, two answers of 20 and the last of 20, on the safe side: eight tokens of end.
    thinking = BUDGET - (len(plan) + 8) - 3 * 20
    budgets = [part["budget"] for part in picture["parts"]]
    assert (sum(budgets), budgets[0]) == (thinking, round(thinking / 5))
    assert [part["used"] for part in picture["parts"]] == budgets, "it would have thought 2,000 tokens"
    assert [ledger.entry(f"part/{i}").generated for i in (0, 1)] == budgets
    assert verdict.letter == "B"
    assert verdict.why == "From the answers to 2 sub-questions."
    # Every token: the plan, the thinking, "fact 1" twice and "B", each with its end.
    assert ledger.costs.generated == len(plan) + 1 + thinking + 2 * 7 + 2
    assert ledger.entry("plan").purpose is Purpose.PLAN
    assert picture["plan_tokens"] == len(plan)


async def test_the_answer_is_made_from_the_sub_answers():
    """The whole is answered right only by who reads both facts, which no single chain of this model finds."""

    def final(prompt):
        return "C" if "fact 1" in prompt and "fact 2" in prompt else "A"

    verdict, _, engine, picture = await plan_of(planning(planned(2, 2), final=final))
    assert verdict.letter == "C"
    assert [part["answer"] for part in picture["parts"]] == ["fact 1", "fact 2"]
    second = next(text_of(each.prompt_ids) for each in engine.requests if "Answer step 2" in text_of(each.prompt_ids))
    assert "1. Step 0?\n   Answer: fact 1\n2. Step 1?\n\n" in second


async def test_a_plan_loses_where_the_question_has_no_parts():
    """The same model knows the answer to the whole question at once, and is led astray by its steps."""
    script = planning(planned(1, 1), final=lambda prompt: "A" if "fact 1" in prompt else "B")
    assert (await plan_of(script))[0].letter == "A"
    script = planning("no plan", final=lambda prompt: "A" if "fact 1" in prompt else "B")
    assert (await plan_of(script))[0].letter == "B"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [25, 25, 25, 25]),
        ("linear", [40, 30, 20, 10]),
        # 0.5 (1 + cos(pi i / 3)) + 0.1 = 1.1, 0.85, 0.35, 0.1, of 2.4
        ("cosine", [46, 35, 15, 4]),
        # 1, 0.9, 0.81, 0.729, of 3.439
        ("exponential", [29, 26, 24, 21]),
    ],
)
def test_a_schedule_favours_what_comes_first(schedule, expected):
    assert shares([SCHEDULES[schedule](i, 4) for i in range(4)], 100) == expected


def test_the_largest_remainders_get_what_is_left_and_everybody_gets_one():
    # 3.75, 3.75, 2.5: the halves before the half.
    assert shares([3, 3, 2], 10) == [4, 4, 2]
    assert shares([1000, 1, 1], 5) == [3, 1, 1]
    with pytest.raises(ValueError, match="1 tokens"):
        shares([1, 1], 1)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=5), st.integers(5, 10_000))
def test_shares_add_up(weights, total):
    given_tokens = shares(weights, total)
    assert sum(given_tokens) == total
    assert min(given_tokens) >= 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("I will think step by step.", 0),
        ('{"sub_questions": "two"}', 0),
        ('{"sub_questions": [{"question": "only one", "difficulty": 1}]}', 0),
        ('{"sub_questions": [{"question": "x", "diff', 0),
        ('{"sub_questions": [null, 3, {"difficulty": 2}, {"question": ["x"]}]}', 0),
        ("[" * 100_000, 0),
        ("{" * 100_000, 0),
        ('Sure! ```json\n{"sub_questions": ["a", "b"]}\n```', 2),
        ('{"thought": {"a": 1}} {"sub_questions": [{"question": "a"}, {"question": "b"}]}', 2),
        (planned(*[3] * 200), 5),
    ],
    ids=lambda value: str(value)[:40],
)
def test_whatever_a_model_writes_is_a_plan_or_none(text, expected):
    assert len(read_plan(text)) == expected


@pytest.mark.parametrize(
    ("written", "read"),
    [(2, 2), ("4", 4), (0, 1), (-3, 1), (1e300, 5), ("NaN", 3), ("hard", 3), (None, 3), (True, 3), ([5], 3)],
)
def test_difficulties_are_numbers_from_1_to_5(written, read):
    plan = read_plan(json.dumps({"sub_questions": [{"question": "a", "difficulty": written}] * 2}))
    assert [each.difficulty for each in plan] == [read, read]


def test_a_long_sub_question_is_cut_and_put_on_one_line():
    (first, _) = read_plan(json.dumps({"sub_questions": ["one\n2. two\n" + "x" * 9_000, "b"]}))
    assert first.text.startswith("one 2. two xxx")
    assert len(first.text) == 400


async def test_without_a_plan_one_pass_thinks_with_what_is_left():
    verdict, ledger, engine, picture = await plan_of(planning("Let me see."))
    assert (verdict.letter, verdict.of) == ("B", "pass/0")
    assert "not JSON with two or more sub-questions): one pass instead." in verdict.why
    assert ledger.entry("pass/0").generated == BUDGET - (len("Let me see.") + 8) - 20
    assert text_of(engine.requests[1].prompt_ids).startswith("Which?<think>")
    assert picture["parts"] == []


async def test_a_plan_that_does_not_end_is_named_as_that():
    verdict, *_ = await plan_of(planning("{" + " " * 2_000))
    assert verdict.why == "The plan could not be used (it did not end within 300 tokens): one pass instead."


async def test_a_plan_that_fails_is_named_as_that(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    script = planning(planned(1, 1))
    script.fails = lambda prompt: "gone" if "Write only JSON" in prompt else ""
    verdict, *_ = await plan_of(script)
    assert (verdict.letter, verdict.why) == ("B", "The plan could not be used (gone): one pass instead.")


async def test_a_sub_question_that_fails_is_left_out_and_named(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    script = planning(planned(1, 1, 1))
    script.fails = lambda prompt: "gone" if "Answer step 2" in prompt else ""
    verdict, _, engine, picture = await plan_of(script)
    assert [part["state"] for part in picture["parts"]] == ["done", "failed", "done"]
    assert verdict.why == "From the answers to 3 sub-questions. 1 of them could not be asked: gone"
    assert "2. Step 1?\n3. Step 2?\n   Answer: fact 3" in text_of(engine.requests[-1].prompt_ids)


async def test_an_answer_that_fails_is_replaced_by_a_sub_answer_that_named_one(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    script = planning(planned(1, 1))
    script.fails = lambda prompt: "gone" if "It was solved" in prompt else ""
    verdict, *_ = await plan_of(script)
    assert (verdict.letter, verdict.why) == (None, "gone")
    script.answer = lambda prompt, thinking: planned(1, 1) if "Write only JSON" in prompt else "The answer is C."
    verdict, *_ = await plan_of(script)
    assert (verdict.letter, verdict.of) == ("C", "part/1")
    assert "the final answer failed: gone" in verdict.why


async def test_a_plan_that_cannot_be_paid_loses_its_last_steps():
    plan = json.dumps({"sub_questions": list("abcde")})
    _, _, _, picture = await plan_of(planning(plan), budget=500, answer_cap_tokens=90)
    # 500 less the plan and its end, and less 90 for the answer; each step needs 90 for its answer and 1 to think.
    assert len(picture["parts"]) == (500 - len(plan) - 8 - 90) // 91 == 3


async def test_the_thinking_budget_of_a_pass_is_that_of_all_sub_questions():
    _, _, _, picture = await plan_of(planning(planned(1, 3)), thinking_tokens=40)
    assert [part["budget"] for part in picture["parts"]] == [10, 30]


async def test_an_answer_is_paid_even_where_a_resumed_run_has_lost_tokens():
    verdict, _, _, picture = await plan_of(planning(planned(1, 4)), ledger=Ledger(500))
    assert verdict.letter == "B"
    assert [part["state"] for part in picture["parts"]] == ["done", "done"]
    assert picture["parts"][1]["used"] < picture["parts"][1]["budget"]


def test_a_budget_that_is_too_small_is_refused_with_what_would_do():
    with pytest.raises(StrategyRefused, match="Allow at least 83 tokens"):
        next(plan_and_budget(a_task(budget_tokens=82)))
    next(plan_and_budget(a_task(budget_tokens=83)))
