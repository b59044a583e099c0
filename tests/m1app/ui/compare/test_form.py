"""The Compare page's form: what its boxes, chips and knobs ask for, and how sweeps and traces come back into it."""

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from m1app.privacy.service import IdentifierCheck
from m1app.question.library import load_library
from m1app.runs.errors import ProbeRefused
from m1app.runs.pace import Pace
from m1app.runs.sweep_request import SweepRequest, check_sweep, request_of_sweep
from m1app.runs.sweeps import SweepService
from m1app.ui.compare.form import CompareForm, estimate_text
from m1app.ui.question.question_form import EXAMPLE_ID
from models.profiles import load_profiles
from storage.traces.records import MeasuredLength
from tests.m1app.runs.trace_samples import a_trace
from tests.m1app.ui.compare.test_sweep_view import SWEEP

VALUES: dict[str, Any] = {
    "question": "Which gland makes cortisol?",
    "options": "A. Adrenal\nB. Thyroid",
    "target": "A",
    "budgets": [64, 256],
    "own": "100",
    "rounds": [0, 2],
    "models": ["m"],
    "passes": 3,
    "temperature": 0.5,
    "seed": "7",
    "top_p": 0.9,
    "cap": 32,
    "profile": "plain",
    "system": "Be careful.",
}


@pytest.fixture(scope="module")
def form() -> CompareForm:
    with gr.Blocks(analytics_enabled=False):
        return CompareForm(load_profiles(), IdentifierCheck())


def read(form: CompareForm, **values: Any) -> SweepRequest:
    return form.read(list((VALUES | values).values()))


def test_boxes_and_knobs_become_the_request_in_the_order_of_the_inputs(form: CompareForm) -> None:
    assert len(form.inputs) == len(VALUES)
    assert read(form) == SweepRequest(
        stem="Which gland makes cortisol?",
        options={"A": "Adrenal", "B": "Thyroid"},
        target="A",
        models=("m",),
        profile="plain",
        budgets=(64, 256, 100),
        force_rounds=(0, 2),
        passes=3,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        answer_cap_tokens=32,
        system_prompt="Be careful.",
        source="typed",
    )


def test_the_form_as_it_opens_can_be_run_with_any_question(form: CompareForm) -> None:
    values = [component.value for component in form.inputs]
    values[0] = "Why?"
    request = check_sweep(form.read(values))
    assert request.budgets == (64, 128, 256, 512)
    assert len(request.cells) == 12


def test_chips_are_the_powers_of_two(form: CompareForm) -> None:
    assert [value for _, value in form.budgets.choices] == [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384]
    assert [value for _, value in form.rounds.choices] == list(range(9))


def test_element_ids_are_not_those_of_the_probe_page(form: CompareForm) -> None:
    ids = [component.elem_id for component in (*form.inputs, form.boxes.library, form.boxes.preview)]
    assert all(each.startswith("compare-") for each in ids if each)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"budgets": [], "own": ""}, "budgets"),
        ({"own": "0"}, "budgets"),
        ({"rounds": []}, "force_rounds"),
        ({"rounds": None}, "force_rounds"),
        ({"passes": None}, "passes"),
        ({"passes": 2.5}, "passes"),
        ({"passes": 17}, "passes"),
        ({"temperature": 0}, "passes"),
        ({"seed": "x"}, "seed"),
        ({"cap": None}, "answer_cap"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(form: CompareForm, values: dict[str, Any], field: str) -> None:
    with pytest.raises(ProbeRefused) as caught:
        check_sweep(read(form, **values))
    assert caught.value.field == field


def test_a_sweep_fills_the_form_with_the_request_that_made_it(form: CompareForm) -> None:
    sweep = replace(SWEEP, budgets=(64, 100, 256), seed=4, temperature=0.5, system_prompt="x", profile="plain")
    updates = form.fill_with_sweep(sweep)
    assert updates[form.own_budgets] == "100"
    request = form.read([updates[component] for component in form.inputs])
    assert check_sweep(request) == request_of_sweep(sweep)


@pytest.mark.parametrize(
    ("budget", "budgets"), [(512, (64, 128, 256, 512)), (40, (40,)), (3000, (256, 512, 1024, 2048, 3000))]
)
def test_a_trace_fills_the_form_with_a_grid_that_ends_with_it(
    form: CompareForm, budget: int, budgets: tuple[int, ...]
) -> None:
    updates = form.fill_with_trace(a_trace(thinking_budget_tokens=budget, force_rounds=2))
    request = check_sweep(form.read([updates[component] for component in form.inputs]))
    assert (request.budgets, request.force_rounds) == (budgets, (0, 1, 2))
    assert (request.stem, request.models, request.seed) == ("Which gland makes cortisol?", ("smollm2-135m",), 7)


def test_the_example_is_a_library_question_with_options(form: CompareForm) -> None:
    (entry,) = (entry for entry in load_library() if entry.id == EXAMPLE_ID)
    updates = form.boxes.fill_with_example()
    assert updates[form.boxes.question] == entry.question
    assert entry.target
    assert updates[form.boxes.target] == entry.target


def test_the_estimate_says_what_a_sweep_may_cost(form: CompareForm) -> None:
    request = read(form, question="", options="", target="")
    estimate = SweepService.estimate(request, has_options=bool(request.options))
    text = estimate_text(request, estimate, {"": None})
    assert text.startswith("6 cells from 3 passes: at most ")
    one = read(form, budgets=[64], own="", rounds=[0], passes=1, cap=10, options="", target="")
    estimate = SweepService.estimate(one, has_options=bool(one.options))
    assert estimate_text(one, estimate, {"": None}) == (
        "1 cell from 1 pass: at most 74 tokens, time unknown: this model has not run here yet. "
        "Separate runs: at most 74 tokens."
    )
    assert estimate_text(one, estimate, {"": Pace(2.0, 5)}) == (
        "1 cell from 1 pass: at most 74 tokens, up to about 37 s at 2.0 tokens/s, measured over the last 5 runs. "
        "Separate runs: at most 74 tokens."
    )
    short = Pace(1.0, 5, (MeasuredLength(20, 0, True, 6), MeasuredLength(20, 0, True, 6)))
    assert "about 26 s; at most 74 s at 1.0 tokens/s" in estimate_text(one, estimate, {"": short})
    both = estimate_text(one, estimate, {"m1-7b": Pace(1.0, 1), "other": None})
    assert "time unknown: this model has not run here yet (other)" in both
    assert "up to about 56 s at 1.0 tokens/s, measured in the last run; 2.0 tokens/s" in estimate_text(
        one, estimate, {"m1-7b": Pace(1.0, 1), "other": Pace(2.0, 2)}
    )
