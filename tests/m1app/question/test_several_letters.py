"""Several letters as people type, paste and store them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.pasted_question import read_paste
from m1app.question.question_text import as_target, read_question_json, validate_question
from m1app.question.several_letters import read_letters
from m1app.question.wording import render_question
from m1app.targets import joined_letters
from m1app.ui.question.paste_preview import preview_value
from models.profiles import load_profiles

OPTIONS = {"A": "Insulin", "B": "Spironolactone", "C": "Salbutamol", "D": "Ramipril", "E": "Furosemide"}
STEM = "Which of the following lower serum potassium?"


@pytest.mark.parametrize(
    "text",
    [
        "A, C",
        "A,C",
        "AC",
        "CA",
        "a c",
        "a, c",
        "A and C",
        "C and A",
        "(A) and (C)",
        "[A], [C]",
        "(A, C)",
        "A; C",
        "A/C",
        "A & C",
        "A + C",
        "A und C",
        "A et C",
        "A y C",
        "A和C",
        "Ａ、Ｃ",
        "**A, C**",
        "A, C.",
    ],
)
def test_ways_to_write_two_letters(text: str) -> None:
    assert read_letters(text, OPTIONS) == "A, C"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "A or C",
        "A, A",
        "A, F",
        "AF",
        "A-C",
        "A to C",
        "A e C",
        "bad",
        "A. C",
        "A) C",
        "A: C",
        "A, C or E",
        "1, 3",
    ],
)
def test_anything_else_is_not_several_letters(text: str) -> None:
    assert read_letters(text, OPTIONS) is None


@given(st.sets(st.sampled_from("ABCDE"), min_size=2), st.sampled_from([", ", ",", " ", " and ", " & ", "; ", ""]))
def test_letters_in_any_order_come_back_in_order(letters: set[str], between: str) -> None:
    for order in (sorted(letters), sorted(letters, reverse=True)):
        assert read_letters(between.join(order), OPTIONS) == joined_letters(letters)


def test_the_target_box_takes_one_letter_as_ever_and_several_in_any_form() -> None:
    typed = {"c": "C", " C ": "C", "": "", "a c": "A, C", "AC": "A, C", "A, A": "A, A", "x": "X"}
    assert {text: as_target(text, OPTIONS) for text in typed} == typed


@pytest.mark.parametrize("target", ["C, A", "A,C", "A, A", "A, F", "AC"])
def test_a_target_that_is_not_as_it_is_kept_is_refused(target: str) -> None:
    with pytest.raises(InvalidQuestion, match=r"is not one of the options: choose one of A, B, C, D, E, or several"):
        validate_question(STEM, OPTIONS, target)


def test_a_target_of_several_letters_is_valid() -> None:
    assert validate_question(STEM, OPTIONS, "A, C") == ()


PASTED = f"{STEM}\nA. Insulin\nB. Spironolactone\nC. Salbutamol\nD. Ramipril\n"


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ("Answers: A, C", "A, C"),
        ("Answer: A and C", "A, C"),
        ("Correct answers: AC", "A, C"),
        ("Answer: (A) and (C)", "A, C"),
        ("Réponses : A et C", "A, C"),
        ("答案：AC", "A, C"),
        ("Answer: C", "C"),
        ("Answer: A. Insulin", "A"),
        ("Answer: A or C", "A or C"),
    ],
)
def test_a_pasted_answer_line_with_several_letters_is_the_target(line: str, target: str) -> None:
    found = read_paste(PASTED + line)
    assert (found.target, list(found.options), found.answer_line) == (target, ["A", "B", "C", "D"], line)


def test_numbers_of_pasted_options_stand_for_their_letters() -> None:
    assert read_paste(f"{STEM}\n1. Insulin\n2. Spironolactone\n3. Salbutamol\nAnswers: 1, 3").target == "A, C"


def test_an_option_whose_text_is_the_answer_line_is_chosen_before_letters_are_read() -> None:
    asked = f"{STEM}\nA. Insulin\nB. Ramipril\nC. Salbutamol\nD. A and C\nAnswer: A and C"
    assert read_paste(asked).target == "D"


def test_options_marked_as_right_are_the_target_unless_all_are() -> None:
    marked = f"{STEM}\nA. Insulin (correct)\nB. Spironolactone\nC. Salbutamol (correct)"
    found = read_paste(marked)
    assert (found.target, found.options["A"]) == ("A, C", "Insulin")
    assert read_paste(marked.replace("lactone", "lactone (correct)")).target is None


def test_a_key_below_several_questions_may_have_several_letters_for_one() -> None:
    second = "2. Which is a statin?\nA. Insulin\nB. Simvastatin\nC. Salbutamol\nD. Ramipril\n"
    for key in ("Answers: 1. A, C 2. B", "Answers: 1-AC, 2-B"):
        assert [each.target for each in read_paste(f"1. {PASTED}\n{second}\n{key}").questions] == ["A, C", "B"]


def test_the_preview_names_all_targets() -> None:
    assert preview_value(PASTED + "Answers: A, C", "", "")["summary"] == "4 options, target A, C"
    assert preview_value(PASTED, "", "c a")["summary"] == "4 options, target A, C"


@pytest.mark.parametrize("given", ['"A, C"', '["A", "C"]', '["C", "A"]', '"AC"', '"a c"'])
def test_json_may_give_several_letters(given: str) -> None:
    text = '{"question": "q?", "options": {"A": "x", "B": "y", "C": "z"}, "answer_idx": ' + given + "}"
    assert read_question_json(text).target == "A, C"


def test_all_right_options_are_asked_for_in_the_words_of_m1() -> None:
    m1 = load_profiles().get("m1").prompt
    options = {"A": "Insulin", "B": "Ramipril"}
    assert render_question(m1, STEM, options, "A, B") == (
        f"{STEM}\nA. Insulin\nB. Ramipril\n"
        "Return the letters of all correct options within \\boxed{}, separated by commas."
    )


@pytest.mark.parametrize("profile", list(load_profiles()), ids=lambda profile: profile.id)
def test_a_single_target_changes_no_prompt_and_several_do_not_tell_which(profile) -> None:
    for wording in filter(None, (profile.prompt, profile.own_data)):
        asked = render_question(wording, STEM, OPTIONS)
        assert {render_question(wording, STEM, OPTIONS, target) for target in (None, "A", "E")} == {asked}
        several = {render_question(wording, STEM, OPTIONS, target) for target in ("A, C", "B, D, E")}
        assert len(several) == 1
        assert "all correct options" in several.pop()
