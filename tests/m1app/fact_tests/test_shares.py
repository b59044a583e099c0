"""Tests counted: what one fact explains, and what labels say."""

import json
from datetime import UTC, datetime

import pytest

from m1app.annotation.labels import shipped_taxonomy
from m1app.fact_tests.shares import shares_of
from m1app.ui.benchmarks.knowledge_view import knowledge_value
from storage.fact_tests.records import FactTestSummary
from storage.traces.records import TraceState

MISSING, HELPED_NOT, UNDECIDED = "knowledge_missing", "did_not_help", "not_decidable"


def summary(
    kind: str,
    case: str,
    *labels: str,
    model: str = "m1-7b",
    naming: str = "",
    mark: str = "",
    tags: tuple[str, ...] = (),
    budget: int = 1024,
) -> FactTestSummary:
    return FactTestSummary(
        run_id=f"{case}{mark}{kind}",
        created_at=datetime(2026, 11, 30, tzinfo=UTC),
        state=TraceState.COMPLETED,
        model=model,
        trace_id=case,
        case_id=case,
        annotation_id=mark or None,
        labels=labels,
        tags=tags,
        thinking_budget_tokens=budget,
        stem="Why?",
        fact="So.",
        names_target=naming,
        seeds=5,
        verdict={"kind": kind} if kind else {},
    )


TESTS = [
    summary(MISSING, "1", "knowledge_gap"),
    summary(HELPED_NOT, "1", "knowledge_gap"),  # An earlier test of the same mark.
    summary(HELPED_NOT, "2", "knowledge_gap"),
    summary(HELPED_NOT, "3", "faulty_inference", model="m1-32b", tags=("cardiology", "cardiology"), budget=512),
    summary(MISSING, "4", "knowledge_gap", "faulty_inference", tags=("cardiology", "drugs")),
    summary(UNDECIDED, "5", "knowledge_gap"),
    summary(MISSING, "6", naming="text"),
    summary(HELPED_NOT, "7", naming="letter"),
    summary("", "8"),  # Running.
    summary(MISSING, "1", "bias", mark="another mark"),
]


def test_the_latest_test_of_each_mark_counts_and_the_rest_stands_apart():
    found = shares_of(TESTS)
    assert (found.all.explained.value, found.all.explained.n) == (3 / 5, 5)
    assert {each.name: (each.explained.value, each.explained.n) for each in found.by_model} == {
        "m1-32b": (0, 1),
        "m1-7b": (3 / 4, 4),
    }
    assert {each.name: each.explained.n for each in found.by_label} == {
        "bias": 1,
        "faulty_inference": 2,
        "knowledge_gap": 3,
    }
    assert {each.name: (each.explained.value, each.explained.n) for each in found.by_tag} == {
        "cardiology": (1 / 2, 2),
        "drugs": (1, 1),
    }
    assert [(each.name, each.explained.n) for each in found.by_budget] == [("512", 1), ("1024", 4)]
    assert (found.undecided, found.naming, found.naming_explained) == (1, 2, 1)
    assert (found.agreement.total, found.agreement.agreed) == (3, 2)
    assert [each.case_id for each in found.agreement.disagreements] == ["2"]


def test_kappa_is_that_of_labels_and_the_two_verdicts_that_they_name():
    tests = [
        *(summary(MISSING, f"a{n}", "knowledge_gap") for n in range(8)),
        *(summary(HELPED_NOT, f"b{n}", "faulty_inference") for n in range(7)),
        *(summary(HELPED_NOT, f"c{n}", "knowledge_gap") for n in range(3)),
        *(summary(MISSING, f"d{n}", "faulty_inference") for n in range(2)),
        *(summary("any_text", f"e{n}", "knowledge_gap") for n in range(5)),
    ]
    kappa = shares_of(tests).agreement.kappa
    # By hand: observed 15/20; by chance (11 x 10 + 9 x 10) / 400.
    assert kappa.value == pytest.approx((0.75 - 0.5) / (1 - 0.5))
    assert kappa.items == 20
    assert kappa.low < kappa.value < kappa.high
    assert "too few cases" in shares_of(TESTS).agreement.kappa.note


def test_the_page_says_what_is_counted():
    value = knowledge_value(shares_of(TESTS), shipped_taxonomy())
    assert value["said"] == (
        "One missing fact explains 60.0% (23.1% to 88.2%) of 5 failures. There are few failures: read the interval."
    )
    assert "2 with a fact that names the target (1 of these would count as explained)" in value["apart"]
    assert [row[1:3] for row in value["agreement"]] == [[1, 1], [0, 1]]
    assert value["agreed"].startswith("2 of 3 marks agree")
    assert [each["test"] for each in value["disagreements"]] == ["/facts/?fact=2did_not_help"]
    json.dumps(value, allow_nan=False)
    assert knowledge_value(shares_of([]), shipped_taxonomy()) == {"is_empty": True}
    undecided = knowledge_value(shares_of([summary(UNDECIDED, "5", "knowledge_gap")]), shipped_taxonomy())
    assert (undecided["figure"], undecided["said"]) == (None, "No test has decided anything yet.")


def test_the_chart_has_a_row_for_each_group_of_failures_and_shows_names_as_text():
    tests = [*TESTS, summary(MISSING, "9", model="<b>x</b>")]
    figure = knowledge_value(shares_of(tests), shipped_taxonomy())["figure"]
    rows = [row for trace in figure["data"] for row in trace["y"]]
    assert rows[:4] == ["all failures", "Model: <b>x</b>", "Model: m1-32b", "Model: m1-7b"]
    assert {"Thinking budget: 512 tokens", "Label: Knowledge gap", "Tag: cardiology"} <= set(rows)
    axis = figure["layout"]["yaxis"]
    assert axis["categoryarray"] == rows
    assert axis["ticktext"][1] == "Model: &lt;b&gt;x&lt;/b&gt;"
    for trace in figure["data"]:
        bars = trace["error_x"]
        for x, above, below in zip(trace["x"], bars["array"], bars["arrayminus"], strict=True):
            assert 0 <= x - below <= x <= x + above <= 1
