"""A batch of probes as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.questions.records import NewQuestion, Question
from storage.traces.records import TraceState


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to keep."""

    id: str
    """32 hexadecimal digits."""
    asked_by: str
    """Account of whoever asks; empty without one."""
    owner: str
    """The process that asks."""
    allows_identifiers: bool
    questions: Sequence[tuple[NewQuestion, Mapping[str, Any]]]
    """Each with the settings it is asked with."""


@dataclass(frozen=True, slots=True)
class KeptItem:
    """One question of a kept batch."""

    position: int
    """Its place in the batch; questions that were erased since leave gaps."""
    question: Question
    settings: Mapping[str, Any]
    trace_id: str
    """Empty before it is asked; the trace may be gone since."""
    problem: str
    """Why it was refused, for people."""
    trace_state: TraceState | None
    """None without a trace that people see."""
    answer_letter: str | None
    is_correct: bool | None


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A batch that was not over when it was last saved."""

    id: str
    asked_by: str
    owner: str
    updated_at: datetime
    """When its process last said that it asks it."""
    allows_identifiers: bool
    items: tuple[KeptItem, ...]
