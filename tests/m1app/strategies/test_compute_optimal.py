"""The best strategy for each bin, on pools whose best is known."""

import numpy as np
import pytest

from m1app.strategies.catalogue import parse
from m1app.strategies.choosing.compute_optimal import Candidate, Pilot, candidates_of, make_policy, pilot_of
from m1app.strategies.choosing.policy import Policy
from m1app.strategies.errors import FitRefused
from m1app.strategies.evaluating.evaluation import evaluate
from m1app.strategies.evaluating.pass_grid import StoredAnswer, pass_grid

QUESTIONS = 200
IS_HARD = np.arange(QUESTIONS) % 2 == 1


def candidate(choice, easy, hard, tokens):
    return Candidate(choice, 512, np.where(IS_HARD, hard, easy), np.full(QUESTIONS, float(tokens)))


CHAIN = candidate("budget-forcing", 1.0, 0.2, 100)
VOTE = candidate("vote:k=8", 0.6, 0.8, 800)


def a_pilot(entropy=None):
    # The entropies differ a little within each half.
    noise = np.linspace(0, 0.1, QUESTIONS)
    return Pilot(256, 1, np.where(IS_HARD, 1.5, 0.2) + noise if entropy is None else entropy, np.full(QUESTIONS, 50.0))


def chosen(candidates=(CHAIN, VOTE), pilot=None, budget=1_000, bins=2, difficulty=None):
    difficulty = np.where(IS_HARD, 0.3, 1.0) if difficulty is None else difficulty
    return make_policy(candidates, pilot or a_pilot(), difficulty, budget_tokens=budget, made_from="run 1", bins=bins)


def test_each_bin_gets_its_best_and_this_beats_any_single_strategy():
    policy, compared = chosen()
    assert [each.choice for each in policy.bins] == ["budget-forcing", "vote:k=8"]
    # (1 + 0.8) / 2; the best single one is the vote, (0.6 + 0.8) / 2. A half with a few more of one kind sets its
    # border among that kind, which costs a little.
    assert 0.87 < compared.by_entropy.mean < 0.9
    assert compared.single.mean == pytest.approx(0.7, abs=0.005)
    assert 0.17 < compared.gain.mean < 0.2
    assert compared.gain.interval.low > 0
    assert compared.oracle.mean == pytest.approx(0.9)
    # Half the questions cost 100 and half 800; every pilot 50.
    assert compared.by_entropy.tokens == pytest.approx(500, abs=20)
    assert compared.single.tokens == pytest.approx(800, abs=10)
    assert [each.mean_tokens for each in policy.bins] == [150, 850]
    assert [each.questions for each in policy.bins] == [100, 100]


def test_a_pilot_that_tells_nothing_gains_nothing_and_the_oracle_shows_what_it_could():
    entropy = np.random.default_rng(1).random(QUESTIONS)
    _, compared = chosen(pilot=a_pilot(entropy))
    assert compared.gain.mean < 0.02
    assert compared.gain.interval.low < 0
    assert compared.oracle.mean == pytest.approx(0.9)


def test_what_is_too_expensive_is_not_chosen_the_pilot_included():
    policy, compared = chosen(budget=849)
    assert {each.choice for each in policy.bins} == {"budget-forcing"}
    assert compared.single.mean == pytest.approx(0.7, abs=0.005), "without a pilot the vote is cheap enough"
    assert [each.choice for each in chosen(budget=850)[0].bins] == ["budget-forcing", "vote:k=8"]


def test_of_two_that_are_as_good_the_cheaper_is_chosen():
    dear = candidate("vote:k=16", 1.0, 0.2, 900)
    assert chosen((dear, CHAIN))[0].bins[0].choice == "budget-forcing"


def test_what_is_chosen_and_reported_on_the_same_questions_would_be_optimistic():
    """Forty strategies at chance: the luckiest looks good where it was chosen, and is not."""
    chance = np.random.default_rng(5)
    lucky = [
        Candidate(f"vote:k={k}", 512, (chance.random(QUESTIONS) < 0.25).astype(float), np.full(QUESTIONS, 10.0))
        for k in range(1, 41)
    ]
    _, compared = chosen(lucky)
    best = max(each.accuracy.mean() for each in lucky)
    assert best > 0.3
    assert max(compared.single.mean, compared.by_entropy.mean) < 0.27


def test_equal_entropies_make_fewer_bins():
    policy, _ = chosen(pilot=a_pilot(np.zeros(QUESTIONS)), bins=3)
    assert [each.below_bits for each in policy.bins] == [None]
    policy, _ = chosen(pilot=a_pilot(np.where(IS_HARD, 1.0, 0.0)), bins=3)
    assert [each.below_bits for each in policy.bins] == [1.0, None]


def test_a_policy_is_the_same_every_time_and_can_be_saved():
    (policy, compared), again = chosen(), chosen()
    assert (policy, compared) == again
    assert Policy.from_json(policy.to_json()) == policy
    assert policy.choose(0.2).choice == "budget-forcing"
    assert policy.choose(1.6).choice == "vote:k=8"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"candidates": ()}, "There is no strategy to choose from"),
        ({"bins": 21}, "The run has 200 questions; 210 are needed for 21 bins."),
        (
            {"budget": 120},
            "No strategy costs at most 120 mean tokens per question in a bin; the cheapest costs 150.",
        ),
    ],
    ids=["none", "questions", "budget"],
)
def test_what_cannot_be_chosen_is_named(named, said):
    with pytest.raises(FitRefused) as refused:
        chosen(**named)
    assert said in str(refused.value)


def a_grid(mass):
    stored = [
        StoredAnswer(question, number, budget, letter, letter == "A", 40, 50, {"A": 0.5, "B": 0.5} if mass else None)
        for question in range(4)
        for number, letter in enumerate("AABC" if question % 2 else "AAAA")
        for budget in (64, 128)
    ]
    return pass_grid(stored, ["A"] * 4)


def test_a_pilot_is_the_first_passes_of_a_run():
    votes = pilot_of(a_grid(mass=False), 1, passes=4)
    assert votes.entropy.tolist() == [0, 1.5, 0, 1.5]
    assert votes.tokens.tolist() == [200] * 4
    assert pilot_of(a_grid(mass=False), 1).entropy.tolist() == [0] * 4
    assert pilot_of(a_grid(mass=True), 0).entropy == pytest.approx([1] * 4)
    assert (votes.thinking_tokens, votes.passes) == (128, 4)


def test_candidates_are_strategies_that_can_be_run():
    found = candidates_of(evaluate(a_grid(mass=True), 1))
    assert {each.choice for each in found} >= {"budget-forcing", "vote:k=4", "weighted-vote:k=2", "adaptive-vote:k=4"}
    assert {each.choice for each in found} >= {"first-finish:n=4", "most-confident:k=4"}
    assert all(len(parse(each.choice)) == 1 for each in found)
    assert [each.thinking_tokens for each in found if each.choice == "budget-forcing"] == [64, 128]
