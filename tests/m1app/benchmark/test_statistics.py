"""Intervals cover what they say, and comparisons agree with numbers worked out elsewhere."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m1app.benchmark import statistics
from m1app.benchmark.statistics import (
    accuracy,
    clustered_accuracy,
    clustered_macro_average,
    compare_counts,
    compare_paired,
    holm,
    macro_average,
    minimum_detectable_difference,
    questions_to_detect,
)


def test_wilson_interval_of_a_textbook() -> None:
    # Newcombe 1998, table I: 81 of 263 has the Wilson interval 0.2553 to 0.3662.
    found = accuracy(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert accuracy(0, 10).low == pytest.approx(0.0)
    nothing = accuracy(0, 0)
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.25, 0.6])
def test_wilson_interval_covers_its_share(share: float) -> None:
    chance = np.random.default_rng(1)
    found = [accuracy(int(right), 150) for right in chance.binomial(150, share, 2000)]
    assert 0.93 <= np.mean([each.low <= share <= each.high for each in found]) <= 0.97


def test_paired_interval_covers_the_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 399)
    chance = np.random.default_rng(2)
    covered = []
    for _ in range(600):
        first = chance.random(200) < 0.4
        second = np.where(chance.random(200) < 0.3, chance.random(200) < 0.7, first)
        # Expected: 0.3 of the questions are drawn anew at 0.7, the others stay at 0.4.
        found = compare_paired(first.tolist(), second.tolist())
        covered.append(found.low <= 0.3 * (0.7 - 0.4) <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_clustered_interval_covers_where_the_plain_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 399)
    chance = np.random.default_rng(3)
    names = [f"q{number}" for number in range(100) for _ in range(8)]
    covered, plainly = [], []
    for _ in range(600):
        verdicts = np.repeat(chance.random(100) < 0.5, 8).tolist()  # eight seeds of a question that all agree
        found, plain = clustered_accuracy(verdicts, names), accuracy(sum(verdicts), len(verdicts))
        covered.append(found.low <= 0.5 <= found.high)
        plainly.append(plain.low <= 0.5 <= plain.high)
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(plainly) < 0.7


def test_exact_mcnemar_counts_only_what_changed() -> None:
    first = [True] * 40 + [False] * 10 + [True] * 2 + [False] * 48
    second = [True] * 40 + [True] * 10 + [False] * 2 + [False] * 48
    found = compare_paired(first, second)
    assert (found.gained, found.lost, found.n) == (10, 2, 100)
    # Two-sided binomial of 2 in 12 at one half: 2 * (1 + 12 + 66) / 4096.
    assert found.p_value == pytest.approx(2 * 79 / 4096)
    assert found.difference == pytest.approx(0.08)
    same = compare_paired(first, first)
    assert same.p_value == 1.0
    assert -0.03 < same.low < 0.0 < same.high < 0.03
    with pytest.raises(ValueError, match="No question has been answered"):
        compare_counts(both=0, lost=0, gained=0, neither=0)


@pytest.mark.parametrize(
    ("gained", "lost", "low", "high"), [(0, 0, -0.23, 0.23), (2, 0, -0.15, 0.5), (0, 2, -0.5, 0.15)]
)
def test_what_did_not_happen_once_in_ten_questions_may_still_happen(
    gained: int, lost: int, low: float, high: float
) -> None:
    found = compare_counts(both=5, lost=lost, gained=gained, neither=5 - gained - lost)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    with pytest.raises(ValueError, match="1 and 2 verdicts cannot be paired"):
        compare_paired([True], [True, False])


def test_holm_is_the_step_down_correction() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([]) == ()


def test_macro_average_counts_each_set_the_same() -> None:
    found = macro_average({"small": (1, 2), "large": (900, 1000), "empty": (0, 0)})
    assert found.value == pytest.approx(0.7)
    assert found.n == 1002
    assert found.low < 0.7 < found.high
    assert math.isnan(macro_average({}).value)


def test_macro_interval_covers_the_true_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 799)
    chance = np.random.default_rng(5)
    covered = []
    for _ in range(1000):
        drawn = {"a": (int(chance.binomial(120, 0.3)), 120), "b": (int(chance.binomial(300, 0.7)), 300)}
        found = macro_average(drawn)
        covered.append(found.low <= 0.5 <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_sets_in_which_all_questions_agree_leave_an_interval() -> None:
    # A percentile bootstrap draws the same from these every time, which made intervals without any width.
    apart = macro_average({"right": (3, 3), "wrong": (0, 3)})
    # Clopper-Pearson of 3 in 3 begins at 0.025 ** (1 / 3); that of 0 in 3 mirrors it.
    reach = math.hypot(1 - 0.025 ** (1 / 3), 0) / 2
    assert (apart.value, apart.low, apart.high) == pytest.approx((0.5, 0.5 - reach, 0.5 + reach))
    certain = macro_average({"a": (1, 1), "b": (1, 1)})
    assert (certain.value, certain.low, certain.high) == pytest.approx((1.0, 1 - math.hypot(0.975, 0.975) / 2, 1.0))


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("right", [0, 5])
def test_clusters_that_all_agree_have_the_wilson_interval_of_their_number(right: int, passes: int) -> None:
    found = clustered_accuracy([right > 0] * 5 * passes, [f"q{number}" for number in range(5)] * passes)
    plain = accuracy(right, 5)
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high))
    assert found.n == 5 * passes


def test_clusters_of_one_share_tell_as_much_as_one_verdict_each() -> None:
    found, plain = clustered_accuracy([True, False] * 4, list("aabbccdd")), accuracy(2, 4)
    assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high))


def test_one_large_cluster_hides_behind_no_small_ones() -> None:
    found = clustered_accuracy([True] * 104, ["large"] * 100 + list("abcd"))
    assert found.low < accuracy(2, 2).low


def test_macro_average_of_passes_is_the_mean_of_the_sets_accuracies() -> None:
    mixed = [(2, 2), (1, 2), (0, 2)]
    found = clustered_macro_average({"a": mixed, "b": mixed, "uneven": [(3, 3), (0, 1)], "empty": []})
    assert (found.value, found.n) == (pytest.approx((0.5 + 0.5 + 0.75) / 3), 16)
    singly = clustered_macro_average({"a": [(1, 1)] * 4 + [(0, 1)] * 6, "b": [(1, 1)] * 9})
    assert singly == macro_average({"a": (4, 10), "b": (9, 9)})


def test_passes_that_differ_make_the_interval_narrower_than_passes_that_agree() -> None:
    differ = clustered_macro_average({"a": [(number % 3, 2) for number in range(30)]})
    agree = clustered_macro_average({"a": [(2 * (number % 2), 2) for number in range(30)]})
    assert differ.value == agree.value == 0.5
    assert differ.high - differ.low < agree.high - agree.low


@given(
    st.dictionaries(
        st.text(max_size=2),
        st.lists(st.integers(1, 4).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), max_size=12),
        max_size=4,
    )
)
@settings(max_examples=100, deadline=None)
def test_macro_interval_holds_its_value_and_has_a_width(sets: dict[str, list[tuple[int, int]]]) -> None:
    found = clustered_macro_average(sets)
    if any(sets.values()):
        assert 0 <= found.low <= found.value <= found.high <= 1
        most = max(len(each) for each in sets.values())
        assert found.high - found.low > 0.1 / (most * len(sets))


@pytest.mark.parametrize("share", [0.5, 0.85])
@pytest.mark.parametrize(("sets", "questions"), [(1, 5), (2, 3), (4, 3), (4, 10), (7, 5)])
def test_macro_interval_covers_also_of_small_sets(
    sets: int, questions: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 399)
    drawn = np.random.default_rng(6).binomial(questions, share, (300, sets))
    found = [macro_average({str(place): (int(right), questions) for place, right in enumerate(row)}) for row in drawn]
    assert np.mean([each.low <= share <= each.high for each in found]) >= 0.93


@pytest.mark.parametrize("agreement", [1.0, 4.0])
@pytest.mark.parametrize(("sets", "questions"), [(1, 5), (1, 30), (3, 10)])
def test_intervals_of_several_passes_cover_also_of_small_sets(
    sets: int, questions: int, agreement: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 399)
    chance = np.random.default_rng(7)
    covered = []
    for _ in range(300):
        # Questions are of different hardness; the smaller `agreement`, the more do the passes of one agree.
        hardness = chance.beta(0.7 * agreement, 0.3 * agreement, (sets, questions))
        right = chance.binomial(4, hardness)
        found = clustered_macro_average({str(place): [(int(n), 4) for n in row] for place, row in enumerate(right)})
        if sets == 1:
            verdicts = [place < count for count in right[0] for place in range(4)]
            found = clustered_accuracy(verdicts, [str(number) for number in range(questions) for _ in range(4)])
        covered.append(found.low <= 0.7 <= found.high)
    assert np.mean(covered) >= 0.93


def test_more_questions_find_smaller_differences() -> None:
    few, many = minimum_detectable_difference(100), minimum_detectable_difference(1000)
    assert few > many > 0
    # Connor's formula solved for n at the difference found.
    spread = math.sqrt(0.2 - many**2)
    assert ((1.959964 * math.sqrt(0.2) + 0.841621 * spread) / many) ** 2 == pytest.approx(1000, rel=1e-3)
    assert math.isnan(minimum_detectable_difference(36))


def test_questions_to_detect_a_difference_are_those_at_which_it_is_the_least() -> None:
    for share, questions in ((0.2, 1000), (0.35, 240)):
        least = minimum_detectable_difference(questions, share)
        assert questions_to_detect(least, share) in (questions, questions + 1)
    # If all that differ changed in the same way: the shortest way to a result.
    assert questions_to_detect(0.1, 0.1) == 77
