"""Sweeps as plain values: standard library only."""

from dataclasses import dataclass
from datetime import datetime

from storage.questions.records import Question
from storage.traces.records import Checkpoint, Trace, TraceState


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSweep:
    """One question over a grid of budgets and force rounds, with one thinking pass per model and seed."""

    question_id: str
    budgets: tuple[int, ...]
    """Thinking budgets in tokens, ascending."""
    force_rounds: tuple[int, ...]
    """Ascending."""
    models: tuple[str, ...]
    """Served models; each gets one band of columns."""
    passes: int
    """Passes per model, each with its own seed."""
    temperature: float
    """0 is greedy."""
    top_p: float
    seed: int | None
    """Seed of the first pass; later passes count up. None when the temperature is 0."""
    answer_cap_tokens: int
    system_prompt: str | None
    """None uses the profile's own."""
    asks_probabilities: bool = True
    """Whether the probabilities of the options are asked for at each cut."""
    profile: str
    """Requested profile; empty uses the one that matches each model."""
    owner: str
    """"host:pid" of the process that runs it."""
    asked_by: str = ""
    """Id of the account that asked; empty for a person without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOutcome:
    """State of a sweep; the numbers are final once it is over."""

    state: TraceState
    error: str = ""
    """Error message for the user; empty unless it failed."""
    tokens_generated: int = 0
    """All tokens of its passes and checkpoints."""
    tokens_if_separate: int = 0
    """Tokens that separate runs of all answered cells would have generated."""
    seconds: float = 0.0
    """Total wall-clock time, including runs before it was resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(NewSweep):
    """A stored sweep; the fields from `state` on are those of `SweepOutcome`."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    question: Question
    created_at: datetime
    """Aware, UTC."""
    updated_at: datetime
    """Last heartbeat, aware, UTC."""
    state: TraceState
    error: str
    tokens_generated: int
    tokens_if_separate: int
    seconds: float
    name: str = ""
    """What a person calls it; empty without a name. See `storage.naming`."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SweepPass:
    """One thinking pass of a sweep with the answers forked from it."""

    trace: Trace
    """Thinking only: segments think and wait."""
    checkpoints: tuple[Checkpoint, ...]
    """Ordered by cut."""


@dataclass(frozen=True, slots=True)
class SweepWithPasses:
    """A sweep with its passes."""

    sweep: Sweep
    passes: tuple[SweepPass, ...]
    """Ordered by model, in the sweep's order, then by number."""
