"""Strategies evaluated from stored passes: the accuracy and the cost that each would have had, question by question.

No request is made. Each strategy is evaluated over all ways to draw its passes (`estimators`), except for votes that
depend on the order or the weights of more than a few passes (`ordered_votes`). Costs count
every token that a live run would generate, those of cancelled passes too; `pool.PoolDriver` runs the strategies
themselves on the same passes, and tests hold both to the same results. Answers that tie share the win; a strategy that
runs takes one of them.

Names are those of `catalogue`.

Sources: votes, arXiv 2203.11171; those that end when clear, arXiv 2305.11860; early exit by probability, DEER, arXiv
2504.15895; by agreement, Dynasor, arXiv 2412.20993; races, arXiv 2505.18149. docs/strategies/ describes each, and where
it differs from published code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from m1app.strategies.evaluating.estimators import first_of_k, majority_at_k, pass_at_k
from m1app.strategies.evaluating.ordered_votes import Floats, OnOrders, StopRule, ordered_votes
from m1app.strategies.evaluating.pass_grid import BLANK, PassGrid
from m1app.strategies.methods.voting import ADAPTIVE_STAGES, BETA_CONFIDENCE, beta_lead

EXIT_PROBABILITIES = (0.8, 0.9, 0.95, 0.99)
"""How probable the leading option must be for an early exit."""
ADAPTIVE_SHARE = 0.75
"""Share of the votes that ends an adaptive vote."""


class StrategyName(StrEnum):
    """Strategies that stored passes can answer for, as `catalogue.parse` reads them."""

    BUDGET_FORCING = "budget-forcing"
    """One pass to a thinking budget: what m1 does."""
    VOTE = "vote"
    """The answer that most of k passes give."""
    WEIGHTED_VOTE = "weighted-vote"
    """The answer with the most probability, summed over k passes."""
    ADAPTIVE_VOTE = "adaptive-vote"
    """A vote that ends when its leader is clear, by its share."""
    BETA_VOTE = "adaptive-vote:rule=beta"
    """The same by the Beta posterior of its lead, as published."""
    FIRST_FINISH = "first-finish"
    """The answer of the pass that ends its thinking first; the others are cancelled."""
    MOST_CONFIDENT = "most-confident"
    """The answer of the pass whose own letter is most probable."""
    DEER = "deer"
    """One pass, answered at the first budget where an option is probable enough."""
    DYNASOR = "dynasor"
    """One pass, answered at the first budget where the leading option is the one before."""
    CEILING = "ceiling"
    """Whether any of k passes is right: not a strategy, since it needs the target."""


NEED_PROBABILITIES = frozenset(
    {StrategyName.WEIGHTED_VOTE, StrategyName.MOST_CONFIDENT, StrategyName.DEER, StrategyName.DYNASOR}
)
"""Strategies that need the probabilities of the options."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A strategy at one setting."""

    strategy: StrategyName
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
    on_orders: OnOrders | None = None
    """Of votes, where some of them have no closed form: on the random orders that all votes share."""


def evaluate(grid: PassGrid, budget: int) -> Iterator[Evaluated]:
    """Evaluate every strategy that the grid has the data for.

    Args:
        grid: the stored passes.
        budget: position in the grid's budgets, at which several passes are drawn.
    """
    yield from (_budget_forcing(grid, place) for place in range(len(grid.budgets)))
    yield from _votes_of_all_kinds(grid, budget)
    ks = range(1, grid.passes + 1)
    yield from (_first_finish(grid, budget, k) for k in ks)
    yield from (_ceiling(grid, budget, k) for k in ks)
    if grid.mass is not None:
        yield from (_most_confident(grid, budget, k) for k in ks)
        if len(grid.budgets) > 1:
            yield from (_deer(grid, threshold) for threshold in EXIT_PROBABILITIES)
            yield _dynasor(grid)


def _budget_forcing(grid: PassGrid, budget: int) -> Evaluated:
    accuracy = grid.is_right[:, :, budget].mean(axis=1)
    return Evaluated(
        StrategyName.BUDGET_FORCING, grid.budgets[budget], 1, None, accuracy, grid.tokens[:, :, budget].mean(axis=1)
    )


def _votes_of_all_kinds(grid: PassGrid, budget: int) -> Iterator[Evaluated]:
    most_of = [most for most in ADAPTIVE_STAGES if most <= grid.passes]
    rules = [rule(most) for rule in (_share_rule, _beta_rule) for most in most_of]
    found = ordered_votes(grid, budget, rules)
    for exact, on_orders in zip(plain_votes(grid, budget), found.plain, strict=True):
        yield exact if found.is_exact else replace(exact, on_orders=on_orders)
    for k, vote in enumerate(found.weighted or (), start=1):
        made = _of_several(StrategyName.WEIGHTED_VOTE, grid, budget, k, vote.accuracy)
        yield made if found.is_exact else replace(made, on_orders=vote)
    named = [(name, most) for name in (StrategyName.ADAPTIVE_VOTE, StrategyName.BETA_VOTE) for most in most_of]
    for (name, most), vote in zip(named, found.adaptive, strict=True):
        drawn = None if found.is_exact else vote
        yield Evaluated(name, grid.budgets[budget], most, None, vote.accuracy, vote.tokens, drawn)


def _share_rule(most: int) -> StopRule:
    """After each stage the vote ends if the leader has `ADAPTIVE_SHARE` of the passes so far."""
    passes, leader, _ = np.indices((most + 1,) * 3)
    return StopRule(tuple(stage for stage in ADAPTIVE_STAGES if stage <= most), leader >= ADAPTIVE_SHARE * passes)


