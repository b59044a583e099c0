"""Targets as letters: one as it always was, several as "A, C"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.targets import hamming_score, has_several, is_target, joined_letters, letters_of
from m1app.wording import Verdict, verdict_label, verdict_with_letter

LETTERS = st.sets(st.sampled_from("ABCDEFGHIJ"), min_size=1)


@given(LETTERS)
def test_letters_come_back_as_they_were_joined(letters: set[str]) -> None:
    kept = joined_letters(letters)
    assert letters_of(kept) == tuple(sorted(letters))
    assert has_several(kept) == (len(letters) > 1)
    assert is_target(kept, "ABCDEFGHIJ")
    assert hamming_score(kept, kept) == 1.0


def test_a_target_of_one_letter_is_that_letter() -> None:
    assert (joined_letters(["C"]), letters_of("C"), has_several("C")) == ("C", ("C",), False)
    assert (letters_of(None), has_several(None)) == ((), False)


@pytest.mark.parametrize("target", ["C, A", "A,C", "AC", "A, A", "A, F", "F", "", "A, ", "A, C, ", None])
def test_anything_but_options_in_order_is_no_target(target: str | None) -> None:
    assert not is_target(target, "ABCDE")


@pytest.mark.parametrize(
    ("letters", "target", "score"),
    [
        ("A, C", "A, C", 1.0),
        ("A", "A, C", 0.5),
        ("A, B", "A, C", 1 / 3),
        ("A, B, C, D", "A, C", 0.5),
        ("B", "A, C", 0.0),
        (None, "A, C", 0.0),
        ("B", "B", 1.0),
        ("A", "B", 0.0),
        ("A", None, None),
    ],
)
def test_the_hamming_score_is_the_share_of_letters_in_both_of_those_in_either(
    letters: str | None, target: str | None, score: float | None
) -> None:
    assert hamming_score(letters, target) == score


def test_a_wrong_set_is_shown_with_its_hamming_score_and_a_single_letter_as_it_always_was() -> None:
    assert verdict_label("A, C", True, "A, C") == "✓ Right: A, C"
    assert verdict_label("A", False, "A, C") == "✗ Wrong: A, target A, C; Hamming score 0.50"
    assert verdict_label("A, C", None, "A, C") == "Chosen options: A, C"
    assert verdict_label(None, False, "A, C") == "✗ No option chosen, target A, C"
    assert verdict_label("B", False, "A") == "✗ Wrong: B, target A"
    assert verdict_with_letter("A, B", Verdict.WRONG, "A, C") == "A, B, wrong (Hamming score 0.33)"
    assert verdict_with_letter("B", Verdict.WRONG, "A") == "B, wrong"
