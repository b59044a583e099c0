"""Sweeps as plain values: standard library only."""

from dataclasses import dataclass
from datetime import datetime

from storage.questions.records import Question
from storage.traces.records import Checkpoint, Trace, TraceState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSweep:
    """One question over a grid of budgets and force rounds, from one thinking pass for each model and seed."""

    question_id: str
    budgets: tuple[int, ...]
    """Thinking budgets in tokens, rising."""
    force_rounds: tuple[int, ...]
    """Rising."""
    models: tuple[str, ...]
    """Served models, one band of columns each."""
    passes: int
    """Passes of each model, with seeds of their own."""
    temperature: float
    """0 is greedy."""
    top_p: float
    seed: int | None
    """Of the first pass; the next ones count up. None when the temperature is 0."""
    answer_cap_tokens: int
    system_prompt: str | None
    """None is the profile's own."""
    profile: str
    """Profile that was asked for; empty means the one that fits each model."""
    owner: str
    """"host:pid" of the process that runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOutcome:
    """How a sweep stands; the numbers are final once it is over."""

    state: TraceState
    error: str = ""
    """Error message for the user; empty unless it failed."""
    tokens_generated: int = 0
    """Every token of its passes and checkpoints."""
    tokens_if_separate: int = 0
    """Tokens that separate runs of all cells answered would have generated."""
    seconds: float = 0.0
    """Wall-clock time, of all its runs when it was resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(NewSweep):
    """A sweep that is kept; the fields from `state` on are those of `SweepOutcome`."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    question: Question
    created_at: datetime
    """Aware, UTC."""
    updated_at: datetime
    """Its heartbeat, aware, UTC."""
    state: TraceState
    error: str
    tokens_generated: int
    tokens_if_separate: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SweepPass:
    """One thinking pass of a sweep with the answers forked from it."""

    trace: Trace
    """Thinking only: segments think and wait."""
    checkpoints: tuple[Checkpoint, ...]
    """By cut."""


@dataclass(frozen=True, slots=True)
class SweepWithPasses:
    """A sweep with everything that belongs to it."""

    sweep: Sweep
    passes: tuple[SweepPass, ...]
    """By model in the sweep's order, then number."""
