"""The Strategies page's form: what its boxes and knobs ask for, how runs come back into it, what can be chosen."""

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from m1app.privacy.service import IdentifierCheck
from m1app.question.errors import InvalidQuestion
from m1app.runs.errors import ProbeRefused
from m1app.runs.pace import Pace
from m1app.runs.strategy_request import StrategyRunRequest, check_strategies, request_of_run
from m1app.strategies.catalogue import parse
from m1app.strategies.kinds import KINDS
from m1app.ui.strategies.choice_view import PRESELECTED, choices_value, docs_of
from m1app.ui.strategies.form import StrategiesForm, estimate_text
from m1app.ui.strategies.history_view import history_value
from models.profiles import load_profiles
from storage.strategies.records import StrategyRunSummary
from storage.traces.records import TraceState
from tests.m1app.runs.strategy_samples import RUN

VALUES: dict[str, Any] = {
    "question": "Which gland makes cortisol?",
    "options": "A. Adrenal\nB. Thyroid",
    "target": "A",
    "written": " vote:k=4 , budget-forcing,",
    "model": "m",
    "budget": 600,
    "thinking": "",
    "rounds": 1,
    "temperature": 0.7,
    "seed": "7",
    "top_p": 0.9,
    "cap": 32,
    "profile": "plain",
    "system": "Be careful.",
}


@pytest.fixture(scope="module")
def form() -> StrategiesForm:
    with gr.Blocks(analytics_enabled=False):
        return StrategiesForm(load_profiles(), IdentifierCheck())


def read(form: StrategiesForm, **values: Any) -> StrategyRunRequest:
    return form.read(list((VALUES | values).values()))


def test_boxes_and_knobs_become_the_request_in_the_order_of_the_inputs(form: StrategiesForm) -> None:
    assert len(form.inputs) == len(VALUES)
    assert read(form) == StrategyRunRequest(
        stem="Which gland makes cortisol?",
        options={"A": "Adrenal", "B": "Thyroid"},
        target="A",
        choices=("vote:k=4", "budget-forcing"),
        model="m",
        profile="plain",
        budget_tokens=600,
        thinking_tokens=None,
        force_rounds=1,
        temperature=0.7,
        top_p=0.9,
        seed=7,
        answer_cap_tokens=32,
        system_prompt="Be careful.",
    )
    assert read(form, thinking=" 256 ").thinking_tokens == 256


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"thinking": "much"}, "thinking_budget"),
        ({"thinking": "-1"}, "thinking_budget"),
        ({"thinking": "0"}, "thinking_budget"),
        ({"rounds": 1.5}, "force_rounds"),
        ({"seed": "x"}, "seed"),
        ({"written": ""}, "strategies"),
        ({"written": "vote:k"}, "strategies"),
        ({"budget": None}, "budget"),
        ({"temperature": 0}, "temperature"),
    ],
)
def test_what_is_refused_leads_to_its_field(form: StrategiesForm, values: dict[str, Any], field: str) -> None:
    with pytest.raises(ProbeRefused) as refused:
        check_strategies(read(form, **values))
    assert refused.value.field == field
    assert field in form.fields


@pytest.mark.parametrize("thinking_tokens", [None, 128])
def test_a_run_comes_back_as_the_request_that_repeats_it(form: StrategiesForm, thinking_tokens: int | None) -> None:
    run = replace(RUN, thinking_tokens=thinking_tokens)
    updates = form.fill_with_run(run)
    assert updates[form.choices] == {"written": "vote:k=3,budget-forcing"}
    again = form.read([updates[each] for each in form.inputs])
    assert replace(again, source="", title="") == replace(request_of_run(run), source="", title="")


def test_the_estimate_counts_every_strategy_at_its_whole_budget() -> None:
    assert estimate_text(3, 2_048, Pace(100.0, 2), {}) == (
        "3 strategies: at most 6,144 tokens, up to about 61 s at 100 tokens/s, measured over the last 2 runs."
    )
    assert estimate_text(1, 10, None, {}).startswith("1 strategy: at most 10 tokens, time unknown")


def test_the_estimate_names_strategies_that_cannot_be_asked() -> None:
    one = estimate_text(3, 100, None, {"Vote": "Too small."})
    assert one.startswith("2 strategies: at most 200 tokens, ")
    assert one.endswith(" Cannot be asked: Vote. Too small.")
    two = estimate_text(3, 100, None, {"Vote": "Too small.", "Debate": "No options."})
    assert two.endswith(" Cannot be asked: Vote, Debate. The reasons are shown above.")
    assert estimate_text(1, 100, None, {"Vote": "Too small."}) == "Nothing can be run. Too small."


def test_what_a_run_costs_is_said_before_the_question_can_be_asked(form: StrategiesForm) -> None:
    values = list((VALUES | {"question": "Why?", "options": "A. one\nA. two"}).values())
    with pytest.raises(InvalidQuestion):
        form.read(values)
    found = form.read_settings(values)
    assert (found.stem, found.budget_tokens, found.choices) == ("", 600, ("vote:k=4", "budget-forcing"))


def test_every_strategy_can_be_chosen_with_its_options_and_is_described() -> None:
    value = choices_value(["a", "b"], ["medqa"], ["sheets"])
    assert [kind["name"] for kind in value["kinds"]] == [kind.name for kind in KINDS]
    for kind in value["kinds"]:
        defaults = [f"{option['name']}={option['default']}" for option in kind["options"]]
        (chosen,) = parse(":".join([kind["name"], *defaults]))
        assert chosen.kind.name == kind["name"]
        assert kind["docs"] == f"/strategy-docs/{kind['name']}"
        page = docs_of(kind["name"])
        assert page is not None
        assert page.is_file()
    assert len(parse(",".join(PRESELECTED))) == 3
    assert docs_of("../../README") is None


def test_the_history_says_what_each_strategy_answered_and_how_far_a_run_is() -> None:
    summary = StrategyRunSummary(
        id=RUN.id,
        created_at=RUN.created_at,
        stem="Which gland?",
        target="A",
        choices=RUN.choices,
        letters=("A", None),
        verdicts=(True, False),
        model="m",
        budget_tokens=1_000,
        state=TraceState.RUNNING,
        generated=500,
        owner="",
        updated_at=RUN.created_at,
        asked_by="",
    )
    value = history_value([replace(summary, state=TraceState.COMPLETED)], False, [summary])
    assert value["running"][0]["share"] == 0.25
    assert value["rows"][0]["share"] is None
    assert value["rows"][0]["answers"] == "A ✓  – ✗"
    assert value["rows"][0]["strategies"] == "Vote, One chain"
    twice = replace(summary, choices=("vote:k=2", "vote:k=4"))
    assert history_value([twice], False)["rows"][0]["strategies"] == "Vote (passes 2), Vote (passes 4)"
    assert (value["empty"], history_value([], True)["empty"]) == ("", "No run matches. Clear the search.")
