"""How fast a model has generated on its engine lately, and how long that makes a run."""

import statistics
from dataclasses import dataclass

from storage.traces.records import MeasuredRate

_RUNS = 5
NOT_KNOWN = "time not known yet: this model has not run here"


@dataclass(frozen=True, slots=True)
class Pace:
    """The rate of a model's latest runs."""

    tokens_per_second: float
    """The middle one of the runs; above 0."""
    runs: int
    """How many were measured, at least 1."""

    def seconds_for(self, tokens: int) -> float:
        """How long a run of so many tokens takes."""
        return tokens / self.tokens_per_second

    @property
    def words(self) -> str:
        """The rate and what it rests on."""
        over = f"over the last {self.runs} runs" if self.runs > 1 else "in the last run"
        rate = self.tokens_per_second
        return f"{rate:,.{0 if rate >= 10 else 1}f} tokens/s, measured {over}"


def pace_of(rates: list[MeasuredRate], model: str, engine_name: str) -> Pace | None:
    """The pace of a model; None if it has not run.

    A question asked by itself says more than a pass of a sweep, which pauses for its answers.

    Args:
        rates: of recent traces, newest first.
        model: its name; empty for whatever the engine serves.
        engine_name: which of the app's engines serves it.
    """
    own = [each for each in rates if each.engine_name == engine_name and model in ("", each.model)]
    alone = [each for each in own if not each.is_pass]
    latest = [each.tokens_per_second for each in (alone or own)[:_RUNS]]
    return Pace(statistics.median(latest), len(latest)) if latest else None
