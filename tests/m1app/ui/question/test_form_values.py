"""What is typed into a form's boxes becomes numbers, or is refused by name."""

import pytest

from m1app.runs.errors import SweepRefused
from m1app.ui.question.form_values import read_budgets


@pytest.mark.parametrize(
    ("text", "budgets"),
    [
        ("", ()),
        (None, ()),
        ("100", (100,)),
        ("100 300", (100, 300)),
        ("100, 300;3000", (100, 300, 3000)),
        ("10,20", (10, 20)),
        (" 1024 ", (1024,)),
    ],
)
def test_own_budgets_are_read_however_they_are_set_apart(text: str | None, budgets: tuple[int, ...]) -> None:
    assert read_budgets(text) == budgets


@pytest.mark.parametrize("text", ["1,024", "100,300", "x", "-5", "1.5", "1e3", "٣", "9" * 12, "<b>"])
def test_own_budgets_that_are_no_numbers_or_two_are_refused_and_named(text: str) -> None:
    with pytest.raises(SweepRefused) as caught:
        read_budgets(text)
    assert caught.value.field == "budgets"
    assert repr(text)[:10] in str(caught.value)
