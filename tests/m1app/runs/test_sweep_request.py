"""What a sweep refuses before any token is generated."""

import pytest

from m1app.question.errors import InvalidQuestion
from m1app.runs.errors import ProbeRefused
from m1app.runs.sweep_request import MAX_CELLS, SweepRequest, check_sweep, request_of_sweep
from tests.m1app.runs.sweep_samples import SWEEP


def request(**changes: object) -> SweepRequest:
    return SweepRequest(**({"stem": "Why is blood red?"} | changes))  # type: ignore[arg-type]


def test_grid_is_put_in_order_without_repetition() -> None:
    checked = check_sweep(request(budgets=(64, 8, 64), force_rounds=(2, 0, 2), models=("a", "b", "a")))
    assert (checked.budgets, checked.force_rounds, checked.models) == ((8, 64), (0, 2), ("a", "b"))


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"budgets": ()}, "budgets", "No thinking budget chosen"),
        ({"force_rounds": ()}, "force_rounds", "No number of force rounds"),
        ({"budgets": (64, 10**23)}, "budgets", "enter a whole number from 1 to 1,000,000,000 tokens"),
        ({"budgets": (64, 0)}, "budgets", "A thinking budget is 0; enter a whole number from 1"),
        ({"budgets": (64, -5)}, "budgets", "is -5"),
        ({"force_rounds": (9,)}, "force_rounds", "from 0 to 8 rounds"),
        ({"passes": 0}, "passes", "from 1 to 16"),
        ({"passes": 17, "temperature": 0.5}, "passes", "from 1 to 16"),
        ({"passes": 2}, "passes", "at temperature 0 would all be identical"),
        ({"passes": 2, "temperature": 0.5, "seed": 2**31 - 1}, "seed", "leaves no room for 2 passes"),
        ({"budgets": tuple(range(1, MAX_CELLS + 2))}, "budgets", f"choose at most {MAX_CELLS}"),
        ({"temperature": 3.0}, "temperature", "from 0 to 2"),
        ({"answer_cap_tokens": 0}, "answer_cap", "Answer cap is 0"),
    ],
)
def test_knob_out_of_its_range_is_named_with_what_to_enter(changes: dict[str, object], field: str, says: str) -> None:
    with pytest.raises(ProbeRefused, match=says) as refused:
        check_sweep(request(**changes))
    assert refused.value.field == field


def test_question_is_checked_as_for_a_probe() -> None:
    with pytest.raises(InvalidQuestion):
        check_sweep(request(stem=" "))


def test_stored_sweep_can_be_asked_for_again() -> None:
    again = check_sweep(request_of_sweep(SWEEP))
    assert (again.stem, again.budgets, again.force_rounds, again.models) == (
        SWEEP.question.stem,
        SWEEP.budgets,
        SWEEP.force_rounds,
        SWEEP.models,
    )
