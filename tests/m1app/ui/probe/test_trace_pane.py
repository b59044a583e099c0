"""What the trace pane shows of a trace in each of its states."""

from dataclasses import replace
from typing import Any

import pytest

from m1app.ui.probe.trace_view import pane_value
from storage.traces.records import SegmentKind, ThinkingFinishReason, TraceState
from tests.m1app.runs.trace_samples import ANSWERED, COMPLETED, HOSTILE, RUNNING, THOUGHT, a_question, a_trace, segment


def test_a_completed_trace_shows_thinking_answer_and_counts() -> None:
    value = pane_value(COMPLETED)
    assert value["thinking"] == [
        {"kind": "think", "text": "The adrenal cortex"},
        {"kind": "wait", "text": " Wait"},
        {"kind": "think", "text": ", yes."},
    ]
    assert value["answer"] == [{"kind": "lead", "text": "Final Answer:"}, {"kind": "answer", "text": " A"}]
    assert (value["used"], value["budget"], value["rounds_used"], value["rounds"]) == (8, 1024, 1, 1)
    assert (value["state"], value["state_label"], value["notice"]) == ("completed", "Done", "")
    assert (value["rate"], value["first_token_seconds"], value["generated"]) == (32.0, 0.25, 8)


def test_the_pane_names_the_question_it_belongs_to() -> None:
    stem = "A man of 45 years has had fever, cough and night sweats for three weeks.\nWhat is the first test?"
    assert pane_value(COMPLETED)["question"] == COMPLETED.question.stem
    assert pane_value(a_trace(question=a_question(stem=stem)))["question"] == (
        "A man of 45 years has had fever, cough and night sweats …"
    )


def test_options_show_choice_target_and_probability() -> None:
    options = pane_value(a_trace(answer_letter="B", is_correct=False))["result"]["options"]
    assert options == [
        {"letter": "A", "text": "Adrenal", "is_chosen": False, "is_target": True, "probability": 0.625},
        {"letter": "B", "text": "Thyroid", "is_chosen": True, "is_target": False, "probability": 0.25},
    ]


def test_probability_that_went_to_no_letter_is_said() -> None:
    assert "12.5% went to tokens that are not an option's letter" in pane_value(COMPLETED)["result"]["other"]


def test_without_logprobs_there_are_no_bars() -> None:
    result = pane_value(a_trace(option_probabilities=None))["result"]
    assert [option["probability"] for option in result["options"]] == [None, None]
    assert (
        result["other"]
        == "There are no option probabilities: the engine does not report them, or they were turned off."
    )


@pytest.mark.parametrize("state", [state for state in TraceState if state is not TraceState.COMPLETED])
def test_a_trace_that_ended_early_does_not_blame_the_engine(state: TraceState) -> None:
    value = pane_value(a_trace(state=state, option_probabilities=None))
    assert value["result"] is None or value["result"]["other"] == ""


@pytest.mark.parametrize(
    ("segments", "generated", "label"),
    [
        ((), 0, "Waiting for the engine"),
        ((segment(SegmentKind.THINK, "", 0),), 0, "Waiting for the engine"),
        (THOUGHT[:1], 4, "Thinking"),
        (THOUGHT[:2], 4, "Thinking"),
        (ANSWERED, 9, "Answering"),
    ],
)
def test_a_running_trace_says_what_it_does(segments: Any, generated: int, label: str) -> None:
    value = pane_value(replace(RUNNING, segments=segments, tokens_generated=generated))
    assert (value["state_label"], value["result"]) == (label, None)


@pytest.mark.parametrize(
    ("state", "reason", "label", "finish"),
    [
        (TraceState.COMPLETED, ThinkingFinishReason.NATURAL, "Done", "The model ended its thinking."),
        (TraceState.COMPLETED, ThinkingFinishReason.BUDGET, "Done", "Thinking used up the budget."),
        (TraceState.STOPPED, ThinkingFinishReason.STOPPED, "Stopped", "Thinking was stopped."),
        (TraceState.FAILED, ThinkingFinishReason.FAILED, "Failed", "An error ended the thinking."),
        (TraceState.INTERRUPTED, None, "Interrupted", ""),
    ],
)
def test_why_thinking_ended_is_said(
    state: TraceState, reason: ThinkingFinishReason | None, label: str, finish: str
) -> None:
    value = pane_value(a_trace(state=state, thinking_finish_reason=reason))
    assert (value["state_label"], value["result"]["finish"]) == (label, finish)


@pytest.mark.parametrize("state", list(TraceState))
@pytest.mark.parametrize("reason", [None, *ThinkingFinishReason])
def test_every_state_and_reason_can_be_shown(state: TraceState, reason: ThinkingFinishReason | None) -> None:
    assert pane_value(a_trace(state=state, thinking_finish_reason=reason))["state_label"]


OPEN = a_question(options={}, target=None)


def _answer(text: str) -> Any:
    return (*ANSWERED[:-2], segment(SegmentKind.CLOSE, "<|im_start|>answer\n"), segment(SegmentKind.ANSWER, text))


