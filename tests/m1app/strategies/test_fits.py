"""Fits of curves made from known parameters."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m1app.strategies.choosing.fits import fit_saturation, stops_paying
from m1app.strategies.errors import FitRefused

NS = (1, 2, 4, 8, 16)


def curve(highest, p, ns=NS, questions=40):
    """Every question has the law's accuracy: nothing differs between bootstrap samples."""
    return np.tile([highest * (1 - (1 - p) ** n) for n in ns], (questions, 1))


def drawn(highest, p, questions, ns=NS):
    """A share `highest` of the questions can be solved, each at its own first right pass."""
    chance = np.random.default_rng(7)
    first = chance.geometric(p, questions)
    can = chance.random(questions) < highest
    return np.array([[float(s and f <= n) for n in ns] for f, s in zip(first, can, strict=True)])


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 1), st.floats(0.02, 0.9))
def test_the_parameters_of_a_curve_are_recovered(highest, p):
    fit = fit_saturation(NS, curve(highest, p))
    assert fit.highest == pytest.approx(highest, rel=2e-3)
    assert fit.p == pytest.approx(p, rel=2e-3)
    assert fit.error < 1e-3
    assert fit.at(8) == pytest.approx(highest * (1 - (1 - p) ** 8), abs=1e-3)


@pytest.mark.parametrize(
    ("highest", "p", "epsilon", "expected"),
    [
        # ln(0.01 / 0.24) / ln(0.7) = 8.91; ln(0.001 / 0.24) / ln(0.7) = 15.37; ln(0.01 / 0.04) / ln(0.95) = 27.03
        (0.8, 0.3, 0.01, 9),
        (0.8, 0.3, 0.001, 16),
        (0.8, 0.05, 0.01, 28),
        (0.8, 0.3, 0.5, 1),
    ],
)
def test_saturation_is_where_one_more_pass_adds_less_than_epsilon(highest, p, epsilon, expected):
    fit = fit_saturation(NS, curve(highest, p))
    assert fit.saturates_at(epsilon) == expected
    gain = fit.at(expected + 1) - fit.at(expected)
    before = fit.at(expected) - fit.at(expected - 1)
    assert gain < epsilon
    assert expected == 1 or before >= epsilon
    interval = fit.saturates_at_interval(epsilon)
    assert interval.low == interval.high == expected


def test_intervals_cover_the_truth_and_narrow_with_questions():
    wide, narrow = (fit_saturation(NS, drawn(0.7, 0.25, questions)) for questions in (60, 2_000))
    for fit in (wide, narrow):
        assert fit.highest_interval.low < 0.7 < fit.highest_interval.high
        assert fit.p_interval.low < 0.25 < fit.p_interval.high
        assert fit.highest_interval.low <= fit.highest <= fit.highest_interval.high
        assert fit.saturates_at_interval(0.01).low <= fit.saturates_at(0.01) <= fit.saturates_at_interval(0.01).high
    assert narrow.p_interval.high - narrow.p_interval.low < wide.p_interval.high - wide.p_interval.low
    assert (wide.questions, narrow.questions) == (60, 2_000)


def test_residuals_show_where_the_law_does_not_hold():
    """A curve that falls again: overthinking."""
    rises = curve(0.6, 0.4)
    rises[:, -1] -= 0.2
    fit = fit_saturation(NS, rises)
    assert fit.points[-1].residual < -0.05
    assert fit.error == pytest.approx(math.sqrt(sum(each.residual**2 for each in fit.points) / 5))
    assert all(each.observed - each.fitted == each.residual for each in fit.points)


def test_a_flat_curve_is_saturated_from_the_start():
    fit = fit_saturation(NS, curve(0.5, 1.0))
    assert fit.highest == pytest.approx(0.5, abs=1e-3)
    assert fit.saturates_at(0.01) == 1


def test_a_curve_that_still_rises_saturates_beyond_its_points():
    fit = fit_saturation(NS, np.tile([n / 40 for n in NS], (10, 1)))
    assert fit.saturates_at(0.001) > NS[-1]


