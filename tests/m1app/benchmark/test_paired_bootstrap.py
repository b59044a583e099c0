"""Gains over a vote of equal cost: scipy's own bootstrap finds the same intervals, and common orders cancel."""

import numpy as np
import pytest
from scipy.stats import bootstrap, norm, t
from statsmodels.stats.multitest import multipletests

from m1app.benchmark.paired_bootstrap import Resamples, gains_over_votes, paired_difference
from m1app.benchmark.statistics import adjusted_wald, holm
from m1app.strategies.evaluating.evaluation import Evaluated, StrategyName, evaluate
from m1app.strategies.evaluating.pass_grid import StoredAnswer, pass_grid


def evaluated(accuracy, tokens, strategy=StrategyName.DEER):
    return Evaluated(strategy, 100, 1, None, np.asarray(accuracy, float), np.asarray(tokens, float))


def gain_of(differences):
    """Of a strategy that costs as much as the one vote that there is."""
    tokens = np.full(len(differences), 100.0)
    differences = np.asarray(differences, float)
    (found,) = gains_over_votes(
        [evaluated(differences.clip(min=0), tokens)], [evaluated((-differences).clip(min=0), tokens)]
    )
    return found


def widened(level, n):
    """The level at which plain BCa is as wide as ours, for few questions."""
    deviations = np.sqrt(n / (n - 1)) * t.ppf((1 + level) / 2, n - 1)
    return 2 * norm.cdf(deviations) - 1


@pytest.mark.parametrize("n", [12, 60])
def test_scipy_finds_the_same_interval(n):
    chance = np.random.default_rng(n)
    differences = chance.beta(2, 3, n) - chance.beta(2, 5, n) * (chance.random(n) < 0.7)
    found = gain_of(differences)
    theirs = bootstrap(
        (differences,), np.mean, n_resamples=20_000, confidence_level=widened(0.95, n), method="BCa", rng=chance
    )
    assert found.difference == pytest.approx(differences.mean())
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.012)


def test_scipy_finds_the_same_interval_where_the_vote_is_mixed_anew_in_every_draw():
    chance, n = np.random.default_rng(4), 50
    one, two = chance.random(n), chance.random(n)
    own, spent = chance.random(n) ** 0.5, chance.uniform(110, 190, n)
    costs = [np.full(n, 100.0) + chance.uniform(-40, 40, n), np.full(n, 200.0) + chance.uniform(-80, 80, n)]

    def gain(own, spent, one, two, cost_one, cost_two):
        share = (spent.mean() - cost_one.mean()) / (cost_two.mean() - cost_one.mean())
        share = min(max(share, 0), 1)
        return own.mean() - share * two.mean() - (1 - share) * one.mean()

    data = (own, spent, one, two, *costs)
    (found,) = gains_over_votes([evaluated(own, spent)], [evaluated(one, costs[0]), evaluated(two, costs[1])])
    theirs = bootstrap(
        data,
        gain,
        paired=True,
        vectorized=False,
        n_resamples=9_999,
        confidence_level=widened(0.95, n),
        method="BCa",
        rng=chance,
    )
    assert found.difference == pytest.approx(gain(*data))
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.012)


def test_the_p_value_is_the_level_at_which_the_interval_ends_at_zero():
    chance = np.random.default_rng(7)
    differences = chance.normal(0.25, 0.4, 40).clip(-1, 1)
    resamples = Resamples.draw(40, 0)
    drawn, without_each = resamples.questions @ differences, (differences.sum() - differences) / 39
    p_value = paired_difference(differences.mean(), drawn, without_each).p_value
    assert 0.0005 < p_value < 0.3
    edge = paired_difference(differences.mean(), drawn, without_each, level=1 - p_value)
    assert edge.low == pytest.approx(0, abs=0.002)


def test_an_interval_covers_its_difference():
    chance, n = np.random.default_rng(5), 40
    resamples = Resamples.draw(n, 0)
    covered = []
    for _ in range(400):
        differences = np.where(chance.random(n) < 0.3, np.where(chance.random(n) < 0.7, 1.0, -1.0), 0.0)
        drawn, without_each = resamples.questions @ differences, (differences.sum() - differences) / (n - 1)
        found = paired_difference(float(differences.mean()), drawn, without_each)
        covered.append(found.low <= 0.3 * (0.7 - 0.3) <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.98


def test_changes_in_one_direction_only_leave_room_for_the_other():
    found = gain_of([1, 1, 1] + [0] * 97)
    low, high = adjusted_wald(3, 0, 100, 0.95)
    assert found.low <= low < 0
    assert found.high >= high
    # Exchanging the two sides of three questions at random reaches this in 2 of 8 cases.
    assert found.p_value >= 0.25


def test_questions_that_never_differ_or_all_alike_have_an_interval_of_their_own():
    never, always = gain_of([0, 0, 0]), gain_of([1, 1, 1, 1])
    assert (never.difference, never.p_value) == (0, 1)
    assert never.low < 0 < never.high
    assert (always.difference, always.high, always.p_value) == (1, 1, 0.125)
    assert always.low < 1


def test_on_common_orders_a_vote_that_weighs_all_passes_alike_is_the_plain_vote():
    chance = np.random.default_rng(3)
    stored = [
        StoredAnswer(
            question=question,
            pass_number=number,
            budget_tokens=100,
            letter=letter,
            is_right=letter == "A",
            thinking_tokens=50,
            tokens=60,
            option_probabilities={each: float(each == letter) for each in "ABC"},
        )
        for question in range(30)
        for number, letter in enumerate(chance.choice(list("AABC"), 8))
    ]
    found = list(evaluate(pass_grid(stored, ["A"] * 30), 0))
    votes = [each for each in found if each.strategy is StrategyName.VOTE]
    weighted = [each for each in found if each.strategy is StrategyName.WEIGHTED_VOTE]
    # Over random orders the mean is not quite the exact one; on the same orders nothing differs.
    assert any(abs(one.accuracy - other.accuracy).max() > 0 for one, other in zip(votes, weighted, strict=True))
    assert [each.tokens.mean() for each in weighted] == [each.tokens.mean() for each in votes]
    for gain in gains_over_votes(weighted, votes):
        assert (gain.difference, gain.p_value) == (0, 1)


def test_the_chance_of_the_orders_widens_the_interval():
    accuracy = np.tile([0.4, 0.6], 20)
    plain = evaluated(accuracy, np.full(40, 100.0))
    resamples = Resamples.draw(40, 16)
    by_order = np.tile([0.1, 0.9], 8)
    assert (resamples.orders @ by_order).std() == pytest.approx(0.4 / 4, rel=0.03)
    assert (resamples.questions @ plain.accuracy).std() == pytest.approx(0.1 / 40**0.5, rel=0.03)


def test_without_a_vote_of_equal_cost_or_with_one_question_nothing_is_compared():
    vote = evaluated([1, 0], [100, 100])
    assert gains_over_votes([evaluated([1, 1], [99, 99])], [vote]) == [None]
    assert gains_over_votes([evaluated([1], [100])], [evaluated([1], [100])]) == [None]
    assert gains_over_votes([vote], []) == [None]


def test_holm_is_that_of_statsmodels():
    p_values = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04, 1.0]
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
