"""How fast a model has generated on its engine lately, and how long that makes a run.

A model rarely spends its whole budget. So beside the most that a run can take stands what it is likely to take, from
the lengths of the model's own latest runs.
"""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from m1app.wording import duration
from storage.traces.records import MeasuredLength, MeasuredRate

_RUNS = 5
_LENGTHS = 20
"""Runs whose lengths count: they differ more from question to question than the rate does."""
_ALMOST = 0.9
"""From this share of the most on, the range says nothing more."""
_ONE_UNIT = re.compile(r"(?P<number>[\d.]+) (?P<unit>s|min|h)")
NOT_KNOWN = "time unknown: this model has not run here yet"


@dataclass(frozen=True, slots=True)
class LikelyTokens:
    """How many tokens a run is likely to generate: the middle half of the latest runs."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pace:
    """The rate of a model's latest runs, and their lengths."""

    tokens_per_second: float
    """The middle one of the runs; above 0."""
    runs: int
    """How many were measured, at least 1."""
    lengths: tuple[MeasuredLength, ...] = ()
    """Of the latest runs that ended by themselves or by their budget, newest first."""

    def seconds_for(self, tokens: float) -> float:
        """How long a run of so many tokens takes."""
        return tokens / self.tokens_per_second

    @property
    def words(self) -> str:
        """The rate and what it rests on."""
        over = f"over the last {self.runs} runs" if self.runs > 1 else "in the last run"
        rate = self.tokens_per_second
        return f"{rate:,.{0 if rate >= 10 else 1}f} tokens/s, measured {over}"

    def likely_tokens(
        self, budgets: Sequence[int], force_rounds: Sequence[int], answer_cap_tokens: int
    ) -> LikelyTokens | None:
        """What one pass with its answers is likely to generate; None before any run has stopped by itself.

        Args:
            budgets: thinking budgets of the grid, in tokens; one for a probe.
            force_rounds: numbers of force rounds of the grid; one for a probe.
            answer_cap_tokens: most tokens of an answer.
        """
        if not any(each.is_natural for each in self.lengths):
            return None
        ranges = [_range_of(each, budgets, force_rounds, answer_cap_tokens) for each in self.lengths]
        return LikelyTokens(_quartile([low for low, _ in ranges], 1), _quartile([high for _, high in ranges], 3))


def time_words(likely_seconds: tuple[float, float] | None, most_seconds: float) -> str:
    """As in "about 10–25 s; at most 80 s", or "up to about 80 s" if it is not known how much of that is likely."""
    most = duration(most_seconds)
    if likely_seconds is None or likely_seconds[0] >= _ALMOST * most_seconds:
        return f"up to about {most}"
    low, high = map(duration, likely_seconds)
    return f"about {_span(low, high)}; at most {most}"


def _span(low: str, high: str) -> str:
    """Two durations as one: "10–25 s", "50 s – 2 min"; one if they are equal."""
    one, other = _ONE_UNIT.fullmatch(low), _ONE_UNIT.fullmatch(high)
    if low == high:
        return low
    if one and other and one["unit"] == other["unit"]:
        return f"{one['number']}–{high}"
    return f"{low} – {high}"


def _quartile(values: Sequence[float], number: int) -> float:
    return statistics.quantiles(values, n=4, method="inclusive")[number - 1] if len(values) > 1 else values[0]


def _range_of(
    past: MeasuredLength, budgets: Sequence[int], force_rounds: Sequence[int], answer_cap_tokens: int
) -> tuple[float, float]:
    """Fewest and most tokens if a run went as a past one did."""
    rounds = max(force_rounds)
    scaled = past.thinking_tokens * (rounds + 1) / (past.force_rounds + 1)
    # Rounds that are forced are often shorter than the first.
    shorter, longer = sorted((scaled, float(past.thinking_tokens)))
    longest = longer if past.is_natural else float(max(budgets))
    fewest = 0 if past.answer_tokens is None else min(past.answer_tokens, answer_cap_tokens)
    most = answer_cap_tokens if past.answer_tokens is None else fewest
    return (
        min(shorter, max(budgets)) + fewest * _cuts(shorter, budgets, force_rounds),
        min(longest, max(budgets)) + most * _cuts(longest, budgets, force_rounds),
    )


def _cuts(thinking_tokens: float, budgets: Sequence[int], force_rounds: Sequence[int]) -> int:
    """Number of different places at which a pass of this length is answered."""
    stops = [thinking_tokens * (rounds + 1) / (max(force_rounds) + 1) for rounds in force_rounds]
    return len({round(min(budget, stop)) for budget in budgets for stop in stops})


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
    lengths = [each.length for each in (alone or own) if each.length is not None][:_LENGTHS]
    return Pace(statistics.median(latest), len(latest), tuple(lengths)) if latest else None
