"""What strategies gain over a vote that costs as much: intervals and p-values by a bootstrap over questions.

Questions are drawn with replacement, each with all its passes, and in every draw the vote is mixed anew so that it
costs as much as the strategy does on the drawn questions. Means over all ways to draw passes are exact. Votes without a
closed form are compared on random orders of the passes, the same ones for both sides; there the orders are drawn with
replacement too, so that the interval has the chance of these orders in it. Import it late: scipy takes long to load.

Sources: BCa intervals, Efron 1987; their correction for few questions, Hesterberg 2015 (arXiv 1411.5279).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from m1app.benchmark.intervals import PairedDifference
from m1app.benchmark.statistics import adjusted_wald
from m1app.strategies.evaluating.evaluation import Evaluated, at_equal_tokens
from m1app.strategies.evaluating.ordered_votes import Floats, OnOrders

RESAMPLES = 9_999
_LEAST_RESAMPLES = 1_999
_MOST_COUNTS = 4_000_000
"""Resamples times questions; of more questions, there are fewer resamples."""
_SEED = 20_250_400
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Resamples:
    """How often each question, and each order of the passes, is in each resample, as shares."""

    questions: Floats
    """[resamples, questions]; each row adds up to 1."""
    orders: Floats
    """[resamples, orders], less the share that each order has without resampling; each row adds up to 0."""

    @classmethod
    def draw(cls, questions: int, orders: int) -> "Resamples":
        """Draw them; the same numbers always give the same ones.

        Args:
            questions: at least 1.
            orders: 0 where all means are exact.
        """
        chance = np.random.default_rng(_SEED)
        many = min(RESAMPLES, max(_LEAST_RESAMPLES, _MOST_COUNTS // questions))
        of_orders = _shares(chance, many, orders) - 1 / orders if orders else np.zeros((many, 0))
        return cls(_shares(chance, many, questions), of_orders)


def _shares(chance: np.random.Generator, many: int, kinds: int) -> Floats:
    drawn = chance.integers(kinds, size=(many, kinds)) + np.arange(many)[:, None] * kinds
    return np.bincount(drawn.ravel(), minlength=many * kinds).reshape(many, kinds) / kinds


@dataclass(frozen=True, slots=True)
class _Means:
    """Mean accuracy and tokens of a strategy, or of the vote at 1, 2, ... passes [..., votes]."""

    accuracy: Floats
    tokens: Floats


@dataclass(frozen=True, slots=True)
class _Observed:
    """Strategies on the same questions and orders."""

    accuracy: Floats
    """[questions, strategies]."""
    tokens: Floats
    accuracy_by_order: Floats
    """[orders, strategies]; no orders where the means are exact."""
    tokens_by_order: Floats

    def whole(self) -> _Means:
        """[1, strategies]."""
        return _Means(self.accuracy.mean(axis=0)[None], self.tokens.mean(axis=0)[None])

    def without_each(self) -> _Means:
        """[questions, strategies]: of the others."""
        return _Means(_without_each(self.accuracy), _without_each(self.tokens))

    def resampled(self, by: Resamples) -> _Means:
        """[resamples, strategies]. What orders and questions add is added up, as in the analysis of variance."""
        orders = by.orders if len(self.accuracy_by_order) else np.zeros((len(by.questions), 0))
        return _Means(
            by.questions @ self.accuracy + orders @ self.accuracy_by_order,
            by.questions @ self.tokens + orders @ self.tokens_by_order,
        )


def _without_each(values: Floats) -> Floats:
    return np.asarray((values.sum(axis=0) - values) / (len(values) - 1))


def _observed(found: Sequence[Evaluated], *, on_orders: bool) -> _Observed:
    drawn = [each.on_orders for each in found if each.on_orders] if on_orders else []
    no_orders = np.zeros((0, len(found)))
    seen: Sequence[Evaluated | OnOrders] = drawn or found
    return _Observed(
        np.stack([each.accuracy for each in seen], axis=1),
        np.stack([each.tokens for each in seen], axis=1).astype(np.float64),
        np.stack([each.accuracy_by_order for each in drawn], axis=1) if drawn else no_orders,
        np.stack([each.tokens_by_order for each in drawn], axis=1) if drawn else no_orders,
    )


def gains_over_votes(
    found: Sequence[Evaluated], votes: Sequence[Evaluated], level: float = 0.95
) -> list[PairedDifference | None]:
    """Each strategy's accuracy less that of the vote of equal cost; None where no vote costs as much.

    Args:
        found: the strategies.
        votes: the vote at 1, 2, ... passes of the same questions, in this order.
        level: of the intervals.
    """
    questions = len(votes[0].accuracy) if votes else 0
    if questions < 2:
        return [None] * len(found)
    orders = next((len(each.on_orders.accuracy_by_order) for each in votes if each.on_orders), 0)
    resamples = Resamples.draw(questions, orders)
    gains: list[PairedDifference | None] = [None] * len(found)
    for on_orders in (False, True):
        places = [
            place
            for place, each in enumerate(found)
            if (each.on_orders is not None) is on_orders
            and at_equal_tokens(votes, float(each.tokens.mean())) is not None
        ]
        if places:
            own = _observed([found[place] for place in places], on_orders=on_orders)
            compared = _compared(own, _observed(votes, on_orders=on_orders), resamples, level)
            for place, gain in zip(places, compared, strict=True):
                gains[place] = gain
    return gains


def _compared(own: _Observed, votes: _Observed, resamples: Resamples, level: float) -> Iterator[PairedDifference]:
    value = _gains(own.whole(), votes.whole())[0]
    drawn = _gains(own.resampled(resamples), votes.resampled(resamples))
    without_each = _gains(own.without_each(), votes.without_each())
    for place in range(len(value)):
        yield paired_difference(float(value[place]), drawn[:, place], without_each[:, place], level)


def _gains(own: _Means, votes: _Means) -> Floats:
    """[rows, strategies]: see `_gain`."""
    columns = [_gain(_Means(own.accuracy[:, [i]], own.tokens[:, [i]]), votes) for i in range(own.tokens.shape[1])]
    return np.stack(columns, axis=1)


def _gain(own: _Means, votes: _Means) -> Floats:
    """[rows]: accuracy less that of the mixture of two votes with as many tokens, or of the nearest vote."""
    last = votes.tokens.shape[1] - 1
    after = (votes.tokens < own.tokens).sum(axis=1, keepdims=True).clip(min(1, last), last)
    before = np.maximum(after - 1, 0)
    cost, cost_before = (np.take_along_axis(votes.tokens, place, axis=1) for place in (after, before))
    step = np.where(cost > cost_before, cost - cost_before, 1.0)
    share = ((own.tokens - cost_before) / step).clip(0, 1)
    more, fewer = (np.take_along_axis(votes.accuracy, place, axis=1) for place in (after, before))
    return np.asarray((own.accuracy - share * more - (1 - share) * fewer)[:, 0])


def paired_difference(value: float, drawn: Floats, without_each: Floats, level: float = 0.95) -> PairedDifference:
    """A mean difference over questions with its interval, and the level at which the interval would end at 0.

    Args:
        value: the difference.
        drawn: [resamples], the difference in each.
        without_each: [questions], the difference of all questions but one; at least two.
        level: of the interval.
    """
    n = len(without_each)
    differences = np.round(n * value - (n - 1) * without_each, 12)  # Of the single questions.
    gained, lost = float(differences.clip(min=0).sum()), float(-differences.clip(max=0).sum())
    if np.ptp(differences) == 0:
        # Questions that all differ alike leave the bootstrap without a measure of their spread.
        low, high = adjusted_wald(gained, lost, n, level)
        return PairedDifference(value, min(value, low), max(value, high), _least_p(differences))
    limits = _Limits.of(value, drawn, without_each)
    low, high = (float(each) for each in np.quantile(drawn, limits.tails(level)))
    p_value = limits.level_of(float(np.mean(drawn < 0) + np.mean(drawn == 0) / 2), len(drawn))
    if not gained or not lost:
        # The bootstrap never draws changes that did not occur, so its interval is too narrow.
        surer = adjusted_wald(gained, lost, n, level)
        low, high = min(low, surer[0]), max(high, surer[1])
        p_value = max(p_value, _least_p(differences))
    return PairedDifference(value, max(-1.0, min(low, value)), min(1.0, max(high, value)), p_value)


def _least_p(differences: NDArray[np.float64]) -> float:
    """The least p-value that exchanging the two sides in random questions can reach."""
    return 1.0 if not differences.any() else 2.0 ** (1 - int(np.count_nonzero(differences)))


@dataclass(frozen=True, slots=True)
class _Limits:
    """Which quantiles of the resamples limit an interval: BCa, widened for few questions."""

    bias: float
    """z0."""
    acceleration: float
    questions: int

    @classmethod
    def of(cls, value: float, drawn: Floats, without_each: Floats) -> "_Limits":
        below = (np.count_nonzero(drawn < value) + np.count_nonzero(drawn <= value)) / (2 * len(drawn))
        influence = without_each.mean() - without_each
        acceleration = float((influence**3).sum() / (6 * (influence**2).sum() ** 1.5))
        return cls(_z(below, len(drawn)), acceleration, len(without_each))

    @property
    def _widening(self) -> float:
        """The resamples' spread is too small by this factor: they divide by n instead of n - 1."""
        return math.sqrt(self.questions / (self.questions - 1))

    def tails(self, level: float) -> tuple[float, float]:
        """Quantiles of the limits; as wide as Student's t where the resamples are normal."""
        deviations = self._widening * float(t.ppf((1 + level) / 2, self.questions - 1))
        return self._tail(-deviations), self._tail(deviations)

    def _tail(self, deviations: float) -> float:
        moved = self.bias + deviations
        slope = 1 - self.acceleration * moved
        return _NORMAL.cdf(self.bias + moved / slope) if slope > 0 else float(deviations > 0)

    def level_of(self, below: float, many: int) -> float:
        """1 - level of the interval that has a limit where a share `below` of the resamples lies: `tails` inverted."""
        moved = _z(below, many) - self.bias
        slope = 1 + self.acceleration * moved
        deviations = (moved / slope if slope > 0 else moved) - self.bias
        return float(2 * t.sf(abs(deviations) / self._widening, self.questions - 1))


def _z(share: float, many: int) -> float:
    """Normal quantile; a share that no resample reaches is taken as one that the next might."""
    least = 1 / (many + 1)
    return _NORMAL.inv_cdf(min(max(share, least), 1 - least))
