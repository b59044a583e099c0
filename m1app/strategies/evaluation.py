"""Strategies evaluated from stored passes: the accuracy and the cost that each would have had, question by question.

No request is made. Each strategy is evaluated over all ways to draw its passes (`estimators`), except for votes that
depend on the order or the weights of the passes: these use the same draws for every question. Costs count every token
that a live run would generate, those of cancelled passes too.

Sources: votes, arXiv 2203.11171; those that end when clear, arXiv 2305.11860; early exit by probability, DEER, arXiv
2504.15895; by agreement, Dynasor, arXiv 2412.20993; races, arXiv 2505.18149. docs/strategies/ describes each, and where
it differs from published code.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from m1app.strategies.estimators import first_of_k, majority_at_k, pass_at_k
from m1app.strategies.pass_grid import BLANK, RIGHT, PassGrid

Floats = NDArray[np.float64]

DRAWS = 256
"""Draws for votes without a closed form."""
EXIT_PROBABILITIES = (0.8, 0.9, 0.95, 0.99)
"""How probable the leading option must be for an early exit."""
ADAPTIVE_STAGES = (2, 4, 8, 16, 32, 64)
"""Numbers of passes after which an adaptive vote looks at its leader."""
ADAPTIVE_SHARE = 0.75
"""Share of the votes that ends an adaptive vote."""
_SEED = 20_250_400


class Strategy(StrEnum):
    """Ways to spend tokens on a question."""

    CHAIN = "chain"
    """One pass to a thinking budget: what m1 does."""
    VOTE = "vote"
    """The answer that most of k passes give."""
    WEIGHTED_VOTE = "weighted vote"
    """The answer with the most probability, summed over k passes."""
    ADAPTIVE_VOTE = "adaptive vote"
    """A vote that ends when its leader is clear."""
    FIRST_TO_FINISH = "first to finish"
    """The answer of the pass that ends its thinking first; the others are cancelled."""
    MOST_CONFIDENT = "most confident"
    """The answer of the pass whose own letter is most probable."""
    EXIT_WHEN_SURE = "exit when sure"
    """One pass, answered at the first budget where an option is probable enough."""
    EXIT_ON_AGREEMENT = "exit on agreement"
    """One pass, answered at the first budget where the leading option is the one before."""
    CEILING = "ceiling"
    """Whether any of k passes is right: not a strategy, since it needs the target."""


NEED_PROBABILITIES = frozenset(
    {Strategy.WEIGHTED_VOTE, Strategy.MOST_CONFIDENT, Strategy.EXIT_WHEN_SURE, Strategy.EXIT_ON_AGREEMENT}
)
"""Strategies that need the probabilities of the options."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A strategy at one setting."""

    strategy: Strategy
    budget_tokens: int
    """Thinking budget of each pass; the largest for an early exit."""
    passes: int
    """Passes per question, at most."""
    threshold: float | None
    """Of an early exit."""
    accuracy: Floats
    """[questions]: chance that the question's answer is right, 0-1."""
    tokens: Floats
    """[questions]: mean tokens generated for the question."""


def evaluate(grid: PassGrid, budget: int) -> Iterator[Evaluated]:
    """Evaluate every strategy that the grid has the data for.

    Args:
        grid: the stored passes.
        budget: position in the grid's budgets, at which several passes are drawn.
    """
    yield from (_chain(grid, place) for place in range(len(grid.budgets)))
    draws = _Draws(grid.passes)
    several: list[Callable[[PassGrid, int, int], Evaluated]] = [_vote, _first_to_finish, _ceiling]
    if grid.mass is not None:
        several += [partial(_weighted_vote, draws), _most_confident]
    for made in several:
        yield from (made(grid, budget, k) for k in range(1, grid.passes + 1))
    yield from (_adaptive_vote(draws, grid, budget, most) for most in ADAPTIVE_STAGES if most <= grid.passes)
    if grid.mass is not None and len(grid.budgets) > 1:
        yield from (_exit_when_sure(grid, threshold) for threshold in EXIT_PROBABILITIES)
        yield _exit_on_agreement(grid)


