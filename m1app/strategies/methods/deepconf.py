"""DeepConf online (arXiv 2508.15260): passes whose confidence falls too low are cancelled, the others vote by it.

A token's confidence is minus the mean log probability of the 20 likeliest tokens there; a group's is the mean over a
window of tokens. Warm-up passes run to their end. The bar is a percentile of their lowest group confidences: a later
pass is cancelled at its first group below the bar. What is left, warm-up passes at the bar or above it included, votes;
a vote weighs as much as the lowest group confidence of its pass.

Picture "confidence": {"window": 128, "bar": 9.1 or null, "passes": [{"pass": 0, "points": [[tokens, group confidence],
...] at most 100, "lowest": 8.7 or null, "state": "runs" | "kept" | "cut" | "failed", "warmup": true}, ...], "votes":
{answer: weight}}.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.passes import Pass, Passes, thinking_share
from m1app.strategies.protocol import Action, Event, Grew, Show, Strategy, Task, Verdict

_MOST_POINTS = 100
_SHOWN_EVERY = 32
"""Thinking tokens of a pass between two pictures."""
_MOST_ANSWERS_SHOWN = 20


@dataclass(slots=True)
class _Confidence:
    """A pass's group confidence as it goes."""

    window: int
    latest: deque[float] = field(default_factory=deque)
    total: float = 0.0
    count: int = 0
    lowest: float | None = None
    """Of the whole groups; None before the first one."""
    points: list[tuple[int, float]] = field(default_factory=list)
    step: int = 1
    is_cut: bool = False

    def add(self, value: float) -> None:
        self.latest.append(value)
        self.total += value
        self.count += 1
        if len(self.latest) > self.window:
            self.total -= self.latest.popleft()
        if len(self.latest) == self.window:
            group = self.total / self.window
            self.lowest = group if self.lowest is None else min(self.lowest, group)
        if self.count % self.step == 0:
            self._plot()

    def _plot(self) -> None:
        self.points.append((self.count, round(self.total / len(self.latest), 4)))
        if len(self.points) > _MOST_POINTS:
            self.points, self.step = self.points[1::2], self.step * 2

    @property
    def worth(self) -> float | None:
        """The lowest group confidence; of a pass that is shorter than a group, its mean. None without tokens."""
        if self.lowest is not None or not self.count:
            return self.lowest
        return self.total / self.count


@dataclass(slots=True)
class _Filter:
    """All passes' confidences, and the bar."""

    passes: Passes
    window: int
    warmup: int
    of: dict[int, _Confidence] = field(default_factory=dict)
    bar: float | None = None

    def grow(self, event: Grew) -> list[Action]:
        """Take the confidences of new tokens; cancel the pass if a group is below the bar."""
        found = self.passes.of(event.key)
        if found is None or event.is_inserted:
            return []
        if not event.confidences:
            raise StrategyRefused(
                "DeepConf needs the probabilities of the likeliest tokens, and there are none: the engine does not "
                "return them, or they were not stored. Choose an engine that does, or another strategy."
            )
        own = self.of[found.number]
        for value in event.confidences:
            own.add(value)
            if self.bar is not None and own.lowest is not None and own.lowest < self.bar:
                own.is_cut = True
                return self.passes.cancel(lambda each: each is found)
        return []

    def kept(self) -> Sequence[Pass]:
        """Passes that vote."""
        return [each for each in self.passes.answered if not self.is_below(each)]

    def is_below(self, each: Pass) -> bool:
        """Whether a pass is below the bar."""
        worth = self.of[each.number].worth
        return self.bar is not None and worth is not None and worth < self.bar


