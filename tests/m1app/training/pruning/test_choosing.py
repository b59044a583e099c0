"""Which functional steps are pruned, by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.training.pruning.choosing import choose_steps, count_to_prune, importance, is_as_probable
from m1app.training.pruning.reasoning_steps import FUNCTIONAL, ReasoningStep, StepLabel

P, V, A, C = StepLabel.PROGRESSIVE, *FUNCTIONAL


def steps(*labels: StepLabel) -> tuple[ReasoningStep, ...]:
    return tuple(ReasoningStep("x", "\n\n", label) for label in labels)


def test_importance_is_the_loss_of_log_probability() -> None:
    assert importance(0.8, 0.4) == pytest.approx(math.log(2))
    assert importance(0.4, 0.8) == pytest.approx(-math.log(2))
    assert importance(0.5, 0.5) == 0
    assert importance(0.5, 0.0) == pytest.approx(math.log(0.5 / 1e-9))


@pytest.mark.parametrize(
    ("functional", "ratio", "count"), [(4, 0.5, 2), (3, 0.5, 2), (1, 0.5, 1), (1, 0.4, 0), (5, 1.0, 5), (0, 1.0, 0)]
)
def test_the_ratio_counts_functional_steps(functional: int, ratio: float, count: int) -> None:
    assert count_to_prune(functional, ratio) == count


def test_the_least_important_are_pruned_in_their_order() -> None:
    found = steps(P, V, A, P, C, V, P)
    importances = {1: 0.7, 2: -0.1, 4: 0.2, 5: 0.0}
    assert choose_steps(found, importances, 0.5) == (2, 5)
    assert choose_steps(found, importances, 0.75) == (2, 4, 5)
    assert choose_steps(found, importances, 1.0) == (1, 2, 4, 5)


def test_of_equally_important_steps_the_later_goes() -> None:
    assert choose_steps(steps(V, V, P), {0: 0.1, 1: 0.1}, 0.5) == (1,)


def test_rounding_of_an_engine_is_no_loss() -> None:
    assert is_as_probable(0.5, 0.6)
    assert is_as_probable(0.5, 0.49995)
    assert not is_as_probable(0.5, 0.499)


@given(st.lists(st.sampled_from([P, V, A, C])), st.floats(0.01, 1.0), st.randoms(use_true_random=False))
def test_a_progressive_step_is_never_pruned(labels: list[StepLabel], ratio: float, chance) -> None:
    found = steps(*labels)
    importances = {place: chance.uniform(-3, 3) for place, step in enumerate(found) if step.is_functional}
    chosen = choose_steps(found, importances, ratio)
    assert set(chosen) <= set(importances)
    assert len(chosen) == count_to_prune(len(importances), ratio)
    kept = set(importances) - set(chosen)
    assert (
        not kept or not chosen or max(importances[each] for each in chosen) <= min(importances[each] for each in kept)
    )
