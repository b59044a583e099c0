"""Intervals cover what they say, and comparisons agree with numbers worked out elsewhere."""

import math

import numpy as np
import pytest

from m1app.benchmark import statistics
from m1app.benchmark.statistics import (
    accuracy,
    clustered_accuracy,
    compare_counts,
    compare_paired,
    holm,
    macro_average,
    minimum_detectable_difference,
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
    assert (same.p_value, same.low, same.high) == (1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="no questions"):
        compare_counts(both=0, lost=0, gained=0, neither=0)
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


def test_more_questions_find_smaller_differences() -> None:
    few, many = minimum_detectable_difference(100), minimum_detectable_difference(1000)
    assert few > many > 0
    # Connor's formula solved for n at the difference found.
    spread = math.sqrt(0.2 - many**2)
    assert ((1.959964 * math.sqrt(0.2) + 0.841621 * spread) / many) ** 2 == pytest.approx(1000, rel=1e-3)
    assert math.isnan(minimum_detectable_difference(36))
