"""Where more passes or more tokens stop paying: a saturation law fitted to a curve, and the gain of each doubling.

The law is TTSPM's, F(N) = Fmax (1 - (1 - p)^N) (arXiv 2505.20522), fitted by least squares. Intervals are 95%
percentile bootstrap intervals over questions, from the same draws at every call. Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m1app.strategies.errors import FitRefused

Floats = NDArray[np.float64]

RESAMPLES = 1_000
FEWEST_POINTS = 3
"""Of a fit: the law has two parameters."""
_SEED = 20_250_520
_GRID = 100
_ZOOMS = 3
_FASTEST, _SLOWEST = 20.0, 1e-3
"""(1 - p)^N is e^-20 at the smallest N of the fastest law tried, and e^-0.001 at the largest N of the slowest."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95% interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """One N of a fitted curve."""

    n: float
    observed: float
    """Accuracy, 0-1."""
    fitted: float
    residual: float
    """Observed less fitted."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """A curve's saturation law."""

    highest: float
    """Fmax: the accuracy that it tends to, 0-1."""
    highest_interval: Interval
    p: float
    """Share of the distance to the highest that one more N covers, 0-1."""
    p_interval: Interval
    points: tuple[Point, ...]
    error: float
    """Root of the mean squared residual."""
    questions: int
    resampled: Floats
    """[resamples, 2]: highest and rate -ln(1 - p) of each bootstrap sample."""

    def at(self, n: float) -> float:
        """The fitted accuracy at N."""
        return float(self.highest * (1 - (1 - self.p) ** n))

    def saturates_at(self, epsilon: float) -> int:
        """N*: the smallest N, at least 1, from which one more adds less than `epsilon` (0-1) of accuracy.

        It is an extrapolation if it lies beyond the points.

        Raises:
            ValueError: epsilon is not above 0.
        """
        return _saturates_at(self.highest, -math.log1p(-self.p), epsilon)

    def saturates_at_interval(self, epsilon: float) -> Interval:
        """The interval of N*."""
        found = [_saturates_at(highest, rate, epsilon) for highest, rate in self.resampled.tolist()]
        return _interval(np.array(found, dtype=np.float64))


def _saturates_at(highest: float, rate: float, epsilon: float) -> int:
    """N* = ceil(ln(epsilon / (Fmax p)) / ln(1 - p)), section 3 of the paper; 1 where that is less."""
    if epsilon <= 0:
        raise ValueError(f"epsilon has to be above 0, not {epsilon}")
    first = highest * -math.expm1(-rate)
    return max(1, math.ceil(math.log(epsilon / first) / -rate)) if first > epsilon else 1


def fit_saturation(ns: Sequence[float], accuracy: Floats) -> Saturation:
    """Fit the law to a curve.

    Args:
        ns: N of each point, above 0: passes, rounds, or budgets in a unit, such as 256 tokens, which N* then counts in.
        accuracy: [questions, points]: chance that a question's answer is right at each N, 0-1.

    Raises:
        FitRefused: there are too few points or questions, or nothing was ever right.
    """
    x, y = _checked(ns, accuracy, FEWEST_POINTS)
    if not y.any():
        raise FitRefused("No answer was right at any point, so there is no curve to fit.")
    mean = y.mean(axis=0)
    highest, rate = (float(each[0]) for each in _least_squares(x, mean[None, :]))
    draws = _resampled_means(y)
    resampled = np.stack(_least_squares(x, draws), axis=1)
    fitted = highest * -np.expm1(-rate * x)
    points = tuple(Point(n, o, f, o - f) for n, o, f in zip(x.tolist(), mean.tolist(), fitted.tolist(), strict=True))
    return Saturation(
        highest=highest,
        highest_interval=_interval(resampled[:, 0]),
        p=-math.expm1(-rate),
        p_interval=_interval(-np.expm1(-resampled[:, 1])),
        points=points,
        error=math.sqrt(sum(each.residual**2 for each in points) / len(points)),
        questions=len(y),
        resampled=resampled,
    )


