"""How far a batch of probes is, as values."""

from dataclasses import dataclass
from enum import StrEnum

from storage.traces.records import TraceState


class ItemState(StrEnum):
    """Where a question of a batch is."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    """Its trace is over, in whatever state."""
    NOT_ASKED = "not asked"
    """The batch was stopped before, or it was refused: see `problem`."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One question of a batch."""

    question: str
    """Its first words."""
    target: str | None
    has_options: bool
    state: ItemState = ItemState.WAITING
    trace_id: str = ""
    """Empty before it is asked."""
    trace_state: TraceState | None = None
    """How its trace ended; None before that."""
    answer_letter: str | None = None
    is_correct: bool | None = None
    """None before its trace has ended, and without a target."""
    problem: str = ""
    """Why it was not asked, for people."""


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A batch as it is now."""

    id: str
    items: tuple[BatchItem, ...]
    is_over: bool
    is_stopped: bool
    left: int = 0
    """How many questions are left to ask of a batch whose process has ended; 0 for all others."""

    def count(self, state: ItemState) -> int:
        """Number of questions in a state."""
        return sum(item.state is state for item in self.items)