def test_points_in_any_order_make_the_same_fit():
    accuracy = drawn(0.7, 0.25, 60)
    ordered, shuffled = fit_saturation(NS, accuracy), fit_saturation(NS[::-1], accuracy[:, ::-1])
    assert (ordered.highest, ordered.p, ordered.points) == (shuffled.highest, shuffled.p, shuffled.points)


def test_the_same_curve_always_has_the_same_intervals():
    accuracy = drawn(0.7, 0.25, 60)
    assert fit_saturation(NS, accuracy).p_interval == fit_saturation(NS, accuracy).p_interval


@pytest.mark.parametrize(
    ("ns", "accuracy", "said"),
    [
        ((1, 2), curve(0.5, 0.5, (1, 2)), "2 different points; 3 are needed. Run more budgets or more passes."),
        ((1, 1, 1), curve(0.5, 0.5, (1, 1, 1)), "1 different points"),
        (NS, curve(0.5, 0.5, questions=1), "rests on 1 questions; at least 2"),
        (NS, np.zeros((5, 5)), "No answer was right at any point"),
    ],
    ids=["points", "equal points", "questions", "never right"],
)
def test_what_cannot_be_fitted_is_named(ns, accuracy, said):
    with pytest.raises(FitRefused) as refused:
        fit_saturation(ns, accuracy)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("ns", "accuracy"),
    [
        (NS, np.ones((5, 4))),
        ((0, 2, 4, 8, 16), np.ones((5, 5))),
        ((1, 2, 4, 8, 8), np.ones((5, 5))),
        (NS, np.full((5, 5), np.nan)),
        (NS, np.full((5, 5), 1.5)),
    ],
    ids=["shape", "zero", "twice", "nan", "above 1"],
)
def test_arrays_that_are_no_curve_are_an_error(ns, accuracy):
    with pytest.raises(ValueError, match=r"^(accuracies|every N)"):
        fit_saturation(ns, accuracy)


def test_an_epsilon_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="above 0"):
        fit_saturation(NS, curve(0.5, 0.5)).saturates_at(0)


BUDGETS = (256, 512, 1_024, 2_048)


def steps(*accuracies, questions=20):
    return np.tile(accuracies, (questions, 1))


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ((0.3, 0.4, 0.45, 0.455), 1_024),
        ((0.3, 0.4, 0.45, 0.5), None),
        ((0.5, 0.5, 0.5, 0.5), 256),
        ((0.5, 0.4, 0.3, 0.2), 256),
        ((0.3, 0.305, 0.4, 0.405), 1_024),
    ],
)
def test_a_budget_stops_paying_where_no_doubling_after_it_gains_enough(accuracies, expected):
    found = stops_paying(BUDGETS, steps(*accuracies), 0.01)
    assert (found.stops_at, found.high) == (expected, expected)
    assert found.low == (expected or 2_048)
    assert [each.gain for each in found.doublings] == pytest.approx(np.diff(accuracies).tolist())


def test_a_gain_is_counted_for_a_doubling_and_not_for_a_step():
    # 0.04 from 256 to 4,096 are four doublings of 0.01.
    (only,) = stops_paying((256, 4_096), steps(0.3, 0.34), 0.02).doublings
    assert only.gain == pytest.approx(0.01)
    assert stops_paying((256, 4_096), steps(0.3, 0.34), 0.02).stops_at == 256
    assert stops_paying((256, 4_096), steps(0.3, 0.34), 0.005).stops_at is None


def test_where_it_stops_is_uncertain_with_few_questions():
    chance = np.random.default_rng(3)
    accuracy = (chance.random((40, 1)) < np.array([0.3, 0.45, 0.5, 0.52])).astype(float)
    found = stops_paying(BUDGETS, accuracy, 0.03)
    assert found.low < (found.high or math.inf)
    assert all(each.interval.low <= each.gain <= each.interval.high for each in found.doublings)


def test_one_point_has_no_doubling():
    with pytest.raises(FitRefused, match="1 different points; 2 are needed"):
        stops_paying((256,), steps(0.3), 0.01)