@pytest.mark.parametrize(
    ("changes", "verdict", "label"),
    [
        ({}, "right", "✓ Right: A"),
        ({"answer_letter": "B", "is_correct": False}, "wrong", "✗ Wrong: B, target A"),
        ({"is_correct": None}, "unscored", "Chosen option: A"),
        ({"question": OPEN, "is_correct": None, "answer_letter": None}, "unscored", "Not scored"),
        (
            {"answer_letter": None, "is_correct": False, "segments": _answer("I cannot say.")},
            "unanswered",
            "✗ No option chosen, target A",
        ),
        (
            {"answer_letter": None, "is_correct": False, "segments": _answer("The answer is Z.")},
            "unanswered",
            "✗ No option chosen (the answer names none of these), target A",
        ),
    ],
)
def test_the_verdict_is_in_words_and_not_only_a_colour(changes: dict[str, Any], verdict: str, label: str) -> None:
    result = pane_value(a_trace(**changes))["result"]
    assert (result["verdict"], result["verdict_label"]) == (verdict, label)


def test_segments_are_listed_with_how_each_ended() -> None:
    rows = pane_value(COMPLETED)["result"]["segments"]
    assert [(row["name"], row["tokens"], row["seconds"], row["ended"]) for row in rows] == [
        ("thinking", 4, 0.5, "natural stop"),
        ("force round (inserted)", 1, None, ""),
        ("thinking", 3, 0.25, "token limit"),
        ("closing (inserted)", 6, None, ""),
        ("answer", 1, 0.1, "natural stop"),
    ]


def test_what_went_wrong_stands_above_what_is_kept() -> None:
    failed = a_trace(state=TraceState.FAILED, error="The engine is gone.")
    assert pane_value(failed)["notice"] == "The engine is gone."
    assert "Run again" in pane_value(a_trace(state=TraceState.INTERRUPTED))["notice"]
    unsaved = pane_value(COMPLETED, save_error="The disk is full.")["notice"]
    assert unsaved == ("This trace is not saved yet: The disk is full. The app keeps trying; you can also download it.")


def test_hostile_text_reaches_the_page_unchanged_as_text() -> None:
    trace = a_trace(segments=(segment(SegmentKind.THINK, HOSTILE), segment(SegmentKind.ANSWER, HOSTILE)))
    value = pane_value(trace)
    assert value["thinking"] == [{"kind": "think", "text": HOSTILE}]
    assert value["answer"] == [{"kind": "answer", "text": HOSTILE}]


@pytest.mark.parametrize(
    ("close", "lead"),
    [
        ("<|im_start|>answer\nFinal Answer:", "Final Answer:"),
        ("\n\nTherefore, the final answer is", "Therefore, the final answer is"),
        ("<|im_start|>answer", None),
        ("</think>\n\n", None),
        ("<unused95>", None),
    ],
)
def test_words_that_open_the_answer_are_shown_and_delimiters_are_not(close: str, lead: str | None) -> None:
    trace = a_trace(segments=(segment(SegmentKind.CLOSE, close), segment(SegmentKind.ANSWER, " A")))
    shown = [part["text"] for part in pane_value(trace)["answer"] if part["kind"] == "lead"]
    assert shown == ([lead] if lead else [])


def test_details_say_how_to_make_the_trace_again() -> None:
    details = dict(pane_value(a_trace(profile_is_guess=True, seed=None))["result"]["details"])
    assert details["Profile"] == "plain-chatml (a guess: no profile matches this model)"
    assert (details["Seed"], details["Engine"], details["Started"]) == (
        "none (greedy)",
        "embedded, llama.cpp b1",
        "2026-03-01 09:30:00 UTC",
    )
    assert details["Prompt SHA-256"] == "f" * 64


def test_what_the_letter_rests_on_is_shown() -> None:
    read = a_trace(letter_rule="stated: final answer (en)", letter_start=0, letter_end=2, strict_version=2)
    assert pane_value(read)["result"]["basis"] == "Read from “A”: a final answer, in English."
    assert pane_value(a_trace())["result"]["basis"] == ""


def test_an_answer_that_settles_on_nothing_says_why() -> None:
    unread = a_trace(answer_letter=None, is_correct=False, letter_rule="unsettled: answer is (en)", strict_version=2)
    assert "only with a doubt" in pane_value(unread)["result"]["verdict_label"]


SEVERAL = a_question(options={"A": "Insulin", "B": "Ramipril", "C": "Salbutamol"}, target="A, C")


def test_several_right_options_are_marked_and_a_wrong_set_has_its_hamming_score() -> None:
    shares = {"A": 0.5, "B": 0.25, "C": 0.125}
    trace = a_trace(question=SEVERAL, answer_letter="A, B", is_correct=False, option_probabilities=shares)
    result = pane_value(trace)["result"]
    assert [(each["is_chosen"], each["is_target"]) for each in result["options"]] == [
        (True, True),
        (True, False),
        (False, True),
    ]
    assert result["verdict_label"] == "✗ Wrong: A, B, target A, C; Hamming score 0.33"
    assert "how likely each is to be named first" in result["other"]
    assert "named first" not in pane_value(COMPLETED)["result"]["other"]
