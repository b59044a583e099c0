"""Sweeps as plain values, for presenters and exports: no database."""

from dataclasses import replace
from typing import Any

from m1app.runs.sweep_reading import PassSnapshot, SweepSnapshot
from storage.sweeps.records import Sweep
from storage.traces.records import Checkpoint, SegmentKind, ThinkingFinishReason, TraceState
from tests.m1app.runs.trace_samples import BEGUN, QUESTION, a_trace, segment

TEXT = "It may be the thyroid. No, the adrenal cortex makes it. Wait, is it? The thyroid does not."

SWEEP = Sweep(
    id="s" * 32,
    question_id=QUESTION.id,
    question=QUESTION,
    created_at=BEGUN,
    updated_at=BEGUN,
    budgets=(8, 16, 32),
    force_rounds=(0, 1),
    models=("smollm2-135m",),
    passes=1,
    temperature=0.0,
    top_p=1.0,
    seed=None,
    answer_cap_tokens=64,
    system_prompt=None,
    profile="",
    owner="host:1",
    state=TraceState.COMPLETED,
    error="",
    tokens_generated=60,
    tokens_if_separate=180,
    seconds=3.5,
)


def a_checkpoint(cells: tuple[tuple[int, int], ...], tokens: int, characters: int, **changes: Any) -> Checkpoint:
    """An answer of "B" (wrong) after so many tokens and characters."""
    kept = Checkpoint(
        id=f"{tokens:032d}",
        created_at=BEGUN,
        trace_id="t" * 32,
        cells=cells,
        cut_tokens=tokens,
        cut_characters=characters,
        thinking_finish_reason=ThinkingFinishReason.BUDGET,
        forced_rounds=0,
        text=" B",
        letter="B",
        option_probabilities={"A": 0.25, "B": 0.5},
        is_correct=False,
        finish_reason="natural",
        token_count=1,
        tokens_generated=3,
        tokens_if_separate=tokens + 3,
    )
    return replace(kept, **changes)


RIGHT = {"text": " A", "letter": "A", "is_correct": True, "option_probabilities": {"A": 0.75, "B": 0.125}}

PASS = PassSnapshot(
    trace=a_trace(
        sweep_id=SWEEP.id,
        segments=(segment(SegmentKind.THINK, TEXT, 32),),
        thinking_budget_tokens=32,
        answer_letter=None,
        is_correct=None,
        option_probabilities=None,
    ),
    checkpoints=(
        a_checkpoint(((8, 0), (8, 1)), 8, 22),
        a_checkpoint(((16, 0), (16, 1), (32, 0)), 14, 55, **RIGHT, thinking_finish_reason=ThinkingFinishReason.NATURAL),
        a_checkpoint(((32, 1),), 32, len(TEXT), forced_rounds=1),
    ),
)
SNAPSHOT = SweepSnapshot(SWEEP, (PASS,))
