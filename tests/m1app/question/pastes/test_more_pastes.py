"""Pastes of kinds that a person tries on the second day: the answer in other words, keys below questions, JSON."""

import json

import pytest

from m1app.question.pastes.pasted_question import read_paste

STEM = "Which nerve is injured in a man who cannot lift his wrist?"
TEXTS = ("Ulnar nerve", "Radial nerve", "Median nerve")
OPTIONS = dict(zip("ABC", TEXTS, strict=True))
LETTERED = "\n".join(f"{letter}. {text}" for letter, text in OPTIONS.items())
NUMBERED = "\n".join(f"{number}. {text}" for number, text in enumerate(TEXTS, start=1))


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        (NUMBERED, "The correct answer is 2."),
        (NUMBERED, "\nAnswer is (2)"),
        (LETTERED, "The right option is B."),
        (LETTERED, "Option B is correct, because the radial nerve supplies the extensors."),
        (LETTERED, "La respuesta correcta es: Radial nerve"),
        (LETTERED, "Feedback\nYour answer is incorrect.\nThe correct answer is: Radial nerve"),
    ],
)
def test_the_answer_below_the_options_is_the_target_and_not_in_the_question(options: str, ending: str) -> None:
    paste = read_paste(f"{STEM}\n{options}\n{ending}")
    assert (paste.stem, paste.options, paste.target) == (STEM, OPTIONS, "B")


@pytest.mark.parametrize(
    "key", ["Answer key\n1. B\n2. C", "Answers: 1. B 2. C", "答案：1.B 2.C", "\nKey\n1) B\n2) C"], ids=repr
)
@pytest.mark.parametrize("mark", [".", "．"], ids=["latin", "full width"])
def test_a_key_below_several_questions_does_not_hide_that_they_are_several(mark: str, key: str) -> None:
    other = "Which vitamin is lacking?\nA. Thiamine\nB. Niacin\nC. Ascorbic acid"
    paste = read_paste(f"1{mark} {STEM}\n{LETTERED}\n2{mark} {other}\n\n{key}")
    assert [each.target for each in paste.questions] == ["B", "C"]
    assert paste.questions[0].stem == STEM


@pytest.mark.parametrize(
    "fields",
    [
        {"question": STEM, "options": OPTIONS, "answer": "B"},
        {"id": 7, "Question": STEM, "options": OPTIONS, "answer": "Radial nerve", "answer_idx": "B"},
        {"stem": STEM, "choices": list(TEXTS), "target": "radial nerve", "meta": {"page": 3}},
    ],
    ids=["letter", "text and letter", "list"],
)
def test_json_is_read_as_a_question_and_its_answer_stays_out_of_it(fields: dict[str, object]) -> None:
    paste = read_paste(json.dumps(fields, indent=1))
    assert (paste.stem, paste.options, paste.target) == (STEM, OPTIONS, "B")


def test_a_number_in_json_names_no_option_where_it_may_count_from_zero_or_one_and_is_not_dropped() -> None:
    paste = read_paste(json.dumps({"question": STEM, "options": list(TEXTS), "answer": 1}))
    assert (paste.options, paste.target) == (OPTIONS, "1")


@pytest.mark.parametrize(("number", "target"), [(0, "A"), (3, "C")])
def test_the_first_or_the_last_number_shows_what_the_numbers_in_json_count_from(number: int, target: str) -> None:
    paste = read_paste(json.dumps({"question": STEM, "options": list(TEXTS), "answer": number}))
    assert paste.target == target
    both = [{"question": STEM, "options": list(TEXTS), "answer": each} for each in (1, number)]
    assert [each.target for each in read_paste(json.dumps(both)).questions] == ["B" if number == 0 else "A", target]


@pytest.mark.parametrize(
    "text",
    [
        '{"question": "Why?"}',
        '{"question": "Why?", "options": {"A": "x", "C": "y"}}',
        '{"question": "Why?", "options": ["x", 2]}',
        '{"question": "Why?", "options": [',
        "{" * 3000,
        '{"a":' * 3000,
    ],
    ids=["no options", "a gap", "no text", "cut off", "braces", "deep"],
)
def test_other_json_stays_the_text_that_it_is(text: str) -> None:
    paste = read_paste(text)
    assert (paste.stem, paste.options) == (text, {})
