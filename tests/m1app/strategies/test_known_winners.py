"""Stored passes of which it is known by hand which strategy wins, at what cost, and which premise fails.

Every answer costs two tokens, a look at the options one, the end of a thinking one; the thinking budget is 20 tokens,
and there are checkpoints at 5 and 10. Seed n is a pass of kind n modulo 4, at every temperature.
"""

from dataclasses import dataclass
from statistics import fmean

import pytest

from m1app.strategies.catalogue import parse
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.pool import PoolDriver, PooledAnswer, PooledPass
from m1app.strategies.kinds import KINDS
from m1app.strategies.methods.temperatures import TEMPERATURES
from m1app.strategies.protocol import Finish
from tests.m1app.strategies.scripted import a_task

BUDGET, CHECKPOINTS = 20, (5, 10)
STRATEGIES = (
    "budget-forcing,vote:k=4,weighted-vote:k=4,adaptive-vote:k=4,most-confident:k=4,first-finish:n=4,deer,dynasor,"
    "temperatures,deepconf:k=4:warmup=2:window=5"
)


@dataclass(frozen=True)
class Kind:
    letter: str
    length: int
    """Of the thinking; from the budget on, the budget ends it."""
    probability: float
    """Of its letter at its end; the rest is the other letter's."""
    confidence: float
    at_5: tuple[str, float]
    at_10: tuple[str, float]

    def made(self, seed, temperature):
        end = min(self.length, BUDGET)
        looks = {5: self.at_5, 10: self.at_10}
        cuts = {cut: looks[cut] for cut in CHECKPOINTS if cut < end} | {end: (self.letter, self.probability)}
        answers = tuple(self._answer(cut, *found, cut == end) for cut, found in cuts.items())
        return PooledPass(seed, temperature, "." * end, answers, confidences=(self.confidence,) * end)

    def _answer(self, cut, letter, probability, is_end):
        other = "B" if letter == "A" else "A"
        finish = Finish.NATURAL if is_end and self.length < BUDGET else Finish.BUDGET
        return PooledAnswer(cut, cut, finish, letter, letter, 2, {letter: probability, other: 1 - probability})


def question(*kinds):
    seeds, temperatures = range(13), TEMPERATURES
    return [kinds[seed % 4].made(seed, temperature) for seed in seeds for temperature in temperatures]


WRONG = Kind("B", 15, 0.6, 5.0, ("B", 0.6), ("B", 0.6))
ALONE = Kind("A", 18, 0.95, 9.0, ("A", 0.6), ("A", 0.6))
# Three passes make the same error, and are not sure of it; the one that is right is sure, and thinks longer.
CORRELATED = [question(WRONG, WRONG, WRONG, ALONE)]
LONG = Kind("B", 30, 0.6, 5.0, ("B", 0.6), ("B", 0.6))
SHORT = Kind("A", 8, 0.5, 9.0, ("A", 0.5), ("A", 0.5))
# One pass ends early and is right; the others think on, and are wrong.
SHORT_IS_RIGHT = [question(LONG, LONG, LONG, SHORT)]
EASY = Kind("A", 30, 0.99, 5.0, ("A", 0.9), ("A", 0.99))
HARD_WRONG = Kind("B", 30, 0.8, 5.0, ("A", 0.55), ("B", 0.55))
HARD = Kind("A", 30, 0.7, 5.0, ("A", 0.55), ("B", 0.55))
# Every pass knows the easy question by 10 tokens; on the hard one the first pass is wrong, and the surest.
HALVES = [question(EASY, EASY, EASY, EASY), question(HARD_WRONG, HARD, HARD, HARD)]

# Accuracy and tokens for each question, by hand. A wrong pass of 15 tokens costs 15 + 1 + 2 + 1 = 19, a right one of 18
# costs 22; one that reaches the budget 20 + 2 + 1 = 23, one of 8 tokens 12.
EXPECTED = {
    "correlated errors": (
        CORRELATED,
        {
            "weighted-vote": (1, 3 * 19 + 22),  # A has 3 x 0.4 + 0.95, B has 3 x 0.6 + 0.05
            "most-confident": (1, 3 * 19 + 22),
            "dynasor": (0, 11 + 2 + 2),  # B at 5 and at 10
            "budget-forcing": (0, 19),
            "deer": (0, 19 + 2),  # never sure, two looks
            "adaptive-vote": (0, 2 * 19),  # the first two agree
            "first-finish": (0, 19 + 3 * 16),
            "vote": (0, 3 * 19 + 22),
            "deepconf": (0, 3 * 19 + 22),  # B weighs 3 x 5, A weighs 9
            "temperatures": (0, 10 * 19 + 3 * 22),  # A at 0.6 hinders the early end
        },
    ),
    "short is right": (
        SHORT_IS_RIGHT,
        {
            "first-finish": (1, 12 + 3 * 9),
            "dynasor": (0, 11 + 2 + 2),
            "budget-forcing": (0, 23),
            "deer": (0, 23 + 2),
            "adaptive-vote": (0, 2 * 23),
            "vote": (0, 3 * 23 + 12),
            "weighted-vote": (0, 3 * 23 + 12),
            "most-confident": (0, 3 * 23 + 12),
            "deepconf": (0, 3 * 23 + 12),
            "temperatures": (0, 10 * 23 + 3 * 12),
        },
    ),
    "one easy and one hard half": (
        HALVES,
        {
            "adaptive-vote": (1, (2 * 23 + 4 * 23) / 2),  # 3 of 4 is just enough
            "vote": (1, 4 * 23),
            "weighted-vote": (1, 4 * 23),
            "deepconf": (1, 4 * 23),
            "temperatures": (1, (7 * 23 + 13 * 23) / 2),
            "deer": (0.5, (11 + 2 + 2 + 23 + 2) / 2),  # sure at 10 of the easy one, never of the hard one
            "dynasor": (0.5, (11 + 2 + 2 + 23 + 2) / 2),  # A and B do not agree on the hard one
            "budget-forcing": (0.5, 23),
            "first-finish": (0.5, 4 * 20 + 2 + 1),  # nobody finishes, so the first pass answers
            "most-confident": (0.5, 4 * 23),
        },
    ),
}


def found(pool):
    """Accuracy and tokens for the mean question, by strategy."""
    results = {}
    for choice in parse(STRATEGIES):
        runs = []
        for passes in pool:
            task = a_task(thinking_tokens=BUDGET, budget_tokens=10_000, checkpoints=CHECKPOINTS)
            ledger = Ledger(10_000)
            verdict = PoolDriver(choice.start(task), passes, ledger).run()
            runs.append((verdict.letter == "A", ledger.costs.generated))
        results[choice.kind.name] = fmean(right for right, _ in runs), fmean(tokens for _, tokens in runs)
    return results


def ranked(results):
    """Strategies by rank: more accurate first, then cheaper; those alike share a rank."""
    return sorted((-accuracy, tokens, name) for name, (accuracy, tokens) in results.items())


@pytest.mark.parametrize("name", EXPECTED)
def test_accuracy_cost_and_rank_are_those_computed_by_hand(name):
    pool, expected = EXPECTED[name]
    results = found(pool)
    assert results == expected
    assert ranked(results) == ranked(expected)
    # The table above is written in the order of the ranks.
    order = [(-accuracy, tokens) for accuracy, tokens in expected.values()]
    assert order == sorted(order)


def test_every_strategy_that_stored_passes_can_tell_is_among_them():
    assert {each.kind.name for each in parse(STRATEGIES)} == {kind.name for kind in KINDS if kind.from_pool}
