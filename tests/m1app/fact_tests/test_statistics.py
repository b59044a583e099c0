"""The statistics of paired answers, against values computed by hand, published ones, and scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from m1app.fact_tests.statistics import compare, mcnemar, mcnemar_one_sided, newcombe

counts = st.integers(0, 20)


@given(counts, counts)
def test_mcnemar_is_a_binomial_test_of_the_seeds_that_differ(gained, lost):
    differ = gained + lost
    expected = binomtest(gained, differ).pvalue if differ else 1.0
    helps = binomtest(gained, differ, alternative="greater").pvalue if differ else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected)
    assert mcnemar_one_sided(gained, lost) == pytest.approx(helps)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        # Newcombe 1998, table II, method 10, by his letters e, f, g, h.
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((54, 0, 0, 0), -0.0664, 0.0664),
        ((0, 30, 0, 0), 0.8395, 1.0),
        # By hand: Wilson of 5/5 is 0.5655 to 1, of 0/5 0 to 0.4345, phi 0: 1 - sqrt(0.4345^2 + 0.4345^2).
        ((0, 5, 0, 0), 0.3855, 1.0),
        ((0, 0, 0, 5), -0.4345, 0.4345),
        # 3 of 5 against 0 of 5: 0.6 - sqrt((0.6 - 0.2307)^2 + 0.4345^2), 0.6 + (0.8824 - 0.6).
        ((0, 3, 0, 2), 0.0298, 0.8824),
    ],
)
def test_newcombes_interval_is_what_the_formula_says(table, low, high):
    assert newcombe(*table) == pytest.approx((low, high), abs=1e-4)


@given(counts, counts, counts, counts)
def test_an_interval_holds_its_difference_and_turns_with_the_arms(both, gained, lost, neither):
    low, high = newcombe(both, gained, lost, neither)
    assert -1 <= low <= high <= 1
    n = both + gained + lost + neither
    if n:
        assert low - 1e-9 <= (gained - lost) / n <= high + 1e-9
    turned = newcombe(both, lost, gained, neither)
    assert turned == pytest.approx((-high, -low))


def test_arms_are_compared_seed_by_seed():
    fact, nothing = [True, True, True, False, True], [False, True, False, True, False]
    found = compare(fact, nothing)
    assert (found.n, found.gained, found.lost, found.difference) == (5, 3, 1, pytest.approx(0.4))
    assert found.p_helps == pytest.approx(5 / 16)
    assert found.p_value == pytest.approx(10 / 16)
    with pytest.raises(ValueError, match="longer"):
        compare([True], [True, False])


def test_without_seeds_nothing_is_known():
    found = compare([], [])
    assert (found.n, found.difference) == (0, 0.0)
    assert (found.low, found.high, found.p_value, found.p_helps) == (-1.0, 1.0, 1.0, 1.0)
