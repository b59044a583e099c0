"""The target of a row, in every form that files have."""

import pytest

from m1app.benchmark.answer_files.fields import target_of
from m1app.question_sets.row_targets import Form, letters_at, numbered_at, read_target, target_at
from m1app.question_sets.row_values import RowProblem

OPTIONS = {"A": "Iron", "B": "Thyroid  gland", "C": "8 mg", "D": "iron"}
ANY = Form.LETTER | Form.TEXT | Form.NUMBER
NAMED = [
    ("B", "B"),
    (" b ", "B"),
    ("(B)", "B"),
    ("B.", "B"),
    ("B. thyroid gland", "B"),
    ("(b) Thyroid gland", "B"),
    ("thyroid GLAND", "B"),
    ("iron", "D"),
    (["Iron"], "A"),
    ("A, C", "A, C"),
    (["A", "C"], "A, C"),
    ('["c"]', "C"),
    ([["A"], ["B", "A"]], "A, B"),
]


@pytest.mark.parametrize(("value", "expected"), NAMED, ids=[str(value) for value, _ in NAMED])
def test_question_sets_and_scored_answers_read_the_same_targets(value: object, expected: str) -> None:
    assert target_at({"target": value}, "target", OPTIONS) == expected
    assert target_of(value, OPTIONS, "target", None) == expected


@pytest.mark.parametrize(("value", "first"), [(1, 0), ("1", 0), (1.0, 0), (2, 1)])
def test_numbers_count_from_where_the_file_says(value: object, first: int) -> None:
    assert numbered_at({"n": value}, "n", OPTIONS, first) == target_of(value, OPTIONS, "n", first) == "B"


REFUSED = [
    ("B. Iron", 'column t: found "B. Iron", expected the right option\'s letter, one of A, B, C, D, or the text'),
    ("IRON", 'column t: found "IRON", expected'),
    (True, "column t: found true, expected"),
    ({}, "column t: found {}, expected"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=[str(value) for value, _ in REFUSED])
def test_what_names_no_option_or_two_is_refused_in_the_same_words(value: object, message: str) -> None:
    for read in (lambda: target_at({"t": value}, "t", OPTIONS), lambda: target_of(value, OPTIONS, "t", 0)):
        with pytest.raises(RowProblem) as caught:
            read()
        assert str(caught.value).startswith(message)


def test_a_letter_that_is_another_options_text_is_not_guessed() -> None:
    options = {"A": "B", "B": "A", "C": "AB"}
    expected = 'column t: found "A", expected only one option; it is the letter of A and the text of B'
    for read in (lambda: target_at({"t": "A"}, "t", options), lambda: target_of("A", options, "t", 0)):
        with pytest.raises(RowProblem) as caught:
            read()
        assert str(caught.value) == expected
    assert read_target("A", options, "t", Form.LETTER) == "A"
    assert read_target("A", options, "t", Form.TEXT) == "B"
    assert target_at({"t": "C"}, "t", options) == "C"


def test_nothing_is_no_target() -> None:
    assert [read_target(value, OPTIONS, "t", ANY) for value in (None, "", "  ", [])] == [None] * 4
    with pytest.raises(RowProblem, match="without a target nothing can be scored"):
        target_at({}, "t", OPTIONS)
    with pytest.raises(RowProblem, match="each of the right options once"):
        letters_at({"t": ["A", "a"]}, "t", OPTIONS)
