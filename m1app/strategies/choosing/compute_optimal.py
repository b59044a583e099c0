"""Which strategy for which question: the best within a token budget, by difficulty (arXiv 2502.06703).

Published code takes difficulty from the right answers (github.com/RyanLiu112/compute-optimal-tts); nobody has those for
a new question, so here such bins are called an oracle. Beside them, questions are put into bins by the entropy of a
pilot. Everything is chosen on one half of the questions and evaluated on the other, many times, with the same halves at
every call: to choose the best and to report it on the same questions would be optimistic. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m1app.strategies.choosing.fits import Interval
from m1app.strategies.choosing.policy import Bin, Expected, Policy
from m1app.strategies.errors import FitRefused
from m1app.strategies.evaluating.estimators import entropy_of
from m1app.strategies.evaluating.evaluation import Evaluated, StrategyName
from m1app.strategies.evaluating.pass_grid import BLANK, PassGrid

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

REPEATS = 100
"""Halves."""
FEWEST_IN_A_BIN = 5
"""Questions of a half."""
ORACLE_BORDERS = (0.1, 0.5)
"""Accuracy of one pass below which a question is hard, or of medium difficulty, as in the paper."""
_RESAMPLES = 2_000
_SEED = 20_250_206

_WRITTEN = {
    StrategyName.BUDGET_FORCING: "budget-forcing",
    StrategyName.VOTE: "vote:k={k}",
    StrategyName.WEIGHTED_VOTE: "weighted-vote:k={k}",
    StrategyName.ADAPTIVE_VOTE: "adaptive-vote:k={k}",
    StrategyName.BETA_VOTE: "adaptive-vote:k={k}:rule=beta",
    StrategyName.FIRST_FINISH: "first-finish:n={k}",
    StrategyName.MOST_CONFIDENT: "most-confident:k={k}",
}
"""How strategies are written that do with a new question what was evaluated; early exits look at other places."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A strategy at one setting, and what it does with each question."""

    choice: str
    """As it is written: "vote:k=4"."""
    thinking_tokens: int
    """Thinking budget of each pass."""
    accuracy: Floats
    """[questions]: chance of a right answer, 0-1."""
    tokens: Floats
    """[questions]: mean tokens generated."""


def candidates_of(evaluated: Iterable[Evaluated]) -> list[Candidate]:
    """Those strategies evaluated from passes that can also be run."""
    return [
        Candidate(_WRITTEN[each.strategy].format(k=each.passes), each.budget_tokens, each.accuracy, each.tokens)
        for each in evaluated
        if each.strategy in _WRITTEN
    ]


@dataclass(frozen=True, slots=True)
class Pilot:
    """The first pass or passes of each question, at one budget."""

    thinking_tokens: int
    passes: int
    entropy: Floats
    """[questions], in bits."""
    tokens: Floats
    """[questions]: what they generated."""


def pilot_of(grid: PassGrid, budget: int, passes: int = 1) -> Pilot:
    """The entropy of the first passes: of their mean option probabilities, or of their votes if there are none.

    Args:
        grid: the stored passes.
        budget: position in the grid's budgets.
        passes: how many; votes of one pass always have an entropy of 0.
    """
    if grid.mass is not None:
        weights = grid.mass[:, :passes, budget].astype(np.float64).mean(axis=1).tolist()
    else:
        answers = grid.answers[:, :passes, budget]
        weights = [[np.count_nonzero(row == each) for each in set(row.tolist()) - {BLANK}] for row in answers]
    entropy = np.array([entropy_of(each) for each in weights])
    tokens = grid.tokens[:, :passes, budget].sum(axis=1).astype(np.float64)
    return Pilot(grid.budgets[budget], passes, entropy, tokens)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions with its 95% bootstrap interval."""

    mean: float
    interval: Interval
    tokens: float
    """For the mean question."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What choosing by question is worth, on questions that were not chosen on."""

    by_entropy: Estimate
    """The policy's way; the pilot's tokens are counted."""
    single: Estimate
    """The best one strategy for all questions."""
    gain: Estimate
    """By entropy less single, question by question; its tokens are a difference too."""
    oracle: Estimate
    """By bins of the right answers: nobody can do this with a new question."""


