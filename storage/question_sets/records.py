"""Question sets as plain values: standard library only."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """A named list of stored questions."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    name: str
    """Unique."""
    source: str
    """File name or hub address it came from."""
    layout: str
    """Id of the layout it was read with, such as "m1" or "medqa"."""
    sha256: str
    """SHA-256 (hex) of the source file; empty if there was none."""
    created_at: datetime
    """Aware, UTC."""
    question_count: int
