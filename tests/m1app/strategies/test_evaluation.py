from itertools import combinations
from statistics import fmean

import numpy as np
import pytest

from m1app.strategies.evaluating.evaluation import StrategyName, at_equal_tokens, evaluate
from m1app.strategies.evaluating.pass_grid import StoredAnswer, pass_grid

BUDGETS = (100, 200, 400)


def grid_of(*questions, target="A"):
    """Each question as its passes, each pass as (letter, thinking tokens, probabilities) at each budget."""
    stored = [
        StoredAnswer(
            question=number,
            pass_number=place,
            budget_tokens=budget,
            letter=letter,
            is_right=letter == target,
            thinking_tokens=thinking,
            tokens=thinking + 10,
            option_probabilities=probabilities,
        )
        for number, passes in enumerate(questions)
        for place, answers in enumerate(passes)
        for budget, (letter, thinking, probabilities) in zip(BUDGETS, answers, strict=False)
    ]
    return pass_grid(stored, [target] * len(questions))


def at_one_budget(*passes):
    return [[(letter, thinking, probabilities)] for letter, thinking, probabilities in passes]


def found(grid, strategy, budget=0, **wanted):
    chosen = [each for each in evaluate(grid, budget) if each.strategy is strategy]
    return [each for each in chosen if all(getattr(each, name) == value for name, value in wanted.items())]


def one(grid, strategy, budget=0, **wanted):
    (only,) = found(grid, strategy, budget, **wanted)
    return only


def sure(letter, probability=0.97):
    rest = [each for each in "ABC" if each != letter]
    return {letter: probability} | dict.fromkeys(rest, (1 - probability) / len(rest))


def test_a_vote_costs_all_its_passes_and_is_the_mean_over_all_draws():
    passes = [("A", 50, None), ("A", 70, None), ("B", 30, None), (None, 10, None)]
    vote = one(grid_of(at_one_budget(*passes)), StrategyName.VOTE, passes=3)
    # Of the draws of three, A wins AAB and AA-, and shares AB- twice with B.
    assert vote.accuracy == pytest.approx([(1 + 1 + 0.5 + 0.5) / 4])
    assert vote.tokens == pytest.approx([3 * (60 + 80 + 40 + 20) / 4])


def test_where_short_thinking_is_right_the_race_wins_and_is_charged_for_the_cancelled_passes():
    grid = grid_of(at_one_budget(("A", 20, None), ("B", 80, None), ("B", 90, None)))
    race, vote = one(grid, StrategyName.FIRST_FINISH, passes=3), one(grid, StrategyName.VOTE, passes=3)
    assert (race.accuracy[0], vote.accuracy[0]) == (1, 0)
    assert race.tokens == pytest.approx([20 + 10 + 2 * (20 + 1)])


def test_passes_that_reach_the_budget_together_share_the_race():
    grid = grid_of(at_one_budget(("A", 100, None), ("B", 100, None), ("B", 100, None)))
    assert one(grid, StrategyName.FIRST_FINISH, passes=3).accuracy == pytest.approx([1 / 3])


def test_where_errors_agree_a_vote_cannot_help_and_the_ceiling_shows_what_is_lost():
    grid = grid_of(at_one_budget(("A", 50, None), ("B", 50, None), ("B", 50, None), ("B", 50, None)))
    votes = [each.accuracy[0] for each in found(grid, StrategyName.VOTE)]
    ceilings = [each.accuracy[0] for each in found(grid, StrategyName.CEILING)]
    assert votes == pytest.approx([0.25, fmean(v for v in (0.5, 0.5, 0.5, 0, 0, 0)), 0, 0])
    assert ceilings == pytest.approx([0.25, 0.5, 0.75, 1])


def test_the_most_confident_pass_is_right_where_confidence_tells_and_wrong_where_it_misleads():
    tells = at_one_budget(("A", 50, sure("A", 0.9)), ("B", 50, sure("B", 0.5)), ("B", 50, sure("B", 0.6)))
    misleads = at_one_budget(("B", 50, sure("B", 0.9)), ("A", 50, sure("A", 0.5)), ("A", 50, sure("A", 0.6)))
    best = one(grid_of(tells, misleads), StrategyName.MOST_CONFIDENT, passes=3)
    assert best.accuracy == pytest.approx([1, 0])
    by_hand = fmean(0 in drawn for drawn in combinations(range(3), 2))
    assert one(grid_of(tells), StrategyName.MOST_CONFIDENT, passes=2).accuracy == pytest.approx([by_hand])


def test_a_weighted_vote_is_won_by_two_sure_passes_against_three_unsure_ones():
    passes = [("A", 50, sure("A", 0.9)), ("A", 50, sure("A", 0.9))] + [("B", 50, sure("B", 0.4))] * 3
    grid = grid_of(at_one_budget(*passes))
    assert one(grid, StrategyName.WEIGHTED_VOTE, passes=5).accuracy == pytest.approx([1])
    assert one(grid, StrategyName.VOTE, passes=5).accuracy == pytest.approx([0])


def test_an_adaptive_vote_ends_early_where_the_first_passes_agree():
    easy = at_one_budget(*[("A", 50, None)] * 8)
    hard = at_one_budget(*[("A", 50, None)] * 5, *[("B", 50, None)] * 3)
    adaptive = one(grid_of(easy, hard), StrategyName.ADAPTIVE_VOTE, passes=8)
    assert adaptive.tokens[0] == pytest.approx(2 * 60)
    assert 2 * 60 < adaptive.tokens[1] < 8 * 60
    assert adaptive.accuracy[0] == 1


