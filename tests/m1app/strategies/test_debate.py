"""Debates on a scripted engine: who wins, what is read, what it costs."""

import re

import pytest

from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.debate import debate
from m1app.strategies.protocol import Purpose
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run, text_of
from tests.m1app.strategies.test_driver import Kept

BUDGET = 2_000


def debating(first, listens):
    """Agent n answers `first[n]` at first; later, what `listens` makes of its own letter and the others'."""

    def think(prompt, seed):
        return f"{seed}{'.' * (5 + seed)}"

    def answer(prompt, thinking):
        if "<your_answer>" not in prompt:
            return first[int(thinking[0])]
        letters = re.findall(r"Answer: (\w)", prompt)
        return listens(letters[0], letters[1:])

    return Script(think=think, answer=answer)


def most(own, others):
    return max([own, *others], key=[own, *others].count)


async def debate_of(script, agents=3, rounds=2, **named):
    engine, kept = CharacterEngine(script), Kept()
    task = a_task(budget_tokens=BUDGET, **named)
    verdict, ledger = await run(
        debate(task, agents, rounds), engine, budget=BUDGET, observer=kept, options=task.options
    )
    assert ledger.costs.generated == engine.generated
    return verdict, ledger, engine, kept.pictures["transcript"]["turns"]


async def test_agents_that_listen_to_the_majority_agree():
    verdict, ledger, engine, turns = await debate_of(debating("ABB", most))
    assert (verdict.letter, verdict.of) == ("B", "round/2/agent/0")
    assert verdict.why == "3 of 3 agents gave this answer after 2 rounds; 1 changed theirs."
    assert [(each["who"], each["round"], each["letter"]) for each in turns] == [
        ("Agent 1", 1, "A"),
        ("Agent 2", 1, "B"),
        ("Agent 3", 1, "B"),
        ("Agent 1", 2, "B"),
        ("Agent 2", 2, "B"),
        ("Agent 3", 2, "B"),
    ]
    assert engine.open["most"] == 3, "the agents of a round answer at once"
    # Twice: thinking of 6, 7 and 8 characters, and three letters; each with what ends it.
    assert ledger.costs.generated == 2 * (7 + 8 + 9 + 3 * 2)
    assert sum(each["tokens"] for each in turns) == 2 * (6 + 7 + 8 + 3)
    assert {each.purpose for each in ledger.entries if "round/2" in each.key} == {Purpose.DEBATE}


async def test_a_debate_loses_where_the_wrong_one_is_loud():
    """Two of three know it, and give in to the third: a vote of the first round would have won."""

    def gives_in(own, others):
        return "C" if "C" in others else own

    verdict, *_ = await debate_of(debating("AAC", gives_in))
    assert verdict.letter == "C"


async def test_an_agent_reads_the_others_and_its_own_answer_but_not_itself_twice():
    _, _, engine, _ = await debate_of(debating("ABC", most))
    prompts = [text_of(each.prompt_ids) for each in engine.requests]
    second = next(each for each in prompts if "<your_answer>" in each)
    assert second.startswith("Which? A. alpha B. beta C. gamma")
    assert re.findall(r"Answer: (\w)", second.partition("<think>")[0]) == ["A", "B", "C"]
    assert re.findall(r'agent="(\d)"', second) == ["2", "3"]


async def test_a_tie_goes_to_what_was_said_more_often_and_then_to_the_first_agent():
    stay = debating("AB", lambda own, others: own)
    assert (await debate_of(stay, 2))[0].letter == "A"
    swap = iter("BA" + "BA")
    verdict, *_ = await debate_of(debating("AA", lambda own, others: next(swap)), 2, 2)
    assert verdict.letter == "A", "three of four answers over both rounds"


async def test_an_open_question_is_debated():
    script = Script(answer=lambda prompt, thinking: "Scurvy." if "<your_answer>" in prompt else "Rickets")
    verdict, *_ = await debate_of(script, options={})
    assert (verdict.letter, verdict.answer) == (None, "Scurvy.")