def _beta_rule(most: int) -> StopRule:
    """After each pass the vote ends if its leader is ahead with `BETA_CONFIDENCE`."""
    lead = np.array([[beta_lead(leader, second) for second in range(most + 1)] for leader in range(most + 1)])
    return StopRule(tuple(range(1, most + 1)), np.broadcast_to(lead >= BETA_CONFIDENCE, (most + 1,) * 3))


def plain_votes(grid: PassGrid, budget: int) -> Iterator[Evaluated]:
    """The vote at 1, 2, ... all passes.

    Args:
        grid: the stored passes.
        budget: position in the grid's budgets.
    """
    answers = grid.answers[:, :, budget]
    counts = (answers[:, :, None] == np.arange(BLANK, max(1, answers.max() + 1))).sum(axis=1)
    # Blanks, right answers, wrong ones; which wrong answer is which does not matter.
    counts[:, 2:] = np.sort(counts[:, 2:], axis=1)
    kinds, kind_of = np.unique(counts, axis=0, return_inverse=True)
    for k in range(1, grid.passes + 1):
        chances = np.array([majority_at_k(right, others, blank, k) for blank, right, *others in kinds.tolist()])
        yield _of_several(StrategyName.VOTE, grid, budget, k, chances[kind_of.ravel()])


def _ceiling(grid: PassGrid, budget: int, k: int) -> Evaluated:
    right = grid.is_right[:, :, budget].sum(axis=1)
    chances = np.array([pass_at_k(grid.passes, c, k) for c in range(grid.passes + 1)])
    return _of_several(StrategyName.CEILING, grid, budget, k, chances[right])


def _most_confident(grid: PassGrid, budget: int, k: int) -> Evaluated:
    own, is_right = own_probability(grid)[:, :, budget], grid.is_right[:, :, budget]
    chances = first_of_k(-own, k)
    return _of_several(StrategyName.MOST_CONFIDENT, grid, budget, k, (chances * is_right).sum(axis=1))


def _first_finish(grid: PassGrid, budget: int, k: int) -> Evaluated:
    """All passes think until the first one ends; passes that reach the budget end together, and share the win."""
    thinking, tokens = grid.thinking[:, :, budget], grid.tokens[:, :, budget]
    chances = first_of_k(thinking, k)
    accuracy = (chances * grid.is_right[:, :, budget]).sum(axis=1)
    # The others go on while the winner says the token that ends its thinking.
    ran = thinking + (thinking < grid.budgets[budget])
    cost = (chances * (tokens + (k - 1) * ran)).sum(axis=1)
    return Evaluated(StrategyName.FIRST_FINISH, grid.budgets[budget], k, None, accuracy, cost)


def own_probability(grid: PassGrid) -> Floats:
    """[questions, passes, budgets]: probability of each answer's own letter; 0 without an answer."""
    assert grid.mass is not None
    own = np.take_along_axis(grid.mass, np.maximum(grid.answers, 0)[..., None].astype(np.intp), axis=-1)[..., 0]
    return np.where(grid.answers == BLANK, 0.0, own).astype(np.float64)


def _deer(grid: PassGrid, threshold: float) -> Evaluated:
    assert grid.mass is not None
    return _early_exit(StrategyName.DEER, grid, grid.mass.max(axis=-1) > threshold, threshold)


def _dynasor(grid: PassGrid) -> Evaluated:
    assert grid.mass is not None
    leader = np.where(grid.mass.max(axis=-1) > 0, grid.mass.argmax(axis=-1), BLANK)
    agrees = np.zeros(leader.shape, dtype=bool)
    agrees[:, :, 1:] = (leader[:, :, 1:] == leader[:, :, :-1]) & (leader[:, :, 1:] != BLANK)
    return _early_exit(StrategyName.DYNASOR, grid, agrees, None)


def _early_exit(
    strategy: StrategyName, grid: PassGrid, is_enough: NDArray[np.bool_], threshold: float | None
) -> Evaluated:
    """Each pass is answered at the first budget with enough, else at its end.

    The look there is one of its answer's tokens; each one before costs a token more. While it is looked at, the pass
    goes on by a token, which is wasted where it is closed.
    """
    is_enough = is_enough.copy()
    is_enough[:, :, -1] = True
    exits = is_enough.argmax(axis=-1)[..., None]
    # A pass that has ended its thinking before a budget is not looked at there.
    is_reached = grid.thinking >= np.array(grid.budgets)
    looks_before = (is_reached & (np.arange(len(grid.budgets)) < exits)).sum(axis=-1)
    goes_on = np.zeros(grid.thinking.shape, dtype=bool)
    goes_on[:, :, :-1] = grid.thinking[:, :, 1:] > grid.thinking[:, :, :-1]
    right = np.take_along_axis(grid.is_right, exits, axis=-1)[..., 0]
    wasted = np.take_along_axis(goes_on, exits, axis=-1)[..., 0]
    spent = np.take_along_axis(grid.tokens, exits, axis=-1)[..., 0] + looks_before + wasted
    return Evaluated(strategy, grid.budgets[-1], 1, threshold, right.mean(axis=1), spent.mean(axis=1))


def _of_several(strategy: StrategyName, grid: PassGrid, budget: int, k: int, accuracy: Floats) -> Evaluated:
    cost = k * grid.tokens[:, :, budget].mean(axis=1)
    return Evaluated(strategy, grid.budgets[budget], k, None, accuracy, cost)


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
