"""The form: what its boxes and knobs ask for, and how traces and library questions come back into it."""

import math
from typing import Any

import gradio as gr
import pytest

from m1app.privacy.service import IdentifierCheck
from m1app.question.errors import InvalidQuestion
from m1app.question.library import load_library
from m1app.runs.errors import ProbeRefused
from m1app.runs.pace import Pace
from m1app.runs.probe_request import ProbeRequest, check_request, request_of
from m1app.ui.probe.form import ProbeForm, estimate_text
from m1app.ui.question.form_values import BUDGET_EXPONENTS
from m1app.ui.question.question_form import library_explanation, take_apart
from models.profiles import load_profiles
from storage.traces.records import MeasuredLength
from tests.m1app.runs.trace_samples import a_question, a_trace

PASTED = "Which gland makes cortisol?\nA. Adrenal\nB. Thyroid\nAnswer: A"
BOXES = ("Which gland makes cortisol?", "A. Adrenal\nB. Thyroid", "A")
KNOBS: dict[str, Any] = {
    "model": "m",
    "budget": 64,
    "rounds": 2,
    "temperature": 0.5,
    "seed": "7",
    "top_p": 0.9,
    "cap": 32,
    "profile": "plain",
    "system": "Be careful.",
}


@pytest.fixture(scope="module")
def form() -> ProbeForm:
    with gr.Blocks(analytics_enabled=False):
        return ProbeForm(load_profiles(), IdentifierCheck())


def read(form: ProbeForm, boxes: tuple[Any, Any, Any] = BOXES, **knobs: Any) -> ProbeRequest:
    return form.read([*boxes, *(KNOBS | knobs).values()])


def test_boxes_and_knobs_become_the_request_in_the_order_of_the_inputs(form: ProbeForm) -> None:
    assert len(form.inputs) == 3 + len(KNOBS)
    assert read(form) == ProbeRequest(
        stem="Which gland makes cortisol?",
        options={"A": "Adrenal", "B": "Thyroid"},
        target="A",
        model="m",
        profile="plain",
        thinking_budget_tokens=64,
        force_rounds=2,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        answer_cap_tokens=32,
        system_prompt="Be careful.",
        source="typed",
    )


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ((PASTED, "", ""), BOXES),
        ((PASTED, "", "B"), ("Which gland makes cortisol?", "A. Adrenal\nB. Thyroid", "B")),
        (("Why?", "Adrenal\nThyroid", "b"), ("Why?", "A. Adrenal\nB. Thyroid", "B")),
        (("Why?", "", ""), ("Why?", "", "")),
        ((None, None, None), ("", "", "")),
    ],
)
def test_options_are_read_from_either_box(form: ProbeForm, boxes: Any, expected: tuple[str, str, str]) -> None:
    request = read(form, boxes)
    stem, options, target = expected
    shown = "\n".join(f"{letter}. {text}" for letter, text in request.options.items())
    assert (request.stem, shown, request.target or "") == (stem, options, target)


@pytest.mark.parametrize(
    "options", ["A. x\nA. y", "A. x\ny", "\n".join(map(str, range(27)))], ids=["doubled", "half lettered", "27"]
)
def test_options_that_cannot_be_read_are_refused(form: ProbeForm, options: str) -> None:
    with pytest.raises(InvalidQuestion):
        read(form, ("Why?", options, ""))


@pytest.mark.parametrize(
    ("knobs", "field", "value"),
    [
        ({"seed": ""}, "seed", None),
        ({"seed": "  "}, "seed", None),
        ({"seed": None}, "seed", None),
        ({"seed": " 12 "}, "seed", 12),
        ({"rounds": 3.0}, "force_rounds", 3),
        ({"system": " \n"}, "system_prompt", None),
        ({"system": None}, "system_prompt", None),
        ({"profile": None}, "profile", ""),
        ({"model": None}, "model", ""),
    ],
)
def test_empty_and_odd_knobs_mean_what_the_form_says(
    form: ProbeForm, knobs: dict[str, Any], field: str, value: Any
) -> None:
    assert getattr(read(form, **knobs), field) == value


@pytest.mark.parametrize(
    ("knobs", "field"),
    [
        ({"seed": "seven"}, "seed"),
        ({"seed": "1.5"}, "seed"),
        ({"rounds": 1.5}, "force_rounds"),
        ({"rounds": None}, "force_rounds"),
        ({"budget": None}, "thinking_budget"),
        ({"budget": 0}, "thinking_budget"),
        ({"cap": None}, "answer_cap"),
        ({"temperature": None}, "temperature"),
        ({"top_p": None}, "top_p"),
    ],
)
def test_a_knob_that_is_no_number_is_refused_by_name(form: ProbeForm, knobs: dict[str, Any], field: str) -> None:
    with pytest.raises(ProbeRefused) as caught:
        check_request(read(form, **knobs))
    assert caught.value.field == field


