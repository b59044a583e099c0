"""Traces as plain values, for presenters and exports: no database."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from storage.questions.records import Question
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason, Trace, TraceState

BEGUN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
HOSTILE = (
    "<img src=x onerror=alert(1)>\n![leak](https://leak.example/p.png)\n```\n# Heading\n````text\n~~~\n"
    "| a | b |\n[link](javascript:alert(2)) \u202eabc\u202c \U0001f9ec"
)

QUESTION = Question(
    id="q" * 32,
    content_hash="0" * 64,
    created_at=BEGUN,
    stem="Which gland makes cortisol?",
    options={"A": "Adrenal", "B": "Thyroid"},
    target="A",
)


def segment(kind: SegmentKind, text: str, count: int = 2, **changes: Any) -> Segment:
    return Segment(kind=kind, text=text, token_ids=tuple(range(count)), token_count=count, **changes)


THOUGHT = (
    segment(SegmentKind.THINK, "The adrenal cortex", 4, seconds=0.5, finish_reason="natural"),
    segment(SegmentKind.WAIT, " Wait", 1),
    segment(SegmentKind.THINK, ", yes.", 3, seconds=0.25, finish_reason="budget"),
)
ANSWERED = (
    *THOUGHT,
    segment(SegmentKind.CLOSE, "<|im_start|>answer\nFinal Answer:", 6),
    segment(SegmentKind.ANSWER, " A", 1, seconds=0.1, finish_reason="natural"),
)

COMPLETED = Trace(
    id="t" * 32,
    question_id=QUESTION.id,
    question=QUESTION,
    created_at=BEGUN,
    updated_at=BEGUN,
    thinking_budget_tokens=1024,
    force_rounds=1,
    temperature=0.5,
    top_p=0.9,
    seed=7,
    answer_cap_tokens=256,
    system_prompt="Be careful.",
    model="smollm2-135m",
    profile="plain-chatml",
    profile_is_guess=False,
    engine_kind="llama.cpp",
    engine_version="b1",
    engine_name="embedded",
    prompt_text="<|im_start|>user\n",
    prompt_token_ids=(1, 2),
    prompt_sha256="f" * 64,
    owner="host:1",
    segments=ANSWERED,
    state=TraceState.COMPLETED,
    thinking_finish_reason=ThinkingFinishReason.BUDGET,
    error="",
    note="",
    answer_letter="A",
    is_correct=True,
    option_probabilities={"A": 0.625, "B": 0.25},
    time_to_first_token_seconds=0.25,
    seconds=2.5,
    tokens_generated=8,
    tokens_per_second=32.0,
)


def a_trace(**changes: Any) -> Trace:
    """The completed trace with these fields instead of its own."""
    return replace(COMPLETED, **changes)


def a_question(**changes: Any) -> Question:
    return replace(QUESTION, **changes)


RUNNING = a_trace(
    state=TraceState.RUNNING,
    segments=(),
    thinking_finish_reason=None,
    answer_letter=None,
    is_correct=None,
    option_probabilities=None,
    time_to_first_token_seconds=None,
    seconds=0.0,
    tokens_generated=0,
    tokens_per_second=None,
)
