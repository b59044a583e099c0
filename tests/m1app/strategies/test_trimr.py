"""TrimR: the verifier's words decide, and what it costs is charged."""

import pytest

from m1app.strategies.methods.trimr import is_loop, trimr
from m1app.strategies.protocol import Purpose
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run, text_of

PARTS = (
    "The fever and the rash suggest alpha here. ",
    "Wait, the onset also points to alpha today. ",
    "Wait, the labs once more agree with alpha now. ",
    "Wait, but maybe it is gamma after all, isn't it? ",
    "Wait, gamma it must be, since nothing else fits.",
)
TEXT = "".join(PARTS)
CUT = len("".join(PARTS[:3]))


def thinking(answer=lambda prompt, thought: "A" if len(thought) < 200 else "C", text=TEXT):
    return Script(think=lambda prompt, seed: text, answer=answer, choices=lambda p, t, lead: {"A": 0.5, "C": 0.5})


def verifier(same, divergent=lambda prompt: False, sure=0.9):
    """Says Yes or No to the two questions."""

    def choices(prompt, thought, lead):
        says_yes = same(prompt) if "<second>" in prompt else divergent(prompt)
        return {"Yes": sure, "No": 1 - sure} if says_yes else {"Yes": 1 - sure, "No": sure}

    return CharacterEngine(Script(choices=choices))


def both_name_alpha(prompt):
    first, second = prompt.split("<second>")
    return "alpha" in first.split("<first>")[1] and "alpha" in second


async def test_repeated_conclusions_close_the_thinking_at_the_end_of_the_segment():
    engine, judge = CharacterEngine(thinking()), verifier(both_name_alpha)
    verdict, ledger = await run(
        trimr(a_task(budget_tokens=2_000), "judge"), engine, budget=2_000, others={"judge": judge}
    )
    assert verdict.letter == "A", "the whole thinking would have answered C"
    assert verdict.why == (f"The thinking was closed after {CUT} tokens: its segments had come to the same conclusion.")
    assert f"Which?<think>{''.join(PARTS[:3])}</think>Final answer: " in [
        text_of(r.prompt_ids) for r in engine.requests
    ]
    asked = [each for each in ledger.entries if each.purpose is Purpose.VERIFY]
    assert {each.model for each in asked} == {"judge"}
    assert ledger.costs.generated == engine.generated + judge.generated
    assert sum(each.generated for each in asked) == judge.generated >= 2
    strip = verdict.last_shown[0].value
    assert (strip["closed"], strip["reason"]) == (CUT, "repeated")
    assert [each["repeats"] for each in strip["segments"][:3]] == [None, 0.9, 0.9]
    assert [each["is_kept"] for each in strip["segments"]][:4] == [True, True, True, False]


async def test_a_verifier_that_sees_repetition_everywhere_trims_the_right_answer_away():
    late = thinking(lambda prompt, thought: "B" if len(thought) < 200 else "A")
    verdict, _ = await run(
        trimr(a_task(budget_tokens=2_000), "judge"),
        CharacterEngine(late),
        budget=2_000,
        others={"judge": verifier(lambda prompt: True)},
    )
    assert verdict.letter == "B"


async def test_divergent_thoughts_close_the_thinking():
    judge = verifier(lambda prompt: False, lambda prompt: True)
    verdict, _ = await run(
        trimr(a_task(budget_tokens=2_000), "judge", patience=3),
        CharacterEngine(thinking()),
        budget=2_000,
        others={"judge": judge},
    )
    assert verdict.last_shown[0].value["reason"] == "divergent"
    assert verdict.last_shown[0].value["closed"] == CUT


async def test_a_loop_is_closed_without_a_verifier():
    text = "So alpha it is. " + "I think that it is so. " * 40
    verdict, ledger = await run(trimr(a_task(budget_tokens=2_000)), CharacterEngine(thinking(text=text)), budget=2_000)
    assert verdict.last_shown[0].value["reason"] == "loop"
    assert verdict.letter == "A"
    assert ledger.entry("pass/0").generated < len(text)


async def test_the_runs_own_model_is_the_verifier_by_default():
    engine = CharacterEngine(thinking())
    engine.script.choices = lambda prompt, thought, lead: (
        {"Yes": 0.8, "No": 0.2} if "<second>" in prompt else {"A": 0.5, "C": 0.4}
    )
    verdict, ledger = await run(trimr(a_task(budget_tokens=2_000)), engine, budget=2_000)
    assert verdict.letter == "A"
    assert ledger.costs.generated == engine.generated


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (CharacterEngine(Script(choices=lambda p, t, lead: {"Maybe": 0.9})), "neither Yes nor No 3 times"),
        (CharacterEngine(has_logprobs=False), "neither Yes nor No 3 times"),
        (CharacterEngine(Script(fails=lambda prompt: "gone")), "The verifier failed and was asked no more: gone"),
    ],
    ids=["never says yes or no", "no probabilities", "gone"],
)
async def test_a_bad_verifier_is_asked_no_more_and_the_pass_goes_on(judge, said, monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    verdict, ledger = await run(
        trimr(a_task(budget_tokens=2_000), "judge"), CharacterEngine(thinking()), budget=2_000, others={"judge": judge}
    )
    assert verdict.letter == "C"
    assert verdict.why.startswith(f"Nothing was trimmed from {len(TEXT)} thinking tokens")
    assert said in verdict.why
    assert len([each for each in ledger.entries if each.purpose is Purpose.VERIFY]) <= 4


async def test_a_verifier_that_does_not_fit_leaves_the_answer_paid():
    task = a_task(thinking_tokens=250, budget_tokens=273, answer_cap_tokens=20)
    verdict, ledger = await run(trimr(task), CharacterEngine(thinking()), budget=273)
    assert verdict.letter == "C"
    assert "no tokens left for the verifier" in verdict.why
    assert ledger.costs.generated <= 273


def test_a_loop_is_the_same_text_three_times_at_the_end():
    assert is_loop("It began. " + "it goes on and on. " * 3)
    assert not is_loop("It began. " + "it goes on and on. " * 2)
    assert not is_loop("it goes on and on. " * 3 + "It ended differently, in another way.")
    assert not is_loop("-" * 900), "a rule is not a thought"
