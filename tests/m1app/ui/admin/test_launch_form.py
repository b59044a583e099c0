"""The form that launches a benchmark: what it reads, where its problems stand, what fills it again."""

import math
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from m1app.benchmark.errors import BenchmarkRefused
from m1app.benchmark.estimate import BenchmarkEstimate
from m1app.benchmark.recipe import DEFAULT_BUDGETS, BenchmarkRecipe
from m1app.benchmark.strategy_plan import estimates
from m1app.runs.errors import ProbeRefused
from m1app.strategies.catalogue import parse
from m1app.ui.admin.launch_form import LaunchForm
from m1app.ui.admin.launch_tab import estimate_facts
from models.profiles import load_profiles

FULL = BenchmarkRecipe(
    name="a run",
    question_sets=("MedQA", "Lancet"),
    models=("m1-7B-23K", "other @ gpu2:8000"),
    judge="m1-32B",
    budgets=(16, 64, 4096),
    force_rounds=(0, 2),
    passes=3,
    temperature=0.7,
    top_p=0.9,
    seed=11,
    answer_cap_tokens=32,
    system_prompt="Think.",
    profile="m1",
    limit=100,
    in_flight=12,
    strategies=("vote:k=3", "adaptive-vote:k=2:share=0.8"),
    strategy_budget_tokens=20000,
)


@pytest.fixture(scope="module")
def form() -> Iterator[LaunchForm]:
    with gr.Blocks():
        yield LaunchForm(load_profiles(), has_ray=False)


def values_of(form: LaunchForm, **changes: Any) -> list[Any]:
    """What the form's boxes hold when it is filled with a whole recipe, and some are changed."""
    filled = form.fill_with(FULL)
    for name, value in changes.items():
        filled[getattr(form, name, None) or getattr(form.advanced, name)] = value
    return [filled[component] for component in form.inputs]


def test_what_fills_the_form_is_what_it_reads(form: LaunchForm) -> None:
    assert form.read(values_of(form)) == FULL


def test_an_untouched_form_asks_for_the_defaults(form: LaunchForm) -> None:
    values = [component.value for component in form.inputs]
    values[0] = ["MedQA"]
    assert form.read(values) == BenchmarkRecipe(question_sets=("MedQA",), budgets=DEFAULT_BUDGETS)


def test_a_judge_is_offered_only_where_there_is_something_to_judge(form: LaunchForm) -> None:
    assert form.judge.visible is False
    offered = form.offer_judge(["big", "small"], has_open_questions=True)[form.judge]
    assert offered["visible"] is True
    assert offered["choices"] == [("The model that answers", ""), ("big", "big"), ("small", "small")]
    assert "value" not in offered, "what was chosen stays"
    hidden = form.offer_judge(["big"], has_open_questions=False)[form.judge]
    assert (hidden["visible"], hidden["value"]) == (False, "")


def test_chips_hold_the_usual_budgets_and_the_box_the_others(form: LaunchForm) -> None:
    filled = form.fill_with(FULL)
    assert filled[form.budgets] == [64, 4096]
    assert filled[form.own_budgets] == "16"


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        ({"question_sets": []}, "question_sets", "choose at least one"),
        ({"question_sets": None}, "question_sets", "choose at least one"),
        ({"budgets": [], "own_budgets": ""}, "budgets", "No thinking budget chosen"),
        ({"own_budgets": "1,024"}, "budgets", "write 1024"),
        ({"own_budgets": "0"}, "budgets", "whole number from 1"),
        ({"rounds": []}, "force_rounds", "choose at least one"),
        ({"limit": "0"}, "limit", "The limit is 0"),
        ({"limit": "many"}, "limit", "'many'"),
        ({"limit": "-5"}, "limit", "'-5'"),
        ({"limit": "²"}, "limit", "whole number"),
        ({"in_flight": "2000"}, "knobs", "1,024"),
        ({"in_flight": "x"}, "knobs", "'x'"),
        ({"passes": 0}, "knobs", "Passes is 0"),
        ({"passes": None}, "knobs", "Passes is None"),
        ({"passes": 2.5}, "knobs", "2.5"),
        ({"temperature": 9}, "knobs", "from 0 to 2"),
        ({"temperature": None}, "knobs", "Temperature is empty"),
        ({"seed": "x"}, "knobs", "'x'"),
        ({"top_p": 0}, "advanced", "Top-p is 0"),
        ({"answer_cap": None}, "advanced", "is empty"),
        ({"answer_cap": 0}, "advanced", "Answer cap is 0"),
        ({"strategies": ["lottery"]}, "strategies", "There is no strategy named 'lottery'"),
        ({"strategies": ["vote:k=17"]}, "strategies", "a run samples at most 16"),
        ({"strategies": ["vote:k"]}, "strategies", "write it as name=value"),
        ({"strategy_budget": "x"}, "strategies", "'x'"),
        ({"strategy_budget": "4000"}, "strategies", "too small for one pass of 4,096 thinking tokens"),
        ({"asks_probabilities": False}, "strategies", "turn them on"),
        ({"temperature": 0, "passes": 1}, "knobs", "at temperature 0 all passes are identical"),
        ({"rounds": [1]}, "force_rounds", "add 0 to the force rounds"),
        ({"system_prompt": "x" * 30_000}, "advanced", "shorten it"),
    ],
)
def test_a_problem_stands_at_its_field_and_nowhere_else(
    form: LaunchForm, changes: dict[str, Any], place: str, said: str
) -> None:
    with pytest.raises(ProbeRefused) as caught:
        form.read(values_of(form, **changes))
    shown = form.show_problem(caught.value, str(caught.value))
    visible = {spot.elem_id: update["value"] for spot, update in shown.items() if update["visible"]}
    assert list(visible) == [f"admin-problem-{place}"]
    assert said.replace("'", "&#x27;") in visible[f"admin-problem-{place}"]


