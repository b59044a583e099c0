"""What the preview says of the boxes, and what its buttons would put into them."""

import pytest

from m1app.question.pastes.summary import first_words
from m1app.ui.question.paste_preview import preview_value

PASTED = "Which gland makes cortisol?\nA. Adrenal\nB. Thyroid\nAnswer: A"
SPLIT = ["Which gland makes cortisol?", "A. Adrenal\nB. Thyroid", "A"]


@pytest.mark.parametrize(
    ("boxes", "summary"),
    [
        ((PASTED, "", ""), "2 options, target A"),
        ((PASTED, "", "b"), "2 options, target B"),
        (("Why?\n1) Heat\n2) Cold", "", ""), "2 options, no target"),
        (("Why?\n1) Heat\n2) Cold\nPage 3 of 9", "", ""), "2 options, no target; left out: page footer"),
        (("Why?", "", ""), "Open question: no options found"),
        (("Why?\nAnswer: heat", "", ""), "Open question: no options found; left out: answer"),
        (("Why?", "Heat\nCold", "a"), "2 options, target A"),
        (("1. Why?\nA. x\nB. y\n2. How?\nA. x\nB. y", "", ""), "This looks like 2 questions"),
        (("", "", ""), ""),
        ((" \n", "", "A"), ""),
    ],
)
def test_summary_says_what_would_be_asked(boxes: tuple[str, str, str], summary: str) -> None:
    assert preview_value(*boxes)["summary"] == summary


def test_what_is_wrong_with_options_is_said() -> None:
    assert "letter A appears more than once" in preview_value("Why?", "A. x\nA. y", "")["summary"]
    assert "expected C instead of D" in preview_value("Why?\nA. Iron\nB. Zinc\nD. Lead", "", "")["summary"]


def test_certain_options_are_to_be_moved_to_their_box() -> None:
    value = preview_value(PASTED, "", "")
    assert (value["text"], value["split"], value["offers"]) == (PASTED, SPLIT, [])
    assert preview_value(PASTED, "A. x\nB. y", "")["split"] is None
    assert preview_value("Why?", "", "")["split"] is None


def test_uncertain_options_are_offered() -> None:
    value = preview_value("Why?\nHeat\nCold", "", "B")
    assert value["split"] is None
    assert value["offers"] == [
        {"kind": "split", "label": "Split as options", "boxes": [["Why?", "A. Heat\nB. Cold", "B"]]}
    ]


def test_broken_lines_can_be_joined_with_options_in_either_box() -> None:
    text = "Why is this man so very\ncold?"
    for options in ("", "A. Heat\nB. Cold"):
        (offer,) = preview_value(text, options, "")["offers"]
        assert (offer["kind"], offer["boxes"]) == ("join", [["Why is this man so very cold?", options, ""]])


def test_several_questions_are_offered_as_such() -> None:
    (offer,) = preview_value("1. Why?\nA. x\nB. y\nAnswer: B\n2. How?\nA. p\nB. q", "", "A")["offers"]
    assert (offer["kind"], offer["label"]) == ("several", "These are 2 questions")
    assert offer["boxes"] == [["Why?", "A. x\nB. y", "B"], ["How?", "A. p\nB. q", ""]]


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Why?", "Why?"),
        ("Why is\nit so?", "Why is it so?"),
        ("one two three four five six seven eight nine ten eleven, twelve thirteen", 12 * "x"),
        ("", ""),
        ("x" * 300, "x" * 90 + " …"),
    ],
)
def test_question_is_named_by_its_first_words(stem: str, name: str) -> None:
    expected = "one two three four five six seven eight nine ten eleven, twelve …" if name == 12 * "x" else name
    assert first_words(stem) == expected
