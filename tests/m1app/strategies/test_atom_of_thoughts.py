"""Atom of Thoughts on a scripted engine: its calls, its graph, its answer, its cost."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.atom_of_thoughts import atom_of_thoughts, read_graph
from m1app.strategies.methods.model_json import find_object
from m1app.strategies.protocol import Purpose
from tests.m1app.strategies.scripted import CharacterEngine, Script, a_task, run, text_of
from tests.m1app.strategies.test_driver import Kept

BUDGET = 4_000


def graph(*depends):
    steps = [{"question": f"Q{i}?", "answer": f"fact {i}", "depends": each} for i, each in enumerate(depends)]
    return json.dumps({"sub_questions": steps})


CHAIN = graph([], [0])


def step_of(prompt):
    for name, words in {
        "decompose": "Ask yourself one sub-question",
        "label": "List the sub-questions that",
        "contract": "Write the simpler question between",
        "ensemble": "Here are solutions",
    }.items():
        if words in prompt:
            return name
    return "direct" if prompt.startswith("Which?") else "contracted"


def thinking_of(**says):
    given = {
        "direct": "A",
        "decompose": "B",
        "label": CHAIN,
        "contract": "<question>Simpler?</question>",
        "contracted": "C",
        "ensemble": "C",
    } | says

    def answer(prompt, thinking):
        said = given[step_of(prompt)]
        return said(prompt) if callable(said) else said

    return Script(think=lambda prompt, seed: f"{seed} thinks.", answer=answer)


async def atoms_of(script, depth=1, budget=BUDGET, ledger=None, **named):
    engine, kept = CharacterEngine(script), Kept()
    task = a_task(budget_tokens=budget, **named)
    verdict, ledger = await run(
        atom_of_thoughts(task, depth), engine, ledger=ledger or Ledger(budget), observer=kept, options=task.options
    )
    assert ledger.costs.generated == engine.generated <= ledger.budget_tokens
    return verdict, ledger, engine, kept.pictures["graph"]


def names(picture):
    return [each["name"] for each in picture["steps"]]


async def test_six_calls_contract_a_question_once():
    verdict, ledger, engine, picture = await atoms_of(thinking_of())
    assert (verdict.letter, verdict.of) == ("C", "depth/0/ensemble")
    assert verdict.why == "By the ensemble, of a question that was contracted once."
    assert names(picture) == ["direct", "decompose", "label", "contract", "direct", "ensemble"]
    # Four thinkings of nine characters, four letters, the graph and the question; each of ten with its end.
    assert ledger.costs.generated == 4 * 9 + 4 + len(CHAIN) + len("<question>Simpler?</question>") + 10
    assert sum(each["tokens"] for each in picture["steps"]) == ledger.costs.generated - 10
    assert [each.purpose for each in ledger.entries if each.key.endswith("label")] == [Purpose.PLAN]
    prompts = {step_of(text_of(each.prompt_ids)): text_of(each.prompt_ids) for each in engine.requests}
    assert "- Q0? fact 0\n\nStill open:\n\n- Q1?\n" in prompts["contract"]
    assert prompts["contracted"].startswith("Simpler?\nA. alpha\nB. beta\nC. gamma<think>")
    assert re.findall(r"Answer: (\w)", prompts["ensemble"].partition("<think>")[0]) == ["A", "B", "C"]


async def test_the_graph_shows_what_is_known_and_what_was_open():
    _, _, _, picture = await atoms_of(thinking_of(label=graph([], [], [0, 1])))
    assert [(each["id"], each["depends"], each["state"], each["answer"]) for each in picture["nodes"]] == [
        ("0/0", [], "known", "fact 0"),
        ("0/1", [], "known", "fact 1"),
        ("0/2", ["0/0", "0/1"], "solved", "fact 2"),
        ("0/contracted", ["0/0", "0/1", "0/2"], "solved", "C"),
    ]


async def test_the_ensembles_own_answer_stands_where_all_its_solutions_are_wrong():
    """Published code would answer with one of the three."""
    verdict, *_ = await atoms_of(thinking_of(direct="A", decompose="A", contracted="C", ensemble="B"))
    assert verdict.letter == "B"


async def test_an_ensemble_that_follows_the_crowd_loses_what_the_contraction_found():
    def crowd(prompt):
        said = re.findall(r"Answer: (\w)", prompt)
        return max(said, key=said.count)

    verdict, *_ = await atoms_of(thinking_of(direct="A", decompose="A", contracted="C", ensemble=crowd))
    assert verdict.letter == "A"


async def test_a_contracted_question_is_contracted_again():
    def contract(prompt):
        return f"<question>{'Simplest' if 'Simpler?' in prompt else 'Simpler'}?</question>"

    verdict, _, engine, picture = await atoms_of(thinking_of(contract=contract), depth=2)
    assert names(picture) == [
        *["direct", "decompose", "label", "contract"] * 2,
        "direct",
        "ensemble",
        "ensemble",
    ]
    assert [each["depth"] for each in picture["steps"]] == [0] * 4 + [1] * 4 + [2, 1, 0]
    assert len(picture["steps"]) == 1 + 5 * 2
    assert verdict.why == "By the ensemble, of a question that was contracted 2 times."
    last = next(each for each in engine.requests if text_of(each.prompt_ids).startswith("Simplest?"))
    assert text_of(last.prompt_ids).startswith("Simplest?\nA. alpha")
    assert [each["id"] for each in picture["nodes"] if "contracted" in each["id"]] == ["0/contracted", "1/contracted"]


async def test_tags_without_an_end_are_no_part_of_the_contracted_question():
    *_, engine, _ = await atoms_of(thinking_of(contract="<question>" * 5 + "Simpler?</question>"))
    assert any(text_of(each.prompt_ids).startswith("Simpler?\nA. alpha") for each in engine.requests)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"label": "I cannot."}, "the sub-questions could not be read"),
        ({"label": graph([], [], [])}, "no sub-question depends on another, so nothing was contracted"),
        ({"label": "{" * 5_000}, "the sub-questions could not be read, which did not end within 500 tokens"),
        ({"contract": "Simpler?"}, "the contracted question could not be read"),
        ({"contract": "<question>  </question>"}, "the contracted question could not be read"),
    ],
)
async def test_what_cannot_be_contracted_is_decided_by_the_other_two(said, why):
    verdict, _, _, picture = await atoms_of(thinking_of(**said))
    assert verdict.letter == "C", "the ensemble answers all the same"
    assert verdict.why == f"By the ensemble, of a question that was not contracted. Besides: {why}."
    assert names(picture)[-1] == "ensemble"


async def test_without_an_ensemble_most_of_its_solutions_decide():
    verdict, *_ = await atoms_of(thinking_of(decompose="C", ensemble="no idea"))
    assert (verdict.letter, verdict.of) == ("C", "depth/0/decompose")
    assert "the ensemble named no answer: most of its solutions decide" in verdict.why
    verdict, *_ = await atoms_of(thinking_of(ensemble="no idea"))
    assert verdict.letter == "A", "each said something else: the direct answer"


@pytest.mark.parametrize(
    ("words", "letter", "why"),
    [
        ("Ask yourself", "C", "the decomposition failed: gone"),
        ("List the sub", "C", "Besides: gone"),
        ("Write the simpler", "C", "Besides: gone"),
        ("Simpler?\nA.", "C", "the direct answer at depth 1 failed: gone"),
        ("Here are solutions", "A", "the ensemble failed: gone: most of its solutions decide"),
        ("", None, "Nothing was answered."),
    ],
)
async def test_a_call_that_fails_does_not_lose_what_the_others_said(words, letter, why, monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    script = thinking_of()
    script.fails = lambda prompt: "gone" if words in prompt else ""
    verdict, *_ = await atoms_of(script)
    assert verdict.letter == letter
    assert why in verdict.why


async def test_an_open_question_has_no_options_to_add():
    script = thinking_of(ensemble="Scurvy.")
    verdict, _, engine, _ = await atoms_of(script, options={})
    assert (verdict.letter, verdict.answer) == (None, "Scurvy.")
    assert any(text_of(each.prompt_ids).startswith("Simpler?<think>") for each in engine.requests)


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_thinking_is_shared_so_that_every_call_can_be_paid(depth):
    script = thinking_of()
    script.think = lambda prompt, seed: "." * 20_000
    budget = 3_000 * depth
    _, ledger, _, picture = await atoms_of(script, depth=depth, budget=budget)
    assert len(picture["steps"]) == 1 + 5 * depth
    assert all(
        each["is_done"] and each["letter"] for each in picture["steps"] if each["name"] in ("direct", "ensemble")
    )
    assert ledger.costs.generated > 0.6 * budget


async def test_a_resumed_run_that_has_lost_tokens_still_answers():
    script = thinking_of()
    script.think = lambda prompt, seed: "." * 20_000
    verdict, *_ = await atoms_of(script, ledger=Ledger(2_500))
    assert verdict.letter is not None


def test_a_budget_that_is_too_small_is_refused_with_what_would_do():
    with pytest.raises(StrategyRefused, match=r"too small for 6 calls\. Allow at least 106"):
        next(atom_of_thoughts(a_task(budget_tokens=105), 1))


@pytest.mark.parametrize(("depth", "budget"), [(1, 106), (2, 185), (3, 265), (3, 400)])
async def test_the_smallest_budgets_get_an_answer(depth, budget):
    assert (await atoms_of(thinking_of(), depth=depth, budget=budget))[0].letter == "C"


def depends_of(text):
    return [list(node.depends) for node in read_graph(text).nodes]


@pytest.mark.parametrize(
    ("written", "read", "fault"),
    [
        (graph([], [0], [0, 1]), [[], [0], [0, 1]], ""),
        (graph([1], []), [[1], []], ""),
        (graph([1], [0]), [[], [0]], "in a circle"),
        (graph([0], [0]), [[], [0]], "in a circle"),
        (graph([], [7]), [[], []], "do not exist"),
        (graph([], [-1, "0", None, True, 0]), [[], [0]], "do not exist"),
        (graph([], "0"), [[], []], ""),
        (
            graph(*[[i - 1] if i else [] for i in range(200)]),
            [[i - 1] if i else [] for i in range(12)],
            "first 12 of 200",
        ),
        ('{"sub_questions": [{"question": ""}, {"question": "b", "depends": [0]}]}', [[]], "do not exist"),
        ('{"sub_questions": {}}', [], ""),
        ("[" * 100_000, [], ""),
        ('{"sub_questions": ' * 5_000, [], ""),
    ],
    ids=lambda value: str(value)[:40],
)
def test_whatever_a_model_writes_is_a_graph_without_circles(written, read, fault):
    assert depends_of(written) == read
    found = "; ".join(read_graph(written).faults)
    assert fault in found
    assert bool(fault) == bool(found)


@given(st.lists(st.lists(st.integers(-2, 14), max_size=6), max_size=14))
def test_every_graph_can_be_solved_in_some_order(depends):
    nodes = read_graph(graph(*depends)).nodes
    left = set(range(len(nodes)))
    while free := {i for i in left if not set(nodes[i].depends) & left}:
        left -= free
    assert not left


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_json_is_read(value):
    text = json.dumps({"sub_questions": value})
    assert find_object(f"Sure: {text}", "sub_questions") is not None
    assert len(read_graph(text).nodes) <= 12
