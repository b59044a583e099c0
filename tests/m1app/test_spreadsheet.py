"""What a spreadsheet would run as a formula stays text."""

import pytest

from m1app.spreadsheet import harmless


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_text_that_looks_like_a_formula_is_quoted(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "a = b", "'quoted", " =1", -1, 0.5, True, None])
def test_anything_else_is_left_as_it_is(value: object) -> None:
    assert harmless(value) is value
