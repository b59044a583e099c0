"""The closed forms of `evaluation` and the strategies themselves on the same stored passes: the same, to the token.

The pools are random and small, and k is the number of stored passes, so that no draw is left to chance. A strategy
that runs breaks a tie by the order of its passes, where the closed form shares the win: the mean over all orders is
compared.
"""

from itertools import permutations
from random import Random
from statistics import fmean

import pytest

from m1app.strategies.catalogue import choose, parse
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.pool import PoolDriver, PooledAnswer, PooledPass
from m1app.strategies.evaluating.evaluation import StrategyName, evaluate
from m1app.strategies.evaluating.pass_grid import StoredAnswer, pass_grid
from m1app.strategies.protocol import Finish
from tests.m1app.strategies.scripted import a_task

BUDGETS = (8, 16, 32)
PASSES, QUESTIONS = 4, 3
TARGET = "A"


def a_pool(chance, *, has_probabilities):
    """[questions][passes] of random answers at each budget; a pass may end by itself before each."""
    return [[a_pass(chance, has_probabilities=has_probabilities) for _ in range(PASSES)] for _ in range(QUESTIONS)]


def a_pass(chance, *, has_probabilities):
    length = chance.randint(1, 48)
    length = length if length not in BUDGETS else length + 1
    cuts = sorted({min(length, budget) for budget in BUDGETS})
    answers = tuple(an_answer(chance, cut, cut == length, has_probabilities) for cut in cuts)
    return PooledPass(0, 0.6, "." * cuts[-1], answers)


def an_answer(chance, cut, is_natural, has_probabilities):
    letter = chance.choice(["A", "A", "B", "C", None])
    weights = {each: chance.random() ** 4 for each in "ABC"}
    found = {each: weight / sum(weights.values()) for each, weight in weights.items()} if has_probabilities else None
    finish = Finish.NATURAL if is_natural else Finish.BUDGET
    return PooledAnswer(cut, cut, finish, letter or "?", letter, chance.randint(1, 5), found)


def grid_of(pool):
    stored = []
    for question, passes in enumerate(pool):
        for number, each in enumerate(passes):
            for budget in BUDGETS:
                end = each.end(budget)
                delimiter = each.delimiter_tokens if end.finish is Finish.NATURAL else 0
                stored.append(
                    StoredAnswer(
                        question=question,
                        pass_number=number,
                        budget_tokens=budget,
                        letter=end.letter,
                        is_right=end.letter == TARGET,
                        thinking_tokens=end.cut_tokens,
                        tokens=end.cut_tokens + delimiter + end.tokens + 1,
                        option_probabilities=end.probabilities,
                    )
                )
    return pass_grid(stored, [TARGET] * len(pool))


def ran(text, passes, budget):
    """Accuracy and tokens of a strategy on a question's passes, in the order given."""
    name, _, options = text.partition(":")
    choice = choose(name, dict(part.split("=") for part in options.split(":")) if options else {})
    task = a_task(thinking_tokens=budget, budget_tokens=10_000, checkpoints=BUDGETS)
    ledger = Ledger(10_000)
    pool = [PooledPass(n, 0.6, each.text, each.answers) for n, each in enumerate(passes)]
    verdict = PoolDriver(choice.start(task), pool, ledger).run()
    return float(verdict.letter == TARGET), ledger.costs.generated


def compare(evaluated, pool, text, budget, *, of_each_pass=False):
    for question, passes in enumerate(pool):
        orders = [(each,) for each in passes] if of_each_pass else permutations(passes)
        results = [ran(text, order, budget) for order in orders]
        assert evaluated.accuracy[question] == pytest.approx(fmean(right for right, _ in results)), (text, question)
        assert evaluated.tokens[question] == pytest.approx(fmean(tokens for _, tokens in results)), (text, question)


def one(grid, place, strategy, **wanted):
    found = [each for each in evaluate(grid, place) if each.strategy is strategy]
    (only,) = [each for each in found if all(getattr(each, name) == value for name, value in wanted.items())]
    return only


@pytest.mark.parametrize("number", range(6))
def test_one_pass_votes_and_races_are_evaluated_as_they_run(number):
    pool = a_pool(Random(number), has_probabilities=False)
    grid = grid_of(pool)
    for place, budget in enumerate(BUDGETS):
        single = one(grid, place, StrategyName.BUDGET_FORCING, budget_tokens=budget)
        compare(single, pool, "budget-forcing", budget, of_each_pass=True)
        for strategy, option in (
            (StrategyName.VOTE, "k"),
            (StrategyName.FIRST_FINISH, "n"),
            (StrategyName.ADAPTIVE_VOTE, "k"),
            (StrategyName.BETA_VOTE, "k"),
        ):
            evaluated = one(grid, place, strategy, passes=PASSES)
            compare(evaluated, pool, f"{strategy}:{option}={PASSES}", budget)


@pytest.mark.parametrize("number", range(6))
def test_votes_by_probability_and_early_exits_are_evaluated_as_they_run(number):
    pool = a_pool(Random(100 + number), has_probabilities=True)
    grid = grid_of(pool)
    for place, budget in enumerate(BUDGETS):
        for strategy in (StrategyName.WEIGHTED_VOTE, StrategyName.MOST_CONFIDENT):
            compare(one(grid, place, strategy, passes=PASSES), pool, f"{strategy}:k={PASSES}", budget)
    for threshold in (0.8, 0.9, 0.95, 0.99):
        evaluated = one(grid, 0, StrategyName.DEER, threshold=threshold)
        compare(evaluated, pool, f"deer:threshold={threshold}", BUDGETS[-1], of_each_pass=True)
    compare(one(grid, 0, StrategyName.DYNASOR), pool, "dynasor", BUDGETS[-1], of_each_pass=True)


def test_the_names_are_those_of_the_catalogue():
    for each in StrategyName:
        assert each is StrategyName.CEILING or parse(each)[0].kind.from_pool
