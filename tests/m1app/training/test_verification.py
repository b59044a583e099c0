"""Whether an answer agrees with its target, where nothing may be guessed."""

import pytest

from m1app.training.verification import Verdict, verify
from tests.m1app.training.training_cases import OPTIONS


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("The answer is A.", Verdict.AGREES),
        ("\\boxed{A}", Verdict.AGREES),
        ("It is a steroid. Therefore it comes from the adrenal gland.", Verdict.AGREES),
        ("ACTH acts on the Adrenal  Gland. This raises the pressure.", Verdict.AGREES),
        ("The answer is B.", Verdict.CONTRADICTS),
        ("It holds iodine.\n\nThus it is the thyroid gland.", Verdict.CONTRADICTS),
        ("It comes from a gland.", Verdict.UNSTATED),
        ("", Verdict.UNSTATED),
        ("It is made by the adrenal gland and the thyroid gland.", Verdict.UNSTATED),
        ("It is not made by the thyroid gland.", Verdict.UNSTATED),
        ("While the adrenal gland helps, it is the hypothalamus.", Verdict.UNSTATED),
        ("The thyroid gland is named in passing. It is the liver.", Verdict.UNSTATED),
    ],
)
def test_verdict(answer: str, verdict: Verdict) -> None:
    assert verify(answer, OPTIONS, "A") is verdict


def test_short_option_text_is_not_found_inside_a_sentence() -> None:
    assert verify("This might be recommended.", {"A": "be", "B": "ad"}, "A") is Verdict.UNSTATED


@pytest.mark.parametrize(("options", "target"), [({}, None), (OPTIONS, None), ({}, "A")])
def test_without_options_or_target_nothing_can_be_checked(options: dict[str, str], target: str | None) -> None:
    assert verify("The answer is A.", options, target) is Verdict.UNCHECKABLE


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("The answers are A and C.", Verdict.AGREES),
        ("\\boxed{C, A}", Verdict.AGREES),
        ("The answer is A.", Verdict.CONTRADICTS),
        ("\\boxed{A, B, C}", Verdict.CONTRADICTS),
        ("Therefore it comes from the adrenal gland.", Verdict.UNSTATED),
        ("A or C", Verdict.UNSTATED),
    ],
)
def test_several_right_options_have_to_be_named_all(answer: str, verdict: Verdict) -> None:
    assert verify(answer, OPTIONS, "A, C") is verdict


def test_the_full_stop_of_a_species_ends_no_sentence() -> None:
    options = {"A": "E. coli", "B": "S. aureus"}
    assert verify("The cultures grew overnight. This is caused by E. coli.", options, "A") is Verdict.AGREES
    assert verify("The cultures grew overnight. This is caused by E. coli.", options, "B") is Verdict.CONTRADICTS