def test_a_vote_by_the_beta_posterior_ends_when_its_lead_is_sure_enough():
    agree = at_one_budget(*[("A", 50, None)] * 8)
    (vote,) = found(grid_of(agree), StrategyName.BETA_VOTE, passes=8)
    # Of 3 to 0 the lead has 1 - 1/2^4 = 0.9375, of 4 to 0 it has 0.96875.
    assert vote.tokens == pytest.approx([4 * 60])
    split = at_one_budget(*[("A", 50, None)] * 4, *[("B", 50, None)] * 4)
    (vote,) = found(grid_of(split), StrategyName.BETA_VOTE, passes=8)
    # It ends at four alike, of which there are 2 * 4! * 4! in 8! orders; at 6 to 1 nothing can end, so all others tie.
    assert vote.tokens[0] == pytest.approx(60 * (8 - 4 * 2 * 24 * 24 / 40320), rel=0.02)
    assert vote.accuracy == pytest.approx([0.5], abs=0.02)


def test_an_exit_when_sure_answers_at_the_first_budget_that_is_probable_enough():
    sure_early = [("B", 100, sure("B", 0.97)), ("A", 200, sure("A", 0.99))]
    sure_late = [("B", 100, sure("B", 0.7)), ("A", 200, sure("A", 0.9))]
    grid = grid_of([sure_early, sure_late])
    strict, loose = (one(grid, StrategyName.DEER, threshold=at) for at in (0.95, 0.99))
    assert strict.accuracy == pytest.approx([0.5])
    # One goes on by a token while it is looked at; the other one was looked at once before its end.
    assert strict.tokens == pytest.approx([(100 + 10 + 1 + 200 + 10 + 1) / 2])
    assert loose.accuracy == pytest.approx([1])


def test_a_pass_that_ended_its_thinking_is_not_looked_at_again():
    ended = [("A", 60, sure("A", 0.5)), ("A", 60, sure("A", 0.5))]
    assert one(grid_of([ended]), StrategyName.DEER, threshold=0.9).tokens == pytest.approx([60 + 10])


def test_an_exit_on_agreement_needs_two_budgets_with_the_same_leader():
    agrees = [("A", 100, sure("A", 0.5)), ("A", 200, sure("A", 0.5))]
    assert one(grid_of([agrees]), StrategyName.DYNASOR).tokens == pytest.approx([200 + 10 + 1])


def test_without_probabilities_only_strategies_that_need_none_are_evaluated():
    grid = grid_of(at_one_budget(("A", 50, None), ("B", 50, None)))
    assert {each.strategy for each in evaluate(grid, 0)} == {
        StrategyName.BUDGET_FORCING,
        StrategyName.VOTE,
        StrategyName.FIRST_FINISH,
        StrategyName.ADAPTIVE_VOTE,
        StrategyName.BETA_VOTE,
        StrategyName.CEILING,
    }


def test_an_answer_that_never_came_has_no_weight_and_hides_no_strategy():
    came = [("B", 100, sure("B", 0.6)), ("A", 200, sure("A", 0.9))]
    grid = grid_of([came, [(None, 0, None), (None, 0, None)]])
    assert one(grid, StrategyName.WEIGHTED_VOTE, budget=1, passes=2).accuracy == pytest.approx([1])
    assert one(grid, StrategyName.MOST_CONFIDENT, budget=1, passes=2).accuracy == pytest.approx([1])
    # Where nothing is known, nothing leads, and so nothing agrees with the leader after it.
    late = [(None, 0, None), ("A", 200, sure("A", 0.9)), ("A", 400, sure("A", 0.9))]
    assert one(grid_of([late]), StrategyName.DYNASOR).tokens == pytest.approx([400 + 10 + 1])
    assert not found(grid_of([[("A", 100, None), ("A", 200, sure("A", 0.9))]]), StrategyName.WEIGHTED_VOTE)


def test_one_pass_of_every_strategy_is_the_chain():
    passes = [("A", 50, sure("A")), ("B", 70, sure("B")), (None, 90, sure("C"))]
    grid = grid_of(at_one_budget(*passes))
    chain = one(grid, StrategyName.BUDGET_FORCING)
    for strategy in (StrategyName.VOTE, StrategyName.FIRST_FINISH, StrategyName.MOST_CONFIDENT, StrategyName.CEILING):
        alone = one(grid, strategy, passes=1)
        assert alone.accuracy == pytest.approx(chain.accuracy)
        assert alone.tokens == pytest.approx(chain.tokens)


def test_questions_without_all_their_passes_are_left_out():
    whole = at_one_budget(("A", 50, None), ("B", 50, None))
    grid = grid_of(whole, whole[:1])
    assert grid.questions == 1
    with pytest.raises(ValueError, match="no question has all its passes"):
        pass_grid([], [])


def test_a_vote_at_equal_tokens_mixes_two_numbers_of_passes():
    grid = grid_of(at_one_budget(("A", 90, None), ("A", 90, None), ("B", 90, None)))
    votes = found(grid, StrategyName.VOTE)
    mixed = at_equal_tokens(votes, 250)
    assert mixed == pytest.approx(0.5 * votes[1].accuracy + 0.5 * votes[2].accuracy)
    assert np.array_equal(at_equal_tokens(votes, 200), votes[1].accuracy)
    assert at_equal_tokens(votes, 99) is None
    assert at_equal_tokens(votes, 301) is None
