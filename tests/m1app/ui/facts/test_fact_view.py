"""What the Facts page shows of a test: values only."""

import json
from dataclasses import replace

import pytest

from m1app.runs.pace import Pace
from m1app.ui.facts import fact_view
from m1app.ui.facts.fact_view import form_value, outlook_value, texts_value, view_value
from storage.traces.records import TraceOutcome, TraceState
from tests.m1app.fact_tests.conftest import database, first_seed
from tests.m1app.fact_tests.test_service import only
from tests.m1app.fact_tests.testing_facts import (
    ALPHA,
    BETA,
    BUDGET,
    FACT,
    MARK,
    MARK_END,
    THINKING,
    SeededEngine,
    a_failure,
    a_request,
    end_of,
    service_of,
)

__all__ = ["database", "first_seed"]


@pytest.fixture
async def over(database):
    service = service_of(database, SeededEngine(says=only("B")))
    begun = await service.start(a_request(a_failure(database)))
    return await end_of(service, begun.test.run_id)


async def test_a_test_that_is_over_has_its_verdict_arms_and_comparisons(over):
    value = view_value(over)
    assert value["verdict"] == {
        "kind": "knowledge_missing",
        "sentence": "Knowledge was missing: right with 5 of 5 seeds with the fact, 0 without it, 0 with an unrelated "
        "fact.",
        "so_far": "",
    }
    arms = {each["letter"]: each for each in value["arms"]}
    assert list(arms) == ["A", "B", "C", "D"]
    assert (arms["B"]["right"], arms["B"]["interval"], arms["A"]["right"]) == ("5 of 5", "57% to 100%", "0 of 5")
    assert [seed["is_right"] for seed in arms["B"]["seeds"]] == [True] * 5
    assert (round(arms["A"]["probability"], 2), round(arms["B"]["probability"], 2)) == (0.25, 0.89)
    assert arms["B"]["change"] == "+64 points"
    against, _ = value["comparisons"]
    assert against["said"] == (
        "+100 points (95% interval +39 to +100); 5 gained, 0 lost of 5 seeds; exact McNemar p = 0.031 "
        "(one side: the fact helps), 0.062 (two sides)"
    )
    assert value["done"] == "20 of 20 answers"
    assert not value["can_resume"]
    json.dumps(value, allow_nan=False)


async def test_a_test_that_has_just_begun_says_so_and_can_be_resumed_once_it_is_interrupted(over):
    strategy = over.run.strategies[0]
    begun = replace(strategy, result=replace(strategy.result, picture={}, state=TraceState.RUNNING), requests=())
    run = replace(over.run, run=replace(over.run.run, state=TraceState.INTERRUPTED), strategies=(begun,))
    value = view_value(replace(over, run=run))
    assert value["verdict"]["sentence"] == "Arms A, B and C have no answers yet."
    assert (value["done"], value["can_resume"]) == ("0 of 20 answers", True)
    assert "Resume starts the others again" in value["notice"]
    others = view_value(replace(over, run=run), is_own=False)
    assert not others["can_resume"] and "The person who started it, or an admin, can resume it." in others["notice"]
    going_on = replace(over, run=replace(run, run=replace(run.run, state=TraceState.RUNNING)))
    assert (view_value(going_on)["can_stop"], view_value(going_on, is_own=False)["can_stop"]) == (True, False)
    json.dumps(value, allow_nan=False)


async def test_texts_are_bounded_and_those_of_one_seed(over):
    value = texts_value(over, 2)
    assert [each["letter"] for each in value["arms"]] == ["A", "B", "C", "D"]
    assert (value["arms"][1]["thinking"], value["arms"][1]["answer"]) == (" Then 02.", "B")
    assert texts_value(over, 5) is None
    assert texts_value(over, -1) is None


async def test_a_fact_that_names_the_target_is_said_to(over):
    named = replace(over, test=replace(over.test, names_target="text"))
    assert view_value(named)["names_target"].startswith("The fact contains the text of the right option")


async def test_the_form_has_the_stretch_in_its_place(database):
    trace = a_failure(database)
    value = form_value(await service_of(database, SeededEngine()).of_case(trace.id, MARK, MARK_END))
    assert (value["before"], value["marked"]) == (THINKING[:MARK], THINKING[MARK:MARK_END])
    assert (value["answer"], value["target"], value["fact"]) == (ALPHA, "B", "")
    assert FACT not in json.dumps(value)
    outcome = TraceOutcome(state=TraceState.COMPLETED, answer_letter=None, is_correct=False)
    other = a_failure(database, outcome=outcome)
    beyond = form_value(await service_of(database, SeededEngine()).of_case(other.id, 10_000, 20_000))
    assert (beyond["marked"], beyond["subject"]["start"]) == ("", len(THINKING))


async def test_the_form_says_what_a_test_costs_and_that_a_fact_names_the_target(database):
    service = service_of(database, SeededEngine(says=only("B")))
    request = a_request(a_failure(database), seeds=6, wrong_fact="It is gamma.")
    found = await service.outlook(request)
    # Five arms, six seeds each; the budget after the cut, and the answer.
    assert (found.answers, found.names_target) == (30, "")
    assert found.tokens_at_most == 30 * (BUDGET - MARK + 20)
    value = outlook_value(found, Pace(10.0, 2))
    assert value["outlook"].startswith(f"30 answers: at most about {found.tokens_at_most:,} tokens, up to about ")
    assert value["names_target"] == ""
    naming = await service.outlook(replace(request, fact=f"The answer is {BETA}."))
    assert "names the letter of the right option" in outlook_value(naming, None)["names_target"]


async def test_a_finished_test_leads_to_one_with_more_seeds(database, over):
    service = service_of(database, SeededEngine(says=only("B")))
    assert view_value(over)["again"] == "Test again, with more seeds"
    again = await service.of_test(over.test.run_id)
    assert (again.fact, again.mark_start, again.mark_end) == (FACT, MARK, MARK_END)
    assert form_value(again, seeds=10)["seeds"] == "10"
    assert form_value(again, seeds=40)["seeds"] == "20"


async def test_a_studys_test_is_said_to_be_one_and_has_the_budget_and_the_seed_that_it_asks_for(database, over):
    service = service_of(database, SeededEngine(says=only("B"), first_seed=11))
    asked = a_request(a_failure(database), study_id="c" * 32, budget_tokens=300, first_seed=11, has_prompt_arm=False)
    begun = await service.start(asked)
    of_study = await end_of(service, begun.test.run_id)
    longest = max(len(each["token_ids"]) for each in of_study.test.insertions.values())
    assert (of_study.run.run.thinking_tokens, of_study.run.run.seed) == (300 - MARK - longest, 11)
    assert "A study made this test" in view_value(of_study)["study"]
    assert view_value(of_study)["study_link"] == f"/studies/?study={'c' * 32}"
    assert view_value(over)["study"] == ""
    assert [each["is_of_study"] for each in fact_view.tests_value(await service.recent())] == [True, False]
    assert (await service.shares()).all.explained.n == 1
