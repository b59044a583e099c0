"""What the runs of one kind have done since the process started, for monitoring."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

FIRST_TOKEN_BOUNDS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(slots=True)
class FirstTokens:
    """Times to the first token, counted by size."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(FIRST_TOKEN_BOUNDS_SECONDS) + 1))
    """How many are at most each of the bounds and above the one before; the last, how many are above all of them."""
    seconds: float = 0.0
    """All of them together."""

    def add(self, times: Iterable[float]) -> None:
        """Count more times, in seconds."""
        for seconds in times:
            self.counts[bisect_left(FIRST_TOKEN_BOUNDS_SECONDS, seconds)] += 1
            self.seconds += seconds


@dataclass(frozen=True, slots=True)
class RunTotals:
    """Totals of one kind of run."""

    running: int
    unsaved: int
    """Runs that have ended and could not be saved yet."""
    tokens_generated: int
    """Since the process started, running runs included."""
    first_tokens: FirstTokens
    """Of the runs that have ended."""