def _chain(grid: PassGrid, budget: int) -> Evaluated:
    accuracy = grid.is_right[:, :, budget].mean(axis=1)
    return Evaluated(Strategy.CHAIN, grid.budgets[budget], 1, None, accuracy, grid.tokens[:, :, budget].mean(axis=1))


def _vote(grid: PassGrid, budget: int, k: int) -> Evaluated:
    def of(question: int) -> float:
        right, others, blank = grid.votes(question, budget)
        return majority_at_k(right, others, blank, k)

    return _of_several(Strategy.VOTE, grid, budget, k, _by_question(grid, of))


def _ceiling(grid: PassGrid, budget: int, k: int) -> Evaluated:
    right = grid.is_right[:, :, budget].sum(axis=1)
    chances = np.array([pass_at_k(grid.passes, c, k) for c in range(grid.passes + 1)])
    return _of_several(Strategy.CEILING, grid, budget, k, chances[right])


def _most_confident(grid: PassGrid, budget: int, k: int) -> Evaluated:
    own, is_right = own_probability(grid)[:, :, budget], grid.is_right[:, :, budget]
    chances = np.array([first_of_k((-own[question]).tolist(), k) for question in range(grid.questions)])
    return _of_several(Strategy.MOST_CONFIDENT, grid, budget, k, (chances * is_right).sum(axis=1))


def _first_to_finish(grid: PassGrid, budget: int, k: int) -> Evaluated:
    """All passes think until the first one ends; passes that reach the budget end together, and share the win."""
    thinking, tokens = grid.thinking[:, :, budget], grid.tokens[:, :, budget]
    chances = np.array([first_of_k(thinking[question].tolist(), k) for question in range(grid.questions)])
    accuracy = (chances * grid.is_right[:, :, budget]).sum(axis=1)
    cost = (chances * (tokens + (k - 1) * thinking)).sum(axis=1)
    return Evaluated(Strategy.FIRST_TO_FINISH, grid.budgets[budget], k, None, accuracy, cost)


class _Draws:
    """The same orders of the passes for every strategy and question, so that their differences are not luck."""

    def __init__(self, passes: int) -> None:
        chance = np.random.default_rng(_SEED)
        self.orders = chance.permuted(np.tile(np.arange(passes), (DRAWS, 1)), axis=1)

    def chosen(self, k: int) -> Floats:
        """[draws, passes]: 1 for the first k passes of each order."""
        made = np.zeros(self.orders.shape)
        np.put_along_axis(made, self.orders[:, :k], 1.0, axis=1)
        return made


def _weighted_vote(draws: _Draws, grid: PassGrid, budget: int, k: int) -> Evaluated:
    assert grid.mass is not None
    chosen, accuracy = draws.chosen(k), np.zeros(grid.questions)
    for question in range(grid.questions):
        # In double precision, so that passes summed in another order tie as they should.
        accuracy[question] = _won(chosen @ grid.mass[question, :, budget].astype(np.float64)).mean()
    return _of_several(Strategy.WEIGHTED_VOTE, grid, budget, k, accuracy)


def _adaptive_vote(draws: _Draws, grid: PassGrid, budget: int, most: int) -> Evaluated:
    """After each stage the vote ends if the leader has `ADAPTIVE_SHARE` of the passes so far."""
    accuracy, cost = np.zeros(grid.questions), np.zeros(grid.questions)
    stages = [stage for stage in ADAPTIVE_STAGES if stage <= most]
    for question in range(grid.questions):
        letters = grid.answers[question, :, budget][draws.orders]
        spent = grid.tokens[question, :, budget][draws.orders].cumsum(axis=1)
        # [draws, passes, answers]: votes after each pass.
        votes = (letters[:, :, None] == np.arange(letters.max() + 1)).cumsum(axis=1)
        is_open = np.ones(DRAWS, dtype=bool)
        for stage in stages:
            after = votes[:, stage - 1]
            is_clear = after.max(axis=1, initial=0) >= ADAPTIVE_SHARE * stage
            ends = is_open & (is_clear | (stage == stages[-1]))
            accuracy[question] += _won(after[ends]).sum() / DRAWS
            cost[question] += spent[ends, stage - 1].sum() / DRAWS
            is_open &= ~ends
    return Evaluated(Strategy.ADAPTIVE_VOTE, grid.budgets[budget], most, None, accuracy, cost)