async def test_an_agent_that_fails_later_keeps_its_earlier_answer(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    script = debating("AAB", lambda own, others: "B")
    script.fails = lambda prompt: "gone" if "<your_answer>" in prompt and 'agent="1"' not in prompt else ""
    verdict, _, _, turns = await debate_of(script)
    assert verdict.letter == "B"
    assert verdict.why.endswith("1 answers are missing, and earlier ones stand for them: gone")
    assert [each["error"] for each in turns] == ["", "", "", "gone", "", ""]


async def test_a_debate_of_which_nothing_was_answered_says_why(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    verdict, *_ = await debate_of(Script(fails=lambda prompt: "gone"))
    assert (verdict.letter, verdict.why) == (None, "gone")
    verdict, *_ = await debate_of(Script(answer=lambda prompt, thinking: "no idea"))
    assert (verdict.letter, verdict.why) == (None, "No agent named an answer.")


def test_a_budget_that_is_too_small_is_refused_with_what_would_do():
    with pytest.raises(StrategyRefused, match=r"too small for a debate of 4 agents over 3 rounds\. Allow at least 252"):
        next(debate(a_task(budget_tokens=251), 4, 3))
    next(debate(a_task(budget_tokens=252), 4, 3))


async def test_a_driver_with_less_than_was_promised_cuts_the_thinking_and_not_the_answers():
    """As after a kill, whose lost tokens are gone: 1,250 of 2,000 are left."""
    script = debating("ABB", most)
    script.think = lambda prompt, seed: str(seed) + "." * 900
    kept = Kept()
    verdict, ledger = await run(
        debate(a_task(budget_tokens=BUDGET), 3, 2), CharacterEngine(script), ledger=Ledger(1_250), observer=kept
    )
    # The first round takes 313 of thinking and 2 of answer each. A third of what is left is 101; 20 may answer.
    turns = kept.pictures["transcript"]["turns"]
    assert [each["tokens"] for each in turns] == [314] * 3 + [82] * 3
    assert (verdict.letter, verdict.why[:15]) == ("B", "3 of 3 agents g")
    assert ledger.costs.generated <= 1_250


async def test_agents_that_cannot_be_paid_are_named_and_the_others_count():
    script = debating("BBA", most)
    script.think = lambda prompt, seed: str(seed) + "." * 900
    verdict, ledger = await run(debate(a_task(budget_tokens=BUDGET), 3, 2), CharacterEngine(script), ledger=Ledger(700))
    assert verdict.letter == "B"
    assert "answers are missing, and earlier ones stand for them: Not enough of the budget was left" in verdict.why
    assert ledger.costs.generated <= 700


async def test_thinking_fits_the_context_with_the_longer_prompts_of_later_rounds():
    script = debating("ABB", most)
    script.think = lambda prompt, seed: str(seed) + "." * 900
    _, _, engine, turns = await debate_of(script, most_thinking_tokens=250)
    longer = {len(text_of(each.prompt_ids).partition("<think>")[0]) for each in engine.requests} - {len("Which?")}
    (length,) = longer
    question = len(a_task().prompt)
    assert [each["tokens"] - 1 for each in turns] == [250] * 3 + [max(1, 250 - (length - question) // 3)] * 3


async def test_what_an_agent_says_is_bounded_in_prompts_and_pictures():
    script = debating("ABB", most)
    script.think = lambda prompt, seed: f"{seed}" + "x" * 20_000
    engine, kept = CharacterEngine(script), Kept()
    task = a_task(budget_tokens=90_000)
    await run(debate(task, 3, 2), engine, budget=90_000, observer=kept)
    prompts = [text_of(each.prompt_ids).partition("<think>")[0] for each in engine.requests]
    assert max(map(len, prompts)) < 6_000
    assert all(len(each["thinking"]) <= 4_000 for each in kept.pictures["transcript"]["turns"])