def _least_squares(x: Floats, curves: Floats) -> tuple[Floats, Floats]:
    """Highest and rate of the best law for each curve [curves, points].

    For a given rate the best highest has a closed form, so only the rate is searched: on a grid, then on finer ones
    around the best.
    """
    low = np.full(len(curves), math.log(_SLOWEST / x.max()))
    high = np.full(len(curves), math.log(_FASTEST / x.min()))
    rate = highest = np.zeros(len(curves))
    for _ in range(_ZOOMS):
        rates = np.exp(np.linspace(low, high, _GRID, axis=1))
        shapes = -np.expm1(-rates[:, :, None] * x)
        heights = np.clip((shapes @ curves[:, :, None])[..., 0] / (shapes**2).sum(axis=-1), 0.0, 1.0)
        squares = ((heights[..., None] * shapes - curves[:, None, :]) ** 2).sum(axis=-1)
        best = squares.argmin(axis=1)[:, None]
        rate = np.take_along_axis(rates, best, axis=1)[:, 0]
        highest = np.take_along_axis(heights, best, axis=1)[:, 0]
        step = (high - low) / (_GRID - 1)
        low, high = np.log(rate) - step, np.log(rate) + step
    return highest, rate


@dataclass(frozen=True, slots=True)
class Doubling:
    """What a curve gains from one point to the next."""

    n: float
    to: float
    gain: float
    """Accuracy, 0-1, for each doubling of N."""
    interval: Interval


@dataclass(frozen=True, slots=True)
class Payoff:
    """Where a curve stops paying."""

    stops_at: float | None
    """The smallest N from which no step gains `epsilon` for a doubling; None if the last step still does."""
    low: float
    """The N that 2.5% of the bootstrap samples stop before."""
    high: float | None
    """The N that 97.5% have stopped at; None if more than 2.5% never stop."""
    doublings: tuple[Doubling, ...]


def stops_paying(ns: Sequence[float], accuracy: Floats, epsilon: float) -> Payoff:
    """Find where one more token, or pass, stops paying.

    Args:
        ns: passes, or tokens, of each point, above 0.
        accuracy: [questions, points]: chance that a question's answer is right, 0-1.
        epsilon: accuracy, 0-1, that a doubling has to gain to be worth it.

    Raises:
        FitRefused: there are fewer than two points or two questions.
    """
    x, y = _checked(ns, accuracy, 2)
    doublings = np.log2(x[1:] / x[:-1])
    gains = np.diff(y.mean(axis=0)) / doublings
    drawn = np.diff(_resampled_means(y), axis=1) / doublings
    beyond = np.append(x, np.inf)
    at = beyond[_first_of_rest(gains[None, :], epsilon)][0]
    low, high = np.quantile(_first_of_rest(drawn, epsilon), (0.025, 0.975), method="nearest")
    steps = zip(x[:-1].tolist(), x[1:].tolist(), gains.tolist(), drawn.T, strict=True)
    return Payoff(
        stops_at=_finite(at),
        low=float(beyond[min(low, len(x) - 1)]),
        high=_finite(beyond[high]),
        doublings=tuple(Doubling(n, to, gain, _interval(each)) for n, to, gain, each in steps),
    )


def _first_of_rest(gains: Floats, epsilon: float) -> NDArray[np.intp]:
    """[curves]: the first point after which no step gains epsilon; the number of points if the last step does."""
    pays = gains >= epsilon
    last = gains.shape[1] - pays[:, ::-1].argmax(axis=1)
    first = np.where(pays.any(axis=1), last, 0)
    return np.where(first == gains.shape[1], gains.shape[1] + 1, first)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _checked(ns: Sequence[float], accuracy: Floats, fewest: int) -> tuple[Floats, Floats]:
    """The points in order of N."""
    x, y = np.asarray(ns, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if y.ndim != 2 or y.shape[1:] != x.shape:
        raise ValueError(f"accuracies of shape {y.shape} do not fit {x.shape} points")
    order = np.argsort(x)
    x, y = x[order], y[:, order]
    distinct = len(np.unique(x))
    if distinct < fewest:
        raise FitRefused(
            f"The curve has {distinct:,} different points; {fewest:,} are needed. Run more budgets or more passes."
        )
    if len(y) < 2:
        raise FitRefused(f"The curve rests on {len(y):,} questions; at least 2 are needed.")
    if distinct < len(x) or not (np.isfinite(x).all() and x[0] > 0):
        raise ValueError("every N has to be above 0, and to occur once")
    if not np.isfinite(y).all() or y.min() < 0 or y.max() > 1:
        raise ValueError("accuracies have to be between 0 and 1")
    return x, y


def _resampled_means(accuracy: Floats) -> Floats:
    """[resamples, points]: curves of questions drawn with replacement."""
    questions = len(accuracy)
    chance = np.random.default_rng(_SEED)
    times = chance.multinomial(questions, np.full(questions, 1 / questions), size=RESAMPLES)
    return np.asarray(times @ accuracy / questions, dtype=np.float64)


def _interval(values: Floats) -> Interval:
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(float(low), float(high))
