"""What the preview says of the boxes, and what its buttons would put into them."""

from typing import Any

import pytest

from m1app.access.person import COMMAND_LINE, Person, acting_as
from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.summary import first_words
from m1app.ui.question.paste_preview import preview_value
from m1app.ui.question.question_set import read_chosen
from storage.people.records import Role

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
    assert (offer["kind"], offer["label"]) == ("several", "One after another")
    assert offer["boxes"] == [["Why?", "A. x\nB. y", "B"], ["How?", "A. p\nB. q", ""]]
    assert "set" not in offer


def offered_set(text: str, person: Person = COMMAND_LINE) -> dict[str, Any]:
    with acting_as(person):
        (offer,) = preview_value(text, "", "", has_sets=True)["offers"]
    found: dict[str, Any] = offer["set"]
    return found


def test_several_questions_are_offered_as_a_set_where_the_page_asks_them_as_one() -> None:
    found = offered_set("1. Why?\nA. x\nB. y\nAnswer: B\n2. How?\nA. p\nB. q\nAnswer: A")
    assert found["rows"] == ["Why? (2 options, target B)", "How? (2 options, target A)"]
    assert found["name"].endswith(" Why")
    assert found["problem"] == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1. Why?\nA. x\nB. y\nAnswer: B\n2. How?\nA. p\nB. q", "Question 2 has no target"),
        ("1. Why?\nA. x\nB. y\n2. How?\nA. p\nB. q", "Questions 1, 2 have no target"),
        ("Question 1\nWhy is it so?\nQuestion 2\nHow is it so?", "Questions 1, 2 have no options"),
    ],
)
def test_questions_that_no_set_can_score_are_only_asked_and_it_is_said_why(text: str, problem: str) -> None:
    assert problem in offered_set(text)["problem"]


def test_whoever_may_not_store_sets_is_told_who_may() -> None:
    text = "1. Why?\nA. x\nB. y\nAnswer: B\n2. How?\nA. p\nB. q\nAnswer: A"
    said = offered_set(text, Person("1", Role.REVIEWER, "Rita"))["problem"]
    assert "cannot be stored as a question set" in said and "requires the admin role" in said


def test_what_the_page_chose_is_checked() -> None:
    chosen = {"how": "both", "name": "a", "questions": [["Why?", "", ""]], "is_anyway": False}
    assert read_chosen(chosen).questions == (("Why?", "", ""),)
    for wrong in ({"how": "drop"}, {"questions": []}, {"questions": [["Why?"]]}, {"more": 1}):
        with pytest.raises(InvalidQuestion):
            read_chosen(chosen | wrong)


SHARED = "Which?\nA. Iron 70%\nB. Zinc 30%\nAnswer: A"


def test_certain_percentages_of_answers_are_left_out_and_can_be_kept() -> None:
    value = preview_value(SHARED, "", "")
    assert value["summary"] == "2 options, target A; left out: percentages of answers"
    assert value["split"] == ["Which?", "A. Iron\nB. Zinc", "A"]
    assert value["offers"] == [
        {"kind": "keep shares", "label": "Keep percentages", "boxes": [["Which?", "A. Iron 70%\nB. Zinc 30%", "A"]]}
    ]


def test_percentages_of_options_in_their_own_box_are_offered_to_be_removed() -> None:
    (offer,) = preview_value("Which?", "A. Iron 70%\nB. Zinc 30%", "A")["offers"]
    assert (offer["label"], offer["boxes"]) == ("Remove percentages", [["Which?", "A. Iron\nB. Zinc", "A"]])


def test_html_is_offered_to_be_removed_with_options_in_either_box() -> None:
    html = "<p>Which?</p><p>A. Iron</p><p>B. Zinc</p><p>Answer: B</p>"
    (offer,) = preview_value(html, "", "")["offers"]
    assert (offer["label"], offer["boxes"]) == ("Remove HTML", [["Which?", "A. Iron\nB. Zinc", "B"]])
    (offer,) = preview_value("<p>Which?</p>", "A. Iron\nB. Zinc", "B")["offers"]
    assert offer["boxes"] == [["Which?", "A. Iron\nB. Zinc", "B"]]


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