def make_policy(
    candidates: Sequence[Candidate],
    pilot: Pilot,
    difficulty: Floats,
    *,
    budget_tokens: int,
    made_from: str,
    model: str = "",
    bins: int = 3,
) -> tuple[Policy, Comparison]:
    """Choose a strategy for each bin, and say what that is worth.

    Args:
        candidates: to choose from.
        pilot: of the same questions.
        difficulty: [questions]: chance that one pass is right, 0-1, for the oracle.
        budget_tokens: most tokens for the mean question of each bin, the pilot included.
        made_from: the run, for people.
        model: the app's name for the model whose passes they are; empty if that is not known.
        bins: at most so many, of equally many questions; fewer where questions have the same entropy.

    Raises:
        FitRefused: there are too few questions, or no strategy is cheap enough.
    """
    table = _table(candidates, budget_tokens)
    _check(candidates, pilot, bins)
    held = [_held_out(table, way) for way in (_ByEntropy(pilot, bins), _Oracle(difficulty), _Single())]
    by_entropy, oracle, single = (_estimate(*each) for each in held)
    gain = _estimate(held[0][0] - held[2][0], held[0][1] - held[2][1])
    policy = _policy(candidates, table, pilot, bins, held[0][0], by_entropy, made_from)
    policy = policy.model_copy(update={"model": model})
    return policy, Comparison(by_entropy, single, gain, oracle)


def best_single(candidates: Sequence[Candidate], budget_tokens: int) -> Candidate:
    """The best one strategy for all questions, without a pilot.

    Raises:
        FitRefused: no strategy is cheap enough.
    """
    table = _table(candidates, budget_tokens)
    questions = table.accuracy.shape[1]
    return candidates[table.best(np.arange(questions), np.zeros(questions))]


def _table(candidates: Sequence[Candidate], budget_tokens: int) -> "_Table":
    return _Table(
        np.array([each.accuracy for each in candidates], dtype=np.float64),
        np.array([each.tokens for each in candidates], dtype=np.float64),
        budget_tokens,
    )


def _check(candidates: Sequence[Candidate], pilot: Pilot, bins: int) -> None:
    questions, needed = len(pilot.entropy), 2 * bins * FEWEST_IN_A_BIN
    if not candidates:
        raise FitRefused("There is no strategy to choose from: the run has none that can be used on a new question.")
    if questions < needed:
        raise FitRefused(
            f"The run has {questions:,} questions; {needed:,} are needed for {bins:,} bins. Ask more questions, or use "
            "fewer bins."
        )


@dataclass(frozen=True, slots=True)
class _Table:
    """All candidates."""

    accuracy: Floats
    """[candidates, questions]."""
    tokens: Floats
    """[candidates, questions]."""
    budget_tokens: int

    def best(self, questions: Ints, besides: Floats) -> int:
        """The most accurate candidate that the budget pays for; of equals the cheapest.

        Args:
            questions: of the bin.
            besides: [questions]: tokens that are spent besides.
        """
        tokens = self.tokens[:, questions].mean(axis=1) + besides[questions].mean()
        accuracy = np.where(tokens <= self.budget_tokens, self.accuracy[:, questions].mean(axis=1), -1.0)
        if accuracy.max() < 0:
            raise FitRefused(
                f"No strategy costs at most {self.budget_tokens:,} mean tokens per question in a bin; the cheapest "
                f"costs {tokens.min():,.0f}. Allow more tokens."
            )
        # Rounded, so that sums in another order are equal as they should.
        return int(np.lexsort((tokens, -np.round(accuracy, 9)))[0])


class _Single:
    """All questions in one bin, without a pilot."""

    def borders(self, questions: Ints) -> Floats:
        return np.empty(0)

    def places(self, borders: Floats, questions: Ints) -> Ints:
        return np.zeros(len(questions), dtype=np.intp)

    def besides(self, count: int) -> Floats:
        return np.zeros(count)


