from collections import Counter
from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.strategies.evaluating.estimators import first_of_k, majority_at_k, pass_at_k

LETTERS = st.lists(st.sampled_from(["A", "B", "C", "D", None]), min_size=1, max_size=8)


def vote(letters, target):
    """The share of the vote's win that the target has, counted by hand."""
    votes = Counter(letter for letter in letters if letter)
    if not votes:
        return 0.0
    leaders = [letter for letter, count in votes.items() if count == max(votes.values())]
    return 1 / len(leaders) if target in leaders else 0.0


@given(LETTERS, st.data())
def test_a_vote_of_k_is_the_mean_over_all_draws_of_k(letters, data):
    k = data.draw(st.integers(1, len(letters)))
    counts = Counter(letters)
    right, blank = counts.pop("A", 0), counts.pop(None, 0)
    by_hand = fmean(vote(drawn, "A") for drawn in combinations(letters, k))
    assert majority_at_k(right, list(counts.values()), blank, k) == pytest.approx(by_hand)


@given(LETTERS, st.data())
def test_at_least_one_right_of_k_is_the_mean_over_all_draws_of_k(letters, data):
    k = data.draw(st.integers(1, len(letters)))
    by_hand = fmean("A" in drawn for drawn in combinations(letters, k))
    assert pass_at_k(len(letters), letters.count("A"), k) == pytest.approx(by_hand)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.data())
def test_the_first_of_k_is_the_mean_over_all_draws_of_k(lengths, data):
    k = data.draw(st.integers(1, len(lengths)))
    by_hand = [0.0] * len(lengths)
    draws = list(combinations(range(len(lengths)), k))
    for drawn in draws:
        shortest = [each for each in drawn if lengths[each] == min(lengths[i] for i in drawn)]
        for each in shortest:
            by_hand[each] += 1 / len(shortest) / len(draws)
    assert first_of_k(lengths, k) == pytest.approx(by_hand)


@given(LETTERS, st.data())
def test_no_vote_beats_the_ceiling(letters, data):
    k = data.draw(st.integers(1, len(letters)))
    counts = Counter(letters)
    right, blank = counts.pop("A", 0), counts.pop(None, 0)
    vote_of_k = majority_at_k(right, list(counts.values()), blank, k)
    assert vote_of_k <= pass_at_k(len(letters), right, k) + 1e-12


def test_all_passes_vote_as_they_are_stored():
    assert majority_at_k(3, [2, 2], 1, 8) == 1
    assert majority_at_k(2, [3], 0, 5) == 0
    assert majority_at_k(2, [2], 0, 4) == 0.5


def test_passes_without_an_answer_do_not_vote():
    assert majority_at_k(1, [], 4, 5) == 1
    assert majority_at_k(0, [], 4, 2) == 0


def test_more_passes_help_where_the_right_answer_leads_and_harm_where_it_trails():
    leads = [majority_at_k(10, [6], 0, k) for k in (1, 5, 16)]
    trails = [majority_at_k(6, [10], 0, k) for k in (1, 5, 16)]
    assert leads == sorted(leads) and leads[-1] == 1
    assert trails == sorted(trails, reverse=True) and trails[-1] == 0


@pytest.mark.parametrize("k", [0, 4])
def test_a_draw_of_no_passes_or_of_more_than_there_are_is_refused(k):
    for estimate in (lambda: pass_at_k(3, 1, k), lambda: majority_at_k(1, [1], 1, k), lambda: first_of_k([1, 2, 3], k)):
        with pytest.raises(ValueError, match=f"{k} passes cannot be drawn from 3"):
            estimate()