def test_a_problem_shows_what_was_typed_as_text(form: LaunchForm) -> None:
    with pytest.raises(ProbeRefused) as caught:
        form.read(values_of(form, limit="<img src=x onerror=1>"))
    shown = form.show_problem(caught.value, str(caught.value))
    assert not any("<img" in update["value"] for update in shown.values())


def test_a_problem_without_a_field_stands_at_none(form: LaunchForm) -> None:
    for error in (None, ValueError("?"), BenchmarkRefused("unknown", "?")):
        assert not any(update["visible"] for update in form.show_problem(error, "?").values())


@pytest.mark.parametrize(("priority", "number"), [(None, 0), (0, 0), (7.0, 7), (-100, -100)])
def test_priority_is_a_whole_number(form: LaunchForm, priority: Any, number: int) -> None:
    assert form.read_turn(priority, "local") == (number, "local")


@pytest.mark.parametrize("priority", [101, -101, 1.5, "x"])
def test_any_other_priority_is_refused_at_its_field(form: LaunchForm, priority: Any) -> None:
    with pytest.raises(ProbeRefused) as caught:
        form.read_turn(priority, "local")
    assert caught.value.field == "priority"


@pytest.mark.parametrize("has_ray", [True, False])
def test_ray_is_offered_where_there_is_one(has_ray: bool) -> None:
    with gr.Blocks():
        form = LaunchForm(load_profiles(), has_ray)
    assert form.executor.visible is has_ray
    assert ("Ray", "ray") in form.executor.choices or not has_ray


def estimate(**changes: Any) -> BenchmarkEstimate:
    known = {
        "items": 6,
        "cells": 4,
        "results": 72,
        "difference_to_find": 0.084,
        "tokens_at_most": 1_000,
        "tokens_if_separate_at_most": 4_000,
        "strategies": (),
        "shared_at_most": 0,
        "tokens_per_second": 50.0,
        "seconds_at_most": 20.0,
    }
    return BenchmarkEstimate(**(known | changes))


def test_a_dry_run_says_how_the_number_of_answers_comes_about() -> None:
    facts = dict(estimate_facts(FULL, estimate()))
    assert facts["Answers"] == "3 questions × 2 models × 4 cells × 3 passes = 72 answers"
    assert facts["Tokens"] == "at most 1,000; separate runs at most 4,000, 75% less"
    assert facts["Time"] == "at most 20 s at 50 tokens/s, measured in the last run"
    assert facts["Difference"].startswith("a difference of about 8 points or more")


def test_a_dry_run_says_what_the_judge_of_open_questions_may_take() -> None:
    facts = dict(estimate_facts(FULL, estimate(open_questions=2, judge_tokens_at_most=2_056)))
    assert facts["Judge"] == "2 open questions, at most 2,056 tokens for verdicts on the answers"
    assert "Judge" not in dict(estimate_facts(FULL, estimate()))


def test_a_dry_run_says_what_each_strategy_costs_and_what_the_pool_saves() -> None:
    found = estimates(parse("vote:k=3,budget-forcing"), 10_000, 4_096, 32)
    facts = dict(estimate_facts(FULL, estimate(strategies=found, shared_at_most=99_132)))
    enough = "no new requests: the stored passes are enough"
    assert facts["Vote (passes 3)"] == f"at most 10,000 tokens per question, {enough}"
    assert facts["One chain"] == f"at most 4,129 tokens per question, {enough}"
    assert facts["Pool"] == "3 passes per question, sampled once, save at most 99,132 tokens"


def test_too_few_questions_find_nothing() -> None:
    assert "too few" in dict(estimate_facts(FULL, estimate(difference_to_find=math.nan)))["Difference"]


def test_a_dry_run_before_anything_ran_knows_no_time() -> None:
    facts = dict(estimate_facts(FULL, estimate(tokens_per_second=None, seconds_at_most=None)))
    assert facts["Time"] == "unknown until these models have run a benchmark"


def test_one_cell_saves_nothing_and_says_nothing_of_it() -> None:
    facts = dict(estimate_facts(FULL, estimate(tokens_if_separate_at_most=1_000)))
    assert facts["Tokens"] == "at most 1,000; separate runs at most 1,000"