class _ByEntropy(_Single):
    """Bins of equally many questions by entropy."""

    def __init__(self, pilot: Pilot, bins: int) -> None:
        self._pilot, self._bins = pilot, bins

    def borders(self, questions: Ints) -> Floats:
        entropy = self._pilot.entropy[questions]
        found = np.unique(np.quantile(entropy, np.arange(1, self._bins) / self._bins, method="higher"))
        return np.asarray(found[found > entropy.min()], dtype=np.float64)

    def places(self, borders: Floats, questions: Ints) -> Ints:
        return np.searchsorted(borders, self._pilot.entropy[questions], side="right")

    def besides(self, count: int) -> Floats:
        return self._pilot.tokens


class _Oracle(_Single):
    """Bins by how often a pass is right."""

    def __init__(self, difficulty: Floats) -> None:
        self._difficulty = difficulty

    def places(self, borders: Floats, questions: Ints) -> Ints:
        return np.searchsorted(np.array(ORACLE_BORDERS), self._difficulty[questions], side="right")


def _chosen(table: _Table, way: _Single, borders: Floats, questions: Ints) -> dict[int, int]:
    """The best candidate of each bin that has questions."""
    places, besides = way.places(borders, questions), way.besides(table.accuracy.shape[1])
    return {int(place): table.best(questions[places == place], besides) for place in np.unique(places)}


def _held_out(table: _Table, way: _Single) -> tuple[Floats, Floats]:
    """Accuracy and tokens of each question [questions], over all halves that were not chosen on."""
    count = table.accuracy.shape[1]
    accuracy, tokens, times = np.zeros(count), np.zeros(count), np.zeros(count)
    chance, besides = np.random.default_rng(_SEED), way.besides(count)
    for _ in range(REPEATS):
        order = chance.permutation(count)
        for on, off in ((order[: count // 2], order[count // 2 :]), (order[count // 2 :], order[: count // 2])):
            borders = way.borders(on)
            chosen = _chosen(table, way, borders, on)
            # A bin that the other half has no question in is treated as the nearest one.
            places = way.places(borders, off)
            by_place = np.array([chosen[_nearest(place, chosen)] for place in range(int(places.max()) + 1)])
            rows = by_place[places]
            accuracy[off] += table.accuracy[rows, off]
            tokens[off] += table.tokens[rows, off] + besides[off]
            times[off] += 1
    return accuracy / times, tokens / times


def _nearest(place: int, places: Iterable[int]) -> int:
    return min(places, key=lambda each: (abs(each - place), each))


def _estimate(values: Floats, tokens: Floats) -> Estimate:
    """The mean over questions."""
    return Estimate(float(values.mean()), _bootstrap(values), float(tokens.mean()))


def _bootstrap(values: Floats) -> Interval:
    count = len(values)
    times = np.random.default_rng(_SEED).multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
    low, high = np.quantile(times @ values / count, (0.025, 0.975))
    return Interval(float(low), float(high))


def _policy(
    candidates: Sequence[Candidate],
    table: _Table,
    pilot: Pilot,
    bins: int,
    held_out: Floats,
    overall: Estimate,
    made_from: str,
) -> Policy:
    """The policy chosen on all questions; its accuracies are those of the halves."""
    way, questions = _ByEntropy(pilot, bins), np.arange(len(pilot.entropy))
    borders = way.borders(questions)
    places = way.places(borders, questions)
    made = []
    for place, row in sorted(_chosen(table, way, borders, questions).items()):
        inside = questions[places == place]
        made.append(
            Bin(
                below_bits=float(borders[place]) if place < len(borders) else None,
                choice=candidates[row].choice,
                thinking_tokens=candidates[row].thinking_tokens,
                mean_tokens=float((table.tokens[row, inside] + pilot.tokens[inside]).mean()),
                expected=_expected(float(held_out[inside].mean()), _bootstrap(held_out[inside])),
                questions=len(inside),
            )
        )
    return Policy(
        made_from=made_from[:200],
        questions=len(questions),
        pilot_tokens=pilot.thinking_tokens,
        pilot_passes=pilot.passes,
        budget_tokens=table.budget_tokens,
        expected=_expected(overall.mean, overall.interval),
        bins=tuple(made),
    )


def _expected(accuracy: float, interval: Interval) -> Expected:
    mean, low, high = (min(1.0, max(0.0, each)) for each in (accuracy, interval.low, interval.high))
    return Expected(accuracy=mean, low=low, high=high)
