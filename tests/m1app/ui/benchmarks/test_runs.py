"""Runs, questions and requests of the Benchmarks page as dictionaries."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from m1app.benchmark.charts.kinds import Chart
from m1app.benchmark.queries import QuestionPage
from m1app.question.answers.scoring import STRICT_VERSION
from m1app.ui.benchmarks.query import BadAddress, cell_of, choice_of, rule_of
from m1app.ui.benchmarks.runs_view import questions_value, run_value, stamp_of
from storage.benchmarks.records import BenchmarkRun, ItemState, QuestionVerdict, RunState

RUN = BenchmarkRun(
    id="a" * 32,
    name="Base",
    question_sets=("MedQA",),
    models=("m1-7b",),
    budgets=(128, 512),
    force_rounds=(0,),
    passes=2,
    temperature=0.6,
    top_p=0.95,
    seed=7,
    answer_cap_tokens=256,
    system_prompt=None,
    profile="",
    limit=50,
    in_flight=0,
    created_at=datetime(2026, 11, 22, 9, 5, tzinfo=UTC),
    updated_at=datetime(2026, 11, 22, 9, 6, tzinfo=UTC),
    state=RunState.RUNNING,
    error="",
    owner="host:1",
    tags=("night",),
    is_archived=False,
    items=1200,
    items_done=298,
    items_failed=2,
    tokens_generated=1000,
    tokens_if_separate=4200,
    seconds=75.0,
)
VERDICT = QuestionVerdict(
    item_id="i1",
    question_id="q1",
    stem="<b>Which?</b>",
    question_set="MedQA",
    model="m1-7b",
    target="A",
    item_state=ItemState.DONE,
    error="",
    letter="A",
    is_correct=True,
    thinking_tokens=1234,
    checkpoint_id="c1",
    before_letter="B",
    before_is_correct=False,
)


def test_a_run_says_how_far_it_is_and_what_it_cost() -> None:
    value = run_value(replace(RUN, strict_version=STRICT_VERSION))
    assert (value["progress"], value["share"], value["failed"], value["is_live"]) == ("300 of 1,200", 0.25, 2, True)
    assert (value["state_label"], value["created"]) == ("Running", "2026-11-22T09:05:00+00:00")
    assert value["facts"] == (
        "temperature 0.6, top-p 0.95 · seed 7 · 2 passes · at most 50 questions per set · 1,000 tokens generated in "
        "75 s; separate runs of every cell: 4,200 tokens, 4.2 times as many"
    )


def test_a_run_read_by_an_earlier_version_of_the_rule_says_so() -> None:
    said = (
        f"letters read by version 1 of the rule strict (now {STRICT_VERSION}): not comparable until `bench --rescore`"
    )
    assert said in run_value(replace(RUN, strict_version=1))["facts"]
    assert "version" not in run_value(replace(RUN, strict_version=STRICT_VERSION))["facts"]


def test_a_question_shows_what_its_letter_rests_on() -> None:
    read = replace(VERDICT, letter_rule="stated: answer is (en)", letter_words="answer is\nA")
    [row] = questions_value(QuestionPage((read,), 1), 0)["rows"]
    assert row["basis"] == "Read from “answer is A”: a statement of the answer, in English."
    [row] = questions_value(QuestionPage((VERDICT,), 1), 0)["rows"]
    assert row["basis"] == ""


def test_a_run_without_name_or_questions_still_has_a_name_and_a_share() -> None:
    value = run_value(replace(RUN, name="", items=0, items_done=0, items_failed=0, state=RunState.COMPLETED))
    assert (value["name"], value["share"], value["is_live"]) == ("Run aaaaaaaa", 0, False)


def test_stamp_stays_while_only_the_heartbeat_moves() -> None:
    later = replace(RUN, updated_at=datetime(2026, 11, 22, 9, 7, tzinfo=UTC))
    further = replace(RUN, items_done=299)
    assert stamp_of([run_value(later)]) == stamp_of([run_value(RUN)]) != stamp_of([run_value(further)])


def question(**changes: Any) -> dict[str, Any]:
    value = questions_value(QuestionPage((replace(VERDICT, **changes),), 1), 0)
    (row,) = value["rows"]
    return dict(row)


def test_a_question_has_its_verdicts_in_words_and_leads_to_sweep_and_case() -> None:
    row = question()
    assert (row["stem"], row["tokens"], row["case"], row["has_sweep"]) == ("<b>Which?</b>", "1,234", "c1", True)
    assert (row["verdict"], row["verdict_label"]) == ("right", "A, right")
    assert (row["before"], row["before_label"]) == ("wrong", "B, wrong")


@pytest.mark.parametrize(
    ("changes", "verdict", "label"),
    [
        ({"letter": "B", "is_correct": False}, "wrong", "B, wrong"),
        ({"letter": None, "is_correct": False}, "unanswered", "no option chosen"),
        ({"letter": None, "is_correct": False, "item_state": ItemState.FAILED}, "failed", "failed"),
        ({"letter": None, "is_correct": None, "item_state": ItemState.WAITING}, "", "waiting"),
    ],
)
def test_every_verdict_has_its_word(changes: dict[str, Any], verdict: str, label: str) -> None:
    row = question(**changes)
    assert (row["verdict"], row["verdict_label"]) == (verdict, label)


def test_a_question_that_is_compared_with_nothing_says_nothing_of_before() -> None:
    row = question(before_letter=None, before_is_correct=None)
    assert (row["before"], row["before_label"]) == ("", "")


def test_a_failed_question_failed_before_too_and_has_no_sweep_to_open() -> None:
    row = question(item_state=ItemState.FAILED, before_letter=None, before_is_correct=False, checkpoint_id=None)
    assert (row["before"], row["case"], row["has_sweep"]) == ("failed", "", False)


def test_a_question_that_failed_late_leads_to_what_it_has() -> None:
    assert question(item_state=ItemState.FAILED, checkpoint_id="c1")["has_sweep"]


def test_what_is_asked_is_read_and_unknown_words_are_the_default() -> None:
    choice = choice_of({"chart": "cost", "sets": ["MedQA", ""], "model": "m", "rounds": "1", "paper": True})
    assert (choice.chart, choice.question_sets, choice.models) == (Chart.COST, ("MedQA", ""), ("m",))
    assert (choice.force_rounds, choice.budget_tokens, choice.with_paper) == (1, None, True)
    odd = choice_of({"chart": "pie", "rounds": "many", "sets": []})
    assert (odd.chart, odd.force_rounds, odd.question_sets) == (Chart.BUDGET, None, ("",))
    assert (rule_of({"rule": "m1"}), rule_of({"rule": "lenient"}), rule_of({})) == ("m1", "strict", "strict")


def test_a_cell_is_read_from_the_address_or_refused_in_words() -> None:
    assert cell_of("2048-1") == (2048, 1)
    for text in ("", "512", "a-b", "1-2-3", None):
        with pytest.raises(BadAddress, match="Use budget and rounds"):
            cell_of(text)


def test_a_question_that_the_rule_does_not_score_says_why() -> None:
    row = question(target="A, C", letter=None, is_correct=None, is_scored=False)
    assert (row["verdict"], row["verdict_label"]) == ("unscored", "not scored by this rule: several are right")
    assert question(target="A, C", letter="A", is_correct=False)["verdict_label"] == "A, wrong (Hamming score 0.50)"