def deepconf(task: Task, k: int = 8, warmup: int = 4, window: int = 128, percentile: float = 10.0) -> Strategy:
    """The answer with the most confidence among the passes that stayed above the bar.

    Args:
        task: with or without options.
        k: passes in all.
        warmup: passes that set the bar.
        window: tokens of a group.
        percentile: of the lowest group confidences of the warm-up passes, 0-100.

    Raises:
        StrategyRefused: there are fewer passes than warm-up passes, or the engine gives no probabilities.
    """
    if warmup > k:
        raise StrategyRefused(
            f"DeepConf's {warmup:,} warm-up passes are more than its {k:,} passes. Ask for at least {warmup:,} passes, "
            "or fewer warm-up passes."
        )
    share = thinking_share(task, k)
    step = max(8, window // 4)  # Where tokens come in pieces, a pass is judged at the end of each.
    passes = Passes(
        task, share, wants_probabilities=True, wants_confidence=True, pause_at=tuple(range(step, share, step))
    )
    filtered = _Filter(passes, window, warmup)
    shown = [0] * k
    for count in (warmup, k - warmup):
        actions: list[Action] = []
        for _ in range(count):
            actions += passes.begin()
            filtered.of[len(passes.all) - 1] = _Confidence(window)
        while passes.running:
            event = yield actions
            actions = passes.take(event)
            if isinstance(event, Grew):
                actions += filtered.grow(event)
            if _is_seen(event, filtered, shown):
                actions.append(_picture(filtered))
        worths = [filtered.of[each.number].worth for each in passes.answered]
        if filtered.bar is None and (known := [each for each in worths if each is not None]):
            filtered.bar = percentile_of(known, percentile)
    return _verdict(filtered)


def percentile_of(values: Sequence[float], percentile: float) -> float:
    """The percentile between the two nearest of the values, as NumPy computes it by default."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percentile / 100
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _weights(filtered: _Filter) -> dict[str, float]:
    """Answer -> confidence, the leader first; ties go to the answer that came first."""
    weights: dict[str, float] = {}
    for each in filtered.kept():
        if each.said is not None:
            weights[each.said] = weights.get(each.said, 0.0) + (filtered.of[each.number].worth or 0.0)
    return dict(sorted(weights.items(), key=lambda item: -round(item[1], 9)))


def _is_seen(event: Event, filtered: _Filter, shown: list[int]) -> bool:
    if not isinstance(event, Grew):
        return True
    found = filtered.passes.of(event.key)
    if found is None or (event.tokens < shown[found.number] + _SHOWN_EVERY and not filtered.of[found.number].is_cut):
        return False
    shown[found.number] = event.tokens
    return True


def _picture(filtered: _Filter) -> Show:
    drawn = []
    for each in filtered.passes.all:
        own = filtered.of[each.number]
        worth = own.worth
        drawn.append(
            {
                "pass": each.number,
                "points": [list(point) for point in own.points],
                "lowest": None if worth is None else round(worth, 4),
                "state": _state(each, filtered),
                "warmup": each.number < filtered.warmup,
            }
        )
    leading = list(_weights(filtered).items())[:_MOST_ANSWERS_SHOWN]
    votes = {answer[:80]: round(weight, 4) for answer, weight in leading}
    bar = None if filtered.bar is None else round(filtered.bar, 4)
    return Show("confidence", {"window": filtered.window, "bar": bar, "passes": drawn, "votes": votes})


def _state(each: Pass, filtered: _Filter) -> str:
    if each.error:
        return "failed"
    if filtered.of[each.number].is_cut or (each.is_done and filtered.is_below(each)):
        return "cut"
    return "kept" if each.is_done else "runs"


def _verdict(filtered: _Filter) -> Verdict:
    passes, picture = filtered.passes, (_picture(filtered),)
    failed = [each for each in passes.all if each.error]
    weights = _weights(filtered)
    kept = filtered.kept()
    tail = f" {len(failed):,} more could not be asked: {failed[0].error}" if failed else ""
    if not kept:
        return Verdict(None, "", f"No pass was answered.{tail}", last_shown=picture)
    if not weights:
        return Verdict(None, "", f"None of the {len(kept):,} passes named an answer.{tail}", last_shown=picture)
    leader = next(iter(weights))
    of = next(each for each in kept if each.said == leader)
    cut = sum(_state(each, filtered) == "cut" for each in passes.all)
    why = (
        f"The most confidence of the {len(kept):,} passes that were kept; {cut:,} of {len(passes.all):,} fell below "
        f"the bar.{tail}"
    )
    return Verdict(leader if passes.task.options else None, of.answer, why, of.key, picture)
