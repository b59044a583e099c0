"""The published scorer's verdicts, quirk by quirk; every answer was written for this test."""

import pytest

from m1app.question.answers.m1_scorer import How, extract_answer, read_choice
from m1app.question.answers.scoring import score

OPTIONS = {"A": "Adrenal cortex", "B": "Thyroid", "C": "Pancreas"}


@pytest.mark.parametrize(
    ("text", "extracted"),
    [
        (r"so \boxed{B}", "B"),
        (r"\boxed{A} no, \boxed{\text{Thyroid}}", "Thyroid"),
        (r"\boxed{x = C}", "C"),
        (r"\boxed{a {b} c}", "a {b} c"),
        (r"\boxed{never closed", r"\boxed{never closed"),
        (r"\fbox{B} and on", r"\fbox{B}"),
        ("no box", "no box"),
    ],
)
def test_last_box_counts(text: str, extracted: str) -> None:
    assert extract_answer(text) == extracted


@pytest.mark.parametrize(
    ("text", "letter", "how"),
    [
        (r"\boxed{thyroid}", "B", How.WHOLE_ANSWER),
        (r"\boxed{b}", "B", How.WHOLE_ANSWER),
        (r"\boxed{B. Thyroid}", "B", How.WHOLE_ANSWER),
        ("The answer is A. No, the answer is C.", "C", How.ANSWER_IS),
        ("The answer isB", "B", How.ANSWER_IS),
        ("Options A and (C) remain", "C", How.LETTER),
        ("A boy and A girl", "A", How.MOST_SIMILAR),  # the article is no letter ...
        ("grade A, as said", "A", How.LETTER),  # ... unless no space follows
        ("pancreas, then thyroid", "B", How.OPTION_TEXT),
        ("the thyreoid", "B", How.MOST_SIMILAR),
        ("", "C", How.MOST_SIMILAR),  # all equally unlike: the last
        ("A\n\n## Final Response\n\nC, surely", "C", How.LETTER),
        ("The answer is N", "N", How.ANSWER_IS),
    ],
)
def test_choice_is_read_as_published(text: str, letter: str, how: How) -> None:
    assert read_choice(text, OPTIONS, "B") == (letter, how)


def test_option_of_several_lines_keeps_its_first() -> None:
    options = {"A": "one\ntwo", "B": "three"}
    assert read_choice("it is two.", options, "B")[1] is How.MOST_SIMILAR
    assert read_choice("it is one.", options, "B") == ("A", How.OPTION_TEXT)


def test_both_rules_judge_the_same_answer_differently() -> None:
    text = "Nothing of the kind."
    assert score(text, OPTIONS, "C", "strict").letter is None
    assert score(text, OPTIONS, "C", "m1").letter in OPTIONS
    assert score("The answer is N", OPTIONS, "B", "m1").letter is None
    assert score("B", OPTIONS, None, "m1").is_correct is None
