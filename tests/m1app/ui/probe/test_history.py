"""The History list: what the controls ask for, and what a row says."""

from typing import Any

import pytest

from m1app.ui.probe.history_view import STATE_CHOICES, VERDICT_CHOICES, history_value, running_filter, trace_filter
from storage.traces.listing import Page, TraceFilter, TraceSummary
from storage.traces.records import TraceState
from tests.m1app.runs.trace_samples import BEGUN, HOSTILE


def _summary(**changes: Any) -> TraceSummary:
    fields: dict[str, Any] = {
        "id": "t" * 32,
        "created_at": BEGUN,
        "question_id": "q" * 32,
        "stem": "Which gland makes cortisol?",
        "name": "",
        "tags": (),
        "owner": "host:1",
        "updated_at": BEGUN,
        "asked_by": "",
        "model": "smollm2-135m",
        "thinking_budget_tokens": 1024,
        "force_rounds": 2,
        "state": TraceState.COMPLETED,
        "answer_letter": "A",
        "target": "A",
        "is_correct": True,
        "thinking_tokens": 300,
        "seconds": 2.0,
    }
    return TraceSummary(**(fields | changes))


def _row(**changes: Any) -> dict[str, Any]:
    (row,) = history_value(Page((_summary(**changes),), None), is_filtered=False)["rows"]
    return row


@pytest.mark.parametrize(
    ("controls", "wanted"),
    [
        (("", "", "", ""), TraceFilter(is_running=False)),
        ((None, None, None, None), TraceFilter(is_running=False)),
        (("heart", "", "", ""), TraceFilter(text="heart", is_running=False)),
        (("", "stopped", "", ""), TraceFilter(state=TraceState.STOPPED, is_running=False)),
        (("", "", "right", ""), TraceFilter(is_correct=True, is_running=False)),
        (("", "", "wrong", ""), TraceFilter(is_correct=False, is_running=False)),
        (("", "", "", "m1-7b-1k"), TraceFilter(model="m1-7b-1k", is_running=False)),
    ],
)
def test_controls_become_the_filter_they_stand_for(controls: tuple[Any, ...], wanted: TraceFilter) -> None:
    assert trace_filter(*controls) == wanted


def test_every_choice_of_the_controls_is_a_filter() -> None:
    assert {value for _, value in STATE_CHOICES} == {"", *(state.value for state in TraceState)}
    filters = [trace_filter("", state, verdict, "") for _, state in STATE_CHOICES for _, verdict in VERDICT_CHOICES]
    assert len({repr(wanted) for wanted in filters}) == len(STATE_CHOICES) * len(VERDICT_CHOICES)
    assert filters[0] == TraceFilter(is_running=False)


def test_a_row_holds_what_the_list_shows() -> None:
    assert _row() == {
        "id": "t" * 32,
        "begun": "2026-03-01T09:30:00+00:00",
        "stem": "Which gland makes cortisol?",
        "name": "",
        "tags": [],
        "model": "smollm2-135m",
        "budget": 1024,
        "rounds": 2,
        "thinking_tokens": 300,
        "verdict": "right",
        "verdict_label": "✓ Right: A",
        "state_label": "Done",
        "share": None,
        "may_change": True,
    }


@pytest.mark.parametrize(
    ("changes", "verdict", "label"),
    [
        ({"answer_letter": "B", "is_correct": False}, "wrong", "✗ Wrong: B, target A"),
        ({"answer_letter": None, "is_correct": False}, "unanswered", "✗ No option chosen, target A"),
        ({"target": None, "is_correct": None}, "unscored", "Chosen option: A"),
        ({"answer_letter": None, "is_correct": None}, "unscored", "–"),
    ],
)
def test_the_verdict_of_a_row_is_also_in_words(changes: dict[str, Any], verdict: str, label: str) -> None:
    row = _row(**changes)
    assert (row["verdict"], row["verdict_label"]) == (verdict, label)


def test_hostile_text_stays_what_it_is() -> None:
    row = _row(stem=HOSTILE, model="<i>model</i>")
    assert (row["stem"], row["model"]) == (HOSTILE, "<i>model</i>")


@pytest.mark.parametrize(
    ("is_filtered", "words"), [(False, "No traces yet"), (True, "Clear the search or the filters")]
)
def test_an_empty_list_says_why_it_is_empty(is_filtered: bool, words: str) -> None:
    value = history_value(Page((), None), is_filtered)
    assert value["rows"] == []
    assert words in value["empty"]


def test_a_list_with_rows_says_nothing_more() -> None:
    assert history_value(Page((_summary(),), None), is_filtered=True)["empty"] == ""


def test_what_runs_is_listed_on_its_own_with_how_much_of_its_budget_is_used() -> None:
    running = _summary(state=TraceState.RUNNING, thinking_tokens=256, is_correct=None, answer_letter=None)
    value = history_value(Page((), None), is_filtered=True, running=(running,))
    assert (value["rows"], value["empty"]) == ([], "")
    assert [(row["state_label"], row["share"]) for row in value["running"]] == [("Running", 0.25)]


@pytest.mark.parametrize(
    ("controls", "can_match"),
    [
        (("heart", "", "", "m1"), True),
        (("", "running", "", ""), True),
        (("", "stopped", "", ""), False),
        (("", "", "right", ""), False),
        (("", "", "unscored", ""), False),
    ],
)
def test_what_runs_has_no_verdict_and_one_state(controls: tuple[str, str, str, str], can_match: bool) -> None:
    wanted = running_filter(trace_filter(*controls))
    assert (wanted is not None) is can_match
    assert wanted is None or wanted.is_running


def test_a_row_has_its_name_and_tags() -> None:
    row = _row(name=HOSTILE, tags=("ward", HOSTILE))
    assert (row["name"], row["tags"]) == (HOSTILE, ["ward", HOSTILE])


def test_a_branch_is_told_from_what_was_asked_anew() -> None:
    assert [_row(is_branch=each)["state_label"] for each in (False, True)] == ["Done", "Done, branch"]