def _won(scores: NDArray[np.generic]) -> Floats:
    """The right answer's share of the win in each row [rows, answers]; nobody wins where every score is 0."""
    if not scores.size:
        return np.zeros(len(scores))
    best = scores.max(axis=1, keepdims=True)
    leads = np.isclose(scores.astype(np.float64), best.astype(np.float64), rtol=1e-9, atol=0) & (best > 0)
    return np.asarray(leads[:, RIGHT] / np.maximum(leads.sum(axis=1), 1), dtype=np.float64)


def own_probability(grid: PassGrid) -> Floats:
    """[questions, passes, budgets]: probability of each answer's own letter; 0 without an answer."""
    assert grid.mass is not None
    own = np.take_along_axis(grid.mass, np.maximum(grid.answers, 0)[..., None].astype(np.intp), axis=-1)[..., 0]
    return np.where(grid.answers == BLANK, 0.0, own).astype(np.float64)


def _exit_when_sure(grid: PassGrid, threshold: float) -> Evaluated:
    assert grid.mass is not None
    return _early_exit(Strategy.EXIT_WHEN_SURE, grid, grid.mass.max(axis=-1) > threshold, threshold)


def _exit_on_agreement(grid: PassGrid) -> Evaluated:
    assert grid.mass is not None
    leader = np.where(grid.mass.max(axis=-1) > 0, grid.mass.argmax(axis=-1), BLANK)
    agrees = np.zeros(leader.shape, dtype=bool)
    agrees[:, :, 1:] = (leader[:, :, 1:] == leader[:, :, :-1]) & (leader[:, :, 1:] != BLANK)
    return _early_exit(Strategy.EXIT_ON_AGREEMENT, grid, agrees, None)


def _early_exit(strategy: Strategy, grid: PassGrid, is_enough: NDArray[np.bool_], threshold: float | None) -> Evaluated:
    """Each pass is answered at the first budget with enough, else at the last; a look costs the token it generates."""
    is_enough = is_enough.copy()
    is_enough[:, :, -1] = True
    exits = is_enough.argmax(axis=-1)
    # A pass that has ended its thinking before a budget is not looked at again there.
    is_new = np.ones(grid.thinking.shape, dtype=bool)
    is_new[:, :, 1:] = grid.thinking[:, :, 1:] > grid.thinking[:, :, :-1]
    looks = np.take_along_axis(is_new.cumsum(axis=-1), exits[..., None], axis=-1)[..., 0]
    right = np.take_along_axis(grid.is_right, exits[..., None], axis=-1)[..., 0]
    spent = np.take_along_axis(grid.tokens, exits[..., None], axis=-1)[..., 0] + looks
    return Evaluated(strategy, grid.budgets[-1], 1, threshold, right.mean(axis=1), spent.mean(axis=1))


def _of_several(strategy: Strategy, grid: PassGrid, budget: int, k: int, accuracy: Floats) -> Evaluated:
    cost = k * grid.tokens[:, :, budget].mean(axis=1)
    return Evaluated(strategy, grid.budgets[budget], k, None, accuracy, cost)


def _by_question(grid: PassGrid, of: Callable[[int], float]) -> Floats:
    return np.array([of(question) for question in range(grid.questions)])


def at_equal_tokens(votes: Sequence[Evaluated], tokens: float) -> Floats | None:
    """Accuracy of a vote that spends `tokens` for the mean question; None if no number of passes does.

    Between two numbers of passes, it is the vote that takes the larger one for a share of the questions that makes the
    mean cost equal: a mixture of both, so its accuracy is exact too.

    Args:
        votes: the vote at 1, 2, ... passes, in this order.
        tokens: mean tokens per question.

    Returns:
        [questions]: chance of a right answer.
    """
    costs = [float(each.tokens.mean()) for each in votes]
    if not votes or tokens < costs[0] or tokens > costs[-1]:
        return None
    after = next(i for i, cost in enumerate(costs) if cost >= tokens)
    if costs[after] == tokens:
        return votes[after].accuracy
    share = (tokens - costs[after - 1]) / (costs[after] - costs[after - 1])
    return (1 - share) * votes[after - 1].accuracy + share * votes[after].accuracy
