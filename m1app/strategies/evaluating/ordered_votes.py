"""Votes that depend on the order of the passes or on their weights: evaluated on the same orders for every question.

Of few passes, these are all orders, so that the results are exact; of more, random ones. All votes of one grid share
them, so that what one vote gains over another is not the luck of its orders. Memory is bounded: questions are evaluated
some at a time, and only means are kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from m1app.strategies.evaluating.pass_grid import RIGHT, PassGrid

Floats = NDArray[np.float64]

DRAWS = 256
"""Random orders."""
ALL_ORDERS = 5
"""Of so many passes every order is taken."""
_MOST_NUMBERS = 2_000_000
"""Of one array."""
_SEED = 20_250_400


@dataclass(frozen=True, slots=True)
class OnOrders:
    """What a vote came to on the orders."""

    accuracy: Floats
    """[questions]: share of the orders in which the question's answer is right; a tie counts by its share."""
    tokens: Floats
    """[questions]: mean tokens."""
    accuracy_by_order: Floats
    """[orders]: mean over questions."""
    tokens_by_order: Floats
    """[orders]."""


@dataclass(frozen=True, slots=True)
class OrderedVotes:
    """All votes of a grid at one budget; entry k - 1 is of at most k passes."""

    is_exact: bool
    """Whether these are all orders."""
    plain: tuple[OnOrders, ...]
    weighted: tuple[OnOrders, ...] | None
    """None without probabilities."""
    adaptive: tuple[OnOrders, ...]
    """In the order of the rules, each at all its stages; see `ordered_votes`."""


@dataclass(frozen=True, slots=True)
class StopRule:
    """When a vote that looks at its leader ends."""

    stages: tuple[int, ...]
    """Numbers of passes after which it looks, ascending; at the last it ends in any case."""
    is_clear: NDArray[np.bool_]
    """[n + 1, n + 1, n + 1]: by passes so far, votes of the leader, votes of the second."""


def ordered_votes(grid: PassGrid, budget: int, rules: Sequence[StopRule]) -> OrderedVotes:
    """Evaluate plain, weighted and adaptive votes.

    Args:
        grid: the stored passes.
        budget: position in the grid's budgets.
        rules: of the adaptive votes.
    """
    orders = _orders(grid.passes)
    many = grid.passes
    plain = [_Means(grid.questions, len(orders)) for _ in range(many)]
    weighted = [_Means(grid.questions, len(orders)) for _ in range(many)]
    adaptive = [_Means(grid.questions, len(orders)) for _ in rules]
    for places in _portions(grid, len(orders)):
        letters = grid.answers[places, :, budget][:, orders]
        votes = (letters[..., None] == np.arange(max(1, grid.answers.max() + 1))).cumsum(axis=2, dtype=np.int16)
        right = _won(votes)
        spent = grid.tokens[places, :, budget][:, orders].cumsum(axis=2)
        for k in range(many):
            plain[k].add(places, right[..., k], spent[..., k])
        ranked = np.sort(votes, axis=-1)
        second = ranked[..., -2] if ranked.shape[-1] > 1 else np.zeros_like(ranked[..., -1])
        for means, rule in zip(adaptive, rules, strict=True):
            ends = _ends(rule, ranked[..., -1], second)
            means.add(places, _at(right, ends), _at(spent, ends))
        if grid.mass is not None:
            # In double precision, so that passes summed in another order tie as they should.
            mass = grid.mass[places, :, budget].astype(np.float64)[:, orders].cumsum(axis=2)
            by_mass = _won(mass)
            for k in range(many):
                weighted[k].add(places, by_mass[..., k], spent[..., k])
    return OrderedVotes(
        many <= ALL_ORDERS,
        tuple(each.found() for each in plain),
        None if grid.mass is None else tuple(each.found() for each in weighted),
        tuple(each.found() for each in adaptive),
    )


def _orders(passes: int) -> NDArray[np.intp]:
    """[orders, passes]."""
    if passes <= ALL_ORDERS:
        return np.array(list(permutations(range(passes))), dtype=np.intp)
    chance = np.random.default_rng(_SEED)
    return chance.permuted(np.tile(np.arange(passes), (DRAWS, 1)), axis=1)


def _portions(grid: PassGrid, orders: int) -> Iterator[slice]:
    answers = max(2, int(grid.answers.max()) + 1, grid.mass.shape[-1] if grid.mass is not None else 0)
    size = max(1, _MOST_NUMBERS // (orders * grid.passes * answers))
    return (slice(start, start + size) for start in range(0, grid.questions, size))


class _Means:
    """Collects means over questions and over orders."""

    def __init__(self, questions: int, orders: int) -> None:
        self._by_question = np.zeros((2, questions))
        self._by_order = np.zeros((2, orders))
        self._questions = questions

    def add(self, places: slice, right: NDArray[np.generic], tokens: NDArray[np.generic]) -> None:
        """Take some questions: [questions, orders] each."""
        for row, values in enumerate((right, tokens)):
            self._by_question[row, places] = values.mean(axis=1)
            self._by_order[row] += values.sum(axis=0)

    def found(self) -> OnOrders:
        by_order = self._by_order / self._questions
        return OnOrders(self._by_question[0], self._by_question[1], by_order[0], by_order[1])


def _ends(rule: StopRule, leader: NDArray[np.int16], second: NDArray[np.int16]) -> NDArray[np.intp]:
    """[questions, orders]: position of the pass with which the vote ends."""
    stages = np.array(rule.stages)
    clear = rule.is_clear[stages, leader[..., stages - 1], second[..., stages - 1]]
    clear[..., -1] = True
    return np.asarray(stages[clear.argmax(axis=-1)] - 1)


def _at(values: NDArray[np.generic], ends: NDArray[np.intp]) -> NDArray[np.generic]:
    return np.asarray(np.take_along_axis(values, ends[..., None], axis=-1)[..., 0])


def _won(scores: NDArray[np.generic]) -> Floats:
    """The right answer's share of the win, by the scores of the answers [..., answers]; 0 where every score is 0."""
    numbers = scores.astype(np.float64, copy=False)
    best = numbers.max(axis=-1)
    leads = numbers >= (best * (1 - 1e-9))[..., None]
    return np.where(leads[..., RIGHT] & (best > 0), 1.0 / leads.sum(axis=-1), 0.0)