def test_a_trace_fills_the_form_with_the_request_that_made_it(form: ProbeForm) -> None:
    trace = a_trace()
    updates = form.fill_with_trace(trace)
    assert form.read([updates[component] for component in form.inputs]) == request_of(trace)


@pytest.mark.parametrize(("budget", "exponent"), [(64, 6), (1, 6), (100, 7), (512, 9), (16_384, 14), (10**9, 14)])
def test_the_slider_goes_to_the_nearest_power_of_two(form: ProbeForm, budget: int, exponent: int) -> None:
    low, high = BUDGET_EXPONENTS
    assert form.fill_with_trace(a_trace(thinking_budget_tokens=budget))[form.budget_slider] == exponent
    assert low <= exponent <= high
    assert 2**low == 64
    assert 2**high == 16_384
    assert form.budget_slider.value == math.log2(form.budget.value)


@pytest.mark.parametrize("entry", load_library(), ids=lambda entry: entry.id)
def test_every_library_question_can_be_asked_from_the_form(form: ProbeForm, entry: Any) -> None:
    updates = form.fill_with_library(entry.id)
    request = read(form, (updates[form.question], updates[form.options], updates[form.target]))
    assert (request.stem, dict(request.options), request.target) == (entry.question, entry.options, entry.target)
    assert (request.source, request.title) == ("library", entry.title)
    assert check_request(request) is None
    assert entry.explanation in library_explanation(request.stem)
    assert entry.reference in library_explanation(request.stem)


def test_the_library_offers_at_least_forty_questions_open_ones_among_them(form: ProbeForm) -> None:
    assert len(form.library.choices) >= 40
    assert any(label.endswith("(open)") for label, _ in form.library.choices)


def test_a_question_of_one_s_own_has_no_explanation() -> None:
    assert library_explanation("Which gland makes cortisol, and why?") == ""


def test_several_questions_are_not_run_as_one(form: ProbeForm) -> None:
    with pytest.raises(InvalidQuestion, match="look like 2 questions"):
        read(form, (f"1. {PASTED}\n2. {PASTED}", "", ""))


def test_answer_line_of_a_question_whose_options_have_their_own_box_is_not_asked(form: ProbeForm) -> None:
    request = read(form, ("Which gland?\nAnswer: A", "A. Adrenal\nB. Thyroid", ""))
    assert (request.stem, request.target) == ("Which gland?", "A")


def test_filling_in_a_question_tells_the_page_whether_it_is_a_draft(form: ProbeForm) -> None:
    entry = load_library()[0]
    chosen = form.fill_with_library(entry.id)[form.boxes.preview]
    assert (chosen["filled"], chosen["boxes"][0]) == ("chosen", entry.question)
    stored = form.fill_with_trace(a_trace())[form.boxes.preview]
    assert stored["filled"] == "stored"


def test_what_was_typed_as_target_wins_over_a_pasted_one() -> None:
    assert take_apart(PASTED, "", "B")[2] == "B"
    assert take_apart(PASTED, "", "")[2] == "A"


def test_options_of_a_stored_question_come_back_as_they_were(form: ProbeForm) -> None:
    options = {"A": "Adrenal: cortex (zona fasciculata)", "B": "B. subtilis", "C": "A. or B."}
    updates = form.fill_with_trace(a_trace(question=a_question(options=options)))
    assert dict(form.read([updates[component] for component in form.inputs]).options) == options


@pytest.mark.parametrize(
    ("budget", "cap", "pace", "text"),
    [
        (
            2000,
            400,
            Pace(30.0, 5, tuple(MeasuredLength(length, 0, True, 60) for length in (240, 300, 540, 690, 2000))),
            "At most 2,401 tokens, about 12–25 s; at most 80 s at 30 tokens/s, measured over the last 5 runs.",
        ),
        (1024, 512, None, "At most 1,537 tokens, time unknown: this model has not run here yet."),
        (
            300,
            180,
            Pace(12.0, 5),
            "At most 481 tokens, up to about 40 s at 12 tokens/s, measured over the last 5 runs.",
        ),
        (None, 512, Pace(12.0, 5), ""),
        (0, 512, Pace(12.0, 5), ""),
        (math.nan, 512, Pace(12.0, 5), ""),
        (10**12, 512, Pace(12.0, 5), ""),
    ],
)
def test_the_estimate_says_what_is_likely_where_it_is_known_and_the_most_at_the_measured_rate(
    budget: float | None, cap: int, pace: Pace | None, text: str
) -> None:
    assert estimate_text(budget, cap, 0, pace) == text


def test_the_estimate_counts_the_look_at_the_options_and_names_what_forced_rounds_overrule() -> None:
    assert estimate_text(512, 128, 0, None).startswith("At most 641 tokens, time unknown")
    assert estimate_text(512, 128, 2, None).startswith("At most 641 tokens plus overruled stops, time")
