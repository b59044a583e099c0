"""Verdicts on answers to open questions as plain values: standard library only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Judgement(StrEnum):
    """Whether an answer says what the reference answer says."""

    RIGHT = "right"
    WRONG = "wrong"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOpenVerdict:
    """A verdict to store."""

    trace_id: str
    judgement: Judgement
    reference: str
    """The reference answer that it was judged by."""
    is_person: bool
    judged_by: str
    """Name of the model; of a person, the account's id, empty without an account."""
    reason: str = ""
    """In the judge's words."""
    checkpoint_id: str | None = None
    """The answer of a sweep that it is about; None for the trace's own answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVerdict(NewOpenVerdict):
    """A stored verdict."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    created_at: datetime
    """Aware, UTC."""
