"""Question sets as plain values: standard library only."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """A named list of questions that are kept."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    name: str
    """Unique."""
    source: str
    """File name or hub address that it came from."""
    layout: str
    """Id of the layout that it was read by, such as "m1" or "medqa"."""
    sha256: str
    """Of the file that it came from, hex; empty when there was none."""
    created_at: datetime
    """Aware, UTC."""
    question_count: int
