"""When an adaptive vote is clear: by the published posterior, checked by hand, and by the leader's share."""

import pytest

from m1app.strategies.catalogue import parse
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.pool import PoolDriver, PooledAnswer, PooledPass
from m1app.strategies.methods.voting import beta_lead
from m1app.strategies.protocol import Finish
from tests.m1app.strategies.scripted import a_task


@pytest.mark.parametrize(
    ("leader", "second", "by_hand"),
    [
        (0, 0, 1 / 2),
        (1, 0, 3 / 4),
        (3, 0, 15 / 16),
        (4, 0, 31 / 32),
        (1, 1, 1 / 2),
        # Beta(6, 2): 1 less the chance of 6 or 7 heads in 7 throws.
        (5, 1, 1 - 8 / 128),
        # Beta(7, 2): 1 less the chance of 7 or 8 heads in 8 throws.
        (6, 1, 1 - 9 / 256),
    ],
)
def test_the_posterior_of_a_lead_is_as_computed_by_hand(leader, second, by_hand):
    assert beta_lead(leader, second) == pytest.approx(by_hand)


def passes_of(letters, thinking=10, answer=2):
    ends = (PooledAnswer(thinking, thinking, Finish.BUDGET, letter, letter, answer) for letter in letters)
    return [PooledPass(seed, 0.6, "." * thinking, (end,)) for seed, end in enumerate(ends)]


@pytest.mark.parametrize(
    ("written", "letters", "asked", "winner"),
    [
        # Alike: the share is clear after 2, the posterior after 4.
        ("adaptive-vote:k=8", "AAAAAAAA", 2, "A"),
        ("adaptive-vote:k=8:rule=beta", "AAAAAAAA", 4, "A"),
        ("adaptive-vote:k=8:rule=beta:confidence=0.9", "AAAAAAAA", 3, "A"),
        # One stranger: 5 to 1 has 0.9375, 6 to 1 has 0.965.
        ("adaptive-vote:k=8:rule=beta", "ABAAAAAA", 7, "A"),
        # Never clear: all are asked. By the share, 6 of 8 would be.
        ("adaptive-vote:k=8:rule=beta", "ABABABAA", 8, "A"),
        ("adaptive-vote:k=3:rule=beta", "BBBBBBBB", 3, "B"),
    ],
)
def test_a_vote_asks_until_it_is_clear(written, letters, asked, winner):
    ledger = Ledger(1_000)
    (choice,) = parse(written)
    task = a_task(thinking_tokens=10, budget_tokens=1_000, checkpoints=(10,))
    verdict = PoolDriver(choice.start(task), passes_of(letters), ledger).run()
    assert verdict.letter == winner
    # Each pass costs its thinking, its answer and a look.
    assert ledger.costs.generated == asked * (10 + 2 + 1)
