"""Fact tests as plain values: standard library only.

A fact test is a strategy run of its own kind: the run has question, model, settings, ledger and outcome; this has what
was tested.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.traces.records import TraceState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFactTest:
    """A fact to be tested on a thinking that was wrong."""

    trace_id: str
    checkpoint_id: str | None
    """The answer of a sweep that is explained; None for the trace's own answer."""
    annotation_id: str | None
    """The annotation whose corrected fact it is; None for one that was typed, or whose annotation is gone."""
    study_id: str | None = None
    """The study that tests it, by no person's mark; None for what a person tests."""
    mark_start: int
    """Of the marked stretch, in code points of the thinking."""
    mark_end: int
    marked: str
    """The stretch."""
    fact: str
    unrelated_fact: str
    wrong_fact: str
    """Empty without arm E."""
    prompt: str
    """The user's turn with the fact."""
    names_target: str
    """How the fact names the right option: "letter", "text" or "words"; empty if it does not."""
    insertions: Mapping[str, Any]
    """Letter of each arm -> {"text": what was inserted, "token_ids": as tokens}."""
    kept_ids: tuple[int, ...]
    """The thinking up to the cut."""
    kept_characters: int
    """Of its text, in code points."""
    text_before: str
    """The end of its text."""
    seeds: int
    """Of each arm."""
    first_letter: str | None
    """What the model had answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTest(NewFactTest):
    """A stored fact test."""

    run_id: str
    """Of its strategy run, which is its own id too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTestSummary:
    """A fact test as shown in lists and counts."""

    run_id: str
    created_at: datetime
    """Aware, UTC."""
    state: TraceState
    model: str
    trace_id: str
    case_id: str
    """Of the checkpoint, or of the trace without one."""
    annotation_id: str | None
    study_id: str | None = None
    """The study that made it; None for a person's."""
    labels: tuple[str, ...]
    """Of the annotation as it is now; none without one."""
    tags: tuple[str, ...]
    """Of the question, such as its specialty."""
    thinking_budget_tokens: int
    """Of the answer that was wrong; for a checkpoint, the smallest budget whose cell ends there."""
    stem: str
    """The beginning of the question."""
    fact: str
    names_target: str
    seeds: int
    verdict: Mapping[str, Any]
    """See `m1app.fact_tests.strategy.verdict_value`; empty before the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFact:
    """A corrected fact on a wrong answer's thinking that no test has been completed of."""

    annotation_id: str
    case_id: str
    model: str
    labels: tuple[str, ...]
    stem: str
    """The beginning of the question."""
    fact: str
