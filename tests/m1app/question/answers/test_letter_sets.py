"""Sets of letters: what is read of answers where several options are right, and what stays unread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.question.answers.extraction import How, extract_answer
from m1app.question.answers.scoring import SEVERAL_NOT_SCORED, no_letter_reason, score
from m1app.targets import joined_letters
from tests.m1app.question.answers import cases

OPTIONS = {"A": "Insulin", "B": "Spironolactone", "C": "Salbutamol", "D": "Ramipril", "E": "Furosemide"}

READ = {
    "\\boxed{A, C}": "A, C",
    "\\boxed{A,C}": "A, C",
    "\\boxed{AC}": "A, C",
    "\\boxed{C, A}": "A, C",
    "\\boxed{A and C}": "A, C",
    "\\boxed{\\text{A, C}}": "A, C",
    "\\boxed{A \\text{ and } C}": "A, C",
    "\\boxed{(A), (C)}": "A, C",
    "$$\\boxed{\\{A, C\\}}$$": "A, C",
    "\\boxed{A}, \\boxed{C}": "A, C",
    "\\boxed{A} and \\boxed{C}": "A, C",
    "\\boxed{A, C, E}": "A, C, E",
    "\\boxed{A. Insulin, C. Salbutamol}": "A, C",
    "\\boxed{Insulin, Salbutamol}": "A, C",
    "\\boxed{A}": "A",
    "\\boxed{a, c}": "A, C",
    "\\boxed{A; C}": "A, C",
    "\\boxed{A,C,E}.": "A, C, E",
    "\\boxed{\\mathrm{A,\\ C}}": "A, C",
    "\\boxed{[A, C]}": "A, C",
    '{"answer": ["A","C"]}': "A, C",
    '{"answer": "A, C"}': "A, C",
    '{"answers": ["A", "C"]}': "A, C",
    '{"correct_answers": ["C", "A"]}': "A, C",
    "{'answer': ['A', 'C']}": "A, C",
    '{"reasoning": "B is wrong", "final_answer": "AC"}': "A, C",
    '```json\n{"answer": ["A", "C", "E"]}\n```': "A, C, E",
    "<answer>A,C</answer>": "A, C",
    "<answer>A, C</answer>": "A, C",
    "<answer>A and C</answer>": "A, C",
    "<answer>AC</answer>": "A, C",
    "<answers>A, C</answers>": "A, C",
    "A, C": "A, C",
    "A and C": "A, C",
    "AC": "A, C",
    "A & C": "A, C",
    "A,C": "A, C",
    "(A) and (C)": "A, C",
    "A, B, and C": "A, B, C",
    "**A, C**": "A, C",
    "**A** and **C**": "A, C",
    "A, C.": "A, C",
    "Answer: A, C": "A, C",
    "Answers: A and C": "A, C",
    "Final Answer: A, C": "A, C",
    "Answer: AC": "A, C",
    "The answer is A and C.": "A, C",
    "The answers are A and C.": "A, C",
    "The correct answers are A, C and E.": "A, C, E",
    "The correct options are A and C.": "A, C",
    "Options A and C are correct.": "A, C",
    "A and C are correct.": "A, C",
    "Both A and C are correct.": "A, C",
    "The final answer is **A, C**.": "A, C",
    "So the correct options are (A) and (C).": "A, C",
    "The correct answers are:\nA. Insulin\nC. Salbutamol": "A, C",
    "The correct answers are:\n- A\n- C": "A, C",
    "Answer:\n\nA, C": "A, C",
    "I choose A and C.": "A, C",
    "The answer is A.": "A",
    "Answer: A": "A",
    "B is wrong. D is wrong. The answers are A and C.": "A, C",
    "A is true. C is true. Therefore, the answer is A and C.": "A, C",
    "The answers are A and C, because B raises potassium.": "A, C",
    "The correct answers are Insulin and Salbutamol.": "A, C",
    "Réponse : A, C": "A, C",
    "Les réponses correctes sont A et C.": "A, C",
    "Die richtigen Antworten sind A und C.": "A, C",
    "答案：AC": "A, C",
    "答案是A和C。": "A, C",
    "正确答案：A、C": "A, C",
    "Las respuestas correctas son A y C.": "A, C",
    "정답: A, C": "A, C",
    "Réponses correctes : A et C": "A, C",
    "Answer: A, C\n\nA lowers potassium. B raises it.": "A, C",
    "Wait, no. The answers are A and C.": "A, C",
    "Answer: A, B, C, D, E": "A, B, C, D, E",
    "First \\boxed{A}. Wait, no: \\boxed{A, C}": "A, C",
    "Answer: **A, C**": "A, C",
    "### Final Answer\nA, C": "A, C",
    "Answer: (A, C)": "A, C",
    "Correct options: A, C (B, D and E are wrong)": "A, C",
    "Correct options: A, C\nIncorrect options: B, D, E": "A, C",
    "The correct statements are A, C, and E; B and D are incorrect.": "A, C, E",
    "A (Insulin) and C (Salbutamol) are correct.": "A, C",
    "The answer is:\n\n**A. Insulin**\n**C. Salbutamol**": "A, C",
    "\\boxed{A: Insulin, C: Salbutamol}": "A, C",
    "\\boxed{A \\& C}": "A, C",
    "<think>maybe B</think>A, C": "A, C",
    "['A', 'C']": "A, C",
    "정답은 A, C입니다.": "A, C",
    "选A和C": "A, C",
    "\\boxed{A, not C}": "A",
}

UNREAD = [
    "A or C",
    "A/C",
    "A and/or C",
    "The answer is A. C is also correct.",
    "A is correct. C is correct.",
    "A: true\nB: false\nC: true\nD: false\nE: false",
    "All except B",
    "All of the above",
    "All options but D are correct.",
    "The answers are all but B.",
    "Either A or C.",
    "At least A and C.",
    "A, C, etc.",
    "Neither A nor C.",
    "A to C",
    "A-C",
    "A through C",
    "Answer: A to C",
    "Answers: A, B to D",
    "A vs C",
    "I am not sure: A and C?",
    "It could be A and C.",
    "If she were pregnant, A and C would be correct.",
    "A and C are wrong.",
    "A. Insulin\nB. Spironolactone\nC. Salbutamol\nD. Ramipril\nE. Furosemide",
    "Options:\nA. Insulin\nC. Salbutamol",
    "B. Spironolactone\nC. Salbutamol",
    "Answer choices:\nA. Insulin\nB. Spironolactone\nC. Salbutamol\nD. Ramipril\nE. Furosemide",
    "A, F",
    "Answer: A, F",
    "A and C are diuretics.",
    "Consider A and C.",
    "",
    "I do not know.",
    "The answer is A and C. E too.",
    "The answers are A and C. Also E.",
    "A and C are correct, but D is also correct.",
    "The answer is A, and C is right too.",
    "The correct options are:\nA. Insulin, which shifts potassium\nC. Salbutamol, which does too",
    "Only one of A and C.",
    "Answer: insulin therapy, salbutamol and furosemide.",
    "glucagon, salbutamol and ramipril",
    "Answer: salbutamol, ramipril and glucagon",
    "\\boxed{A or C}",
    "\\boxed{A} \\boxed{C}",
    "\\boxed{all except B}",
    "\\boxed{A, F}",
    "\\boxed{A}\n\\boxed{C}",
    '{"answer": ["A", "F"]}',
    '{"A": true, "B": false, "C": true, "D": false, "E": false}',
    "<answer>A or C</answer>",
    "<answer>A</answer>\n<answer>C</answer>",
    "A. Spironolactone",
    "Answer: A. Spironolactone, C. Salbutamol",
    "CAD",
    "BAD",
    "The patient has A and C.",
    "First A, then C",
    "A then C",
    "The answer is A rather than C, or maybe both.",
    "My colleague says A and C.",
    "A and C? No.",
    "A likely, C possibly",
    "one of A, C",
    "Answer: none",
    "Correct: A\nIncorrect: B, D, E\nCorrect: C",
    "The answers are A and C. Wait, that is wrong.",
    "A and C are correct. On second thought, only A is.",
    "Answer: A, C or E",
    "Answer: A, C, or maybe E",
    "A, C (and perhaps E)",
    "A, C, and the last one.",
    "The answer is A, C, F and E.",
    "Option A is right because it shifts potassium. Option C is right for the same reason.",
    "The answer is not A and C.",
    "A + C",
    "A;C",
    "Answer: A/C",
    "\\boxed{A, C, ...}",
    "A, C...",
    "A C",
    "Answer: A\nAnswer: C",
    "1. A\n2. C",
    "The answers are 1 and 3.",
    "\\boxed{Insulin and glucagon}",
    "My options are A and C.",
    "The answer is:\n\n- **A. Insulin**: shifts potassium\n- **C. Salbutamol**: the same",
    "\\boxed{CAD}",
    "A and also C",
    "The answers are A and C, or maybe all.",
    "Options:\n- \\boxed{A}\n- \\boxed{C}",
]


@pytest.mark.parametrize(("text", "letters"), READ.items())
def test_a_set_that_is_clearly_the_answer_is_read(text: str, letters: str) -> None:
    assert extract_answer(text, OPTIONS, are_several=True).letter == letters


@pytest.mark.parametrize("text", UNREAD)
def test_what_may_not_be_the_whole_answer_is_not_read(text: str) -> None:
    found = extract_answer(text, OPTIONS, are_several=True)
    assert (found.letter, found.how in (How.BOXED, How.FIELD, How.STATED, How.LINE, How.MARKED)) == (None, False)


@pytest.mark.parametrize(("options", "text", "letter"), cases.READ)
def test_an_answer_of_one_letter_is_read_as_that_letter_or_not_at_all(options, text: str, letter: str) -> None:
    assert extract_answer(text, options, are_several=True).letter in (letter, None)


FORMS = [
    "\\boxed{{{commas}}}",
    "\\boxed{{{packed}}}",
    "<answer>{commas}</answer>",
    '{{"answer": [{quoted}]}}',
    '{{"answers": "{commas}"}}',
    "{commas}",
    "Answer: {commas}",
    "Answers: {words}",
    "The answers are {words}.",
    "The correct options are {words}.",
    "Final Answer: **{commas}**",
    "{words} are correct.",
    "Because of the kidney, B might seem right; it is not. So the answer is {words}.",
]


@given(st.sets(st.sampled_from("ABCDE"), min_size=2), st.sampled_from(FORMS))
def test_sets_in_known_forms_are_read_back(letters: set[str], form: str) -> None:
    ordered = sorted(letters)
    words = f"{', '.join(ordered[:-1])} and {ordered[-1]}"
    quoted = ", ".join(f'"{letter}"' for letter in ordered)
    text = form.format(commas=", ".join(ordered), packed="".join(ordered), words=words, quoted=quoted)
    assert extract_answer(text, OPTIONS, are_several=True).letter == joined_letters(letters)


@given(st.sets(st.sampled_from("ABCDE"), min_size=2), st.sampled_from([" or ", "/", " vs ", " rather than ", " then "]))
def test_options_that_are_not_all_meant_are_never_read_as_a_set(letters: set[str], between: str) -> None:
    for text in (between.join(sorted(letters)), f"Answer: {between.join(sorted(letters))}"):
        assert extract_answer(text, OPTIONS, are_several=True).letter in (None, *OPTIONS)


@given(st.text(alphabet="ABCDEF ,.;:/&\n{}[]\"<>andor'()*-", max_size=60))
def test_whatever_is_read_is_a_set_of_options_in_order(text: str) -> None:
    letters = extract_answer(text, OPTIONS, are_several=True).letter
    assert letters is None or (
        set(letters.split(", ")) <= set(OPTIONS) and letters == joined_letters(letters.split(", "))
    )


@pytest.mark.parametrize(
    ("text", "letter", "is_correct"),
    [
        ("\\boxed{A, C}", "A, C", True),
        ("\\boxed{C, A}", "A, C", True),
        ("\\boxed{A}", "A", False),
        ("\\boxed{A, C, E}", "A, C, E", False),
        ("A or C", None, False),
        ("", None, False),
    ],
)
def test_only_the_exact_set_is_right(text: str, letter: str | None, is_correct: bool) -> None:
    found = score(text, OPTIONS, "A, C")
    assert (found.letter, found.is_correct) == (letter, is_correct)


def test_what_a_set_rests_on_is_named() -> None:
    text = "Insulin shifts potassium. So the answers are A and C, both of which do."
    found = score(text, OPTIONS, "A, C")
    assert (found.rule, text[slice(*found.span)]) == ("answer is (en)", "answers are A and C")
    boxes = "So \\boxed{A} and \\boxed{C}."
    assert boxes[slice(*score(boxes, OPTIONS, "A, C").span)].endswith("\\boxed{A} and \\boxed{C}")


def test_a_set_that_is_not_read_has_a_reason() -> None:
    assert no_letter_reason(score("A or C", OPTIONS, "A, C").how) == "the answer does not clearly say which ones"


@pytest.mark.parametrize("text", ["A, B", "\\boxed{A, B}", "Answer: AB", '{"answer": ["A", "B"]}'])
def test_letters_that_are_texts_of_other_options_are_not_read(text: str) -> None:
    assert extract_answer(text, cases.SWAPPED, are_several=True).letter is None


def test_a_single_target_still_takes_exactly_one_letter() -> None:
    assert score("A and C", OPTIONS, "A").how == "ambiguous"
    assert score("\\boxed{A, C}", OPTIONS, "A").letter is None


@pytest.mark.parametrize("text", ["\\boxed{A, C}", "A", "", "nothing"])
def test_the_published_rule_does_not_score_several_letters(text: str) -> None:
    found = score(text, OPTIONS, "A, C", "m1")
    assert (found.letter, found.is_correct, found.how) == (None, None, SEVERAL_NOT_SCORED)
