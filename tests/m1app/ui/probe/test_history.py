"""The History list: what the controls ask for, and what a row says."""

from typing import Any

import pytest

from m1app.ui.probe.history_view import PAGE_SIZE, STATE_CHOICES, VERDICT_CHOICES, history_value, trace_filter
from storage.traces.listing import Page, TraceFilter, TraceSummary
from storage.traces.records import TraceState
from tests.m1app.runs.trace_samples import BEGUN, HOSTILE


def _summary(**changes: Any) -> TraceSummary:
    fields: dict[str, Any] = {
        "id": "t" * 32,
        "created_at": BEGUN,
        "question_id": "q" * 32,
        "stem": "Which gland makes cortisol?",
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
        (("", "", "", ""), TraceFilter()),
        ((None, None, None, None), TraceFilter()),
        (("heart", "", "", ""), TraceFilter(text="heart")),
        (("", "stopped", "", ""), TraceFilter(state=TraceState.STOPPED)),
        (("", "", "right", ""), TraceFilter(is_correct=True)),
        (("", "", "wrong", ""), TraceFilter(is_correct=False)),
        (("", "", "", "m1-7b-1k"), TraceFilter(model="m1-7b-1k")),
    ],
)
def test_controls_become_the_filter_they_stand_for(controls: tuple[Any, ...], wanted: TraceFilter) -> None:
    assert trace_filter(*controls) == wanted


def test_every_choice_of_the_controls_is_a_filter() -> None:
    assert {value for _, value in STATE_CHOICES} == {"", *(state.value for state in TraceState)}
    filters = [trace_filter("", state, verdict, "") for _, state in STATE_CHOICES for _, verdict in VERDICT_CHOICES]
    assert len({repr(wanted) for wanted in filters}) == len(STATE_CHOICES) * len(VERDICT_CHOICES)
    assert filters[0] == TraceFilter()
    assert PAGE_SIZE > 0


def test_a_row_holds_what_the_list_shows() -> None:
    assert _row() == {
        "id": "t" * 32,
        "begun": "2026-03-01T09:30:00+00:00",
        "stem": "Which gland makes cortisol?",
        "model": "smollm2-135m",
        "budget": 1024,
        "rounds": 2,
        "thinking_tokens": 300,
        "verdict": "right",
        "verdict_label": "✓ Right: A",
        "state_label": "Done",
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
