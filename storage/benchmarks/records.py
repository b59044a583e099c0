"""Question sets, benchmark runs, their items and results, as plain values: standard library only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RunState(StrEnum):
    """Where a benchmark run is in its life."""

    WAITING = "waiting"
    """Planned; nothing has run yet."""
    RUNNING = "running"
    """Questions are being asked; `updated_at` is its heartbeat."""
    COMPLETED = "completed"
    """Every item is done or has failed for good."""
    STOPPED = "stopped"
    """A person stopped it; it can be gone on with."""
    FAILED = "failed"
    """An error ended it; it can be gone on with."""
    INTERRUPTED = "interrupted"
    """Its process went away; it can be gone on with."""


class ItemState(StrEnum):
    """Where one question of a run is."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    """It kept failing: counts as unanswered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBenchmarkRun:
    """Question sets over a grid of budgets and force rounds, for one or more models."""

    name: str
    question_sets: tuple[str, ...]
    """Names of the sets, as they were when the run was planned."""
    models: tuple[str, ...]
    budgets: tuple[int, ...]
    """Thinking budgets in tokens, rising."""
    force_rounds: tuple[int, ...]
    """Rising."""
    passes: int
    """Passes of each question, with seeds of their own."""
    temperature: float
    """0 is greedy."""
    top_p: float
    seed: int | None
    """Of the first pass; None when the temperature is 0."""
    answer_cap_tokens: int
    system_prompt: str | None
    """None is the profile's own."""
    profile: str
    """Empty means the one that fits each model."""
    limit: int | None
    """Most questions of each set; None takes all."""
    in_flight: int
    """Questions that are asked at once; 0 lets the engine's capacity decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRun(NewBenchmarkRun):
    """A run that is kept."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    created_at: datetime
    """Aware, UTC."""
    updated_at: datetime
    """Its heartbeat, aware, UTC."""
    state: RunState
    error: str
    """The message for the person when it failed; else empty."""
    owner: str
    """"host:pid" of the process that runs it or did so last; empty before the first."""
    tags: tuple[str, ...]
    is_archived: bool
    items: int
    """Questions times models."""
    items_done: int
    items_failed: int
    tokens_generated: int
    """Every token of its items that are over."""
    tokens_if_separate: int
    """Tokens that separate runs of the same cells would have generated."""
    seconds: float
    """Wall-clock time of all its stretches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkItem:
    """One question of a run, for one model: one sweep."""

    id: str
    """Also the id of its sweep, once it has begun."""
    run_id: str
    position: int
    """Order in which items are asked, from 0."""
    question_set: str
    model: str
    question_id: str
    state: ItemState
    attempts: int
    error: str
    """Why it failed; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkResult:
    """The answer of one item in one cell, judged by both rules."""

    item_id: str
    pass_number: int
    budget_tokens: int
    force_rounds: int
    letter: str | None
    """By the rule strict; None when unanswered."""
    is_correct: bool
    """By the rule strict; an unanswered one is wrong."""
    m1_letter: str | None
    """By the published scorer."""
    m1_is_correct: bool
    thinking_tokens: int
    """That the answer was given."""
    tokens_if_separate: int
    """Tokens that a run of this cell alone generates: its cost."""
    checkpoint_id: str | None
    """None for an item that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCount:
    """What the results of one model, set and cell come to."""

    run_id: str
    model: str
    question_set: str
    budget_tokens: int
    force_rounds: int
    n: int
    """Results, failed items among them."""
    correct: int
    """By the rule asked for."""
    answered: int
    """Those with a letter by that rule."""
    thinking_tokens: int
    """Sum."""
    tokens_if_separate: int
    """Sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionVerdict:
    """A question of a run in one cell, or in two that are compared."""

    item_id: str
    """Also the id of its sweep."""
    question_id: str
    stem: str
    """The first 160 characters."""
    question_set: str
    model: str
    target: str | None
    item_state: ItemState
    error: str
    letter: str | None
    is_correct: bool | None
    """None while the item is waiting."""
    thinking_tokens: int | None
    checkpoint_id: str | None
    """Of the answer; the case to annotate."""
    before_letter: str | None = None
    """In the cell that is compared with, when there is one."""
    before_is_correct: bool | None = None
