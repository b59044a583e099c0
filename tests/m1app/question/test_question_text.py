import contextlib
import json
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from m1app.question.errors import InvalidQuestion
from m1app.question.question_text import (
    QuestionText,
    format_options,
    parse_options,
    parse_options_and_answer,
    parse_question,
    read_question_json,
    validate_question,
)

STEM = "A 45-year-old woman has fatigue.\nFerritin: 4 ng/mL\nWhat is the best next step?"
YES_NO_MAYBE = {"A": "yes", "B": "no", "C": "maybe"}
THREE = {"A": "Oral iron", "B": "Transfusion", "C": "Bone marrow biopsy"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    "lines",
    [
        "A. Oral iron\nB. Transfusion\nC. Bone marrow biopsy",
        "A) Oral iron\nB) Transfusion\nC) Bone marrow biopsy",
        "(A) Oral iron\n(B) Transfusion\n(C) Bone marrow biopsy",
        "A: Oral iron\nB: Transfusion\nC: Bone marrow biopsy",
        "a. Oral iron\nb. Transfusion\nc. Bone marrow biopsy",
        "a) Oral iron\nb) Transfusion\nc) Bone marrow biopsy",
        "A - Oral iron\nB - Transfusion\nC - Bone marrow biopsy",
        "A – Oral iron\nB – Transfusion\nC – Bone marrow biopsy",
        "A.Oral iron\nB.Transfusion\nC.Bone marrow biopsy",
        "  - A. Oral iron\n  - B. Transfusion\n  - C. Bone marrow biopsy",
        "\t• A) Oral iron\n\t• B) Transfusion\n\t• C) Bone marrow biopsy",
        "* A. Oral iron\n* B. Transfusion\n* C. Bone marrow biopsy",
        "**A.** Oral iron\n**B.** Transfusion\n**C.** Bone marrow biopsy",
        "**A. Oral iron**\n**B. Transfusion**\n**C. Bone marrow biopsy**",
        "**A**. Oral iron\n**B**. Transfusion\n**C**. Bone marrow biopsy",
        "A. Oral iron\n\nB. Transfusion\n\n\nC. Bone marrow biopsy\n\n",
        "A. Oral\n   iron\nB. Transfusion\nC. Bone\nmarrow\nbiopsy",
        "A.\nOral iron\nB.\nTransfusion\nC.\nBone marrow biopsy",
        "A. Oral iron B. Transfusion C. Bone marrow biopsy",
        "A) Oral iron  B) Transfusion  C) Bone marrow biopsy",
        "(A) Oral iron (B) Transfusion (C) Bone marrow biopsy",
        "A. Oral iron\tB. Transfusion\nC. Bone marrow biopsy",
        "A. Oral iron\nB. Transfusion C. Bone marrow biopsy",
        "A. Oral iron\r\nB. Transfusion\r\nC. Bone marrow biopsy\r\n",
        "Ａ．Oral iron\nＢ．Transfusion\nＣ．Bone marrow biopsy",
        "（Ａ）Oral iron\n（Ｂ）Transfusion\n（Ｃ）Bone marrow biopsy",
        "Options:\nA. Oral iron\nB. Transfusion\nC. Bone marrow biopsy",
        "**Answer choices:**\n\nA. Oral iron\nB. Transfusion\nC. Bone marrow biopsy",
    ],
)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_lettered_options_are_recognised_in_every_common_form(lines, gap):
    assert parse_question(STEM + gap + lines) == QuestionText(STEM, THREE, None)


@pytest.mark.parametrize(
    "text",
    [
        "Does it help? A. yes B. no C. maybe",
        "Does it help? (A) yes (B) no (C) maybe",
        "Does it help?\nA. yes B. no C. maybe",
        "Does it help?\na) yes b) no c) maybe",
    ],
)
def test_options_may_all_stand_on_one_line(text):
    assert parse_question(text) == QuestionText("Does it help?", YES_NO_MAYBE, None)


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ("Answer: C", "C"),
        ("answer: c", "C"),
        ("Correct answer: C", "C"),
        ("The correct answer is C.", "C"),
        ("Target: C", "C"),
        ("**Answer:** C", "C"),
        ("**Answer: C**", "C"),
        ("Answer: (C)", "C"),
        ("Answer: C. Bone marrow biopsy", "C"),
        ("Answer = B", "B"),
        ("Answer key: B", "B"),
        ("Answer: bone marrow  biopsy", "C"),
        ("Answer： Ｃ", "C"),
        ("Answer: F", "F"),
        ("Answer: Watchful waiting", "Watchful waiting"),
    ],
)
def test_last_line_gives_the_target(line, target):
    assert parse_question(f"{STEM}\n{format_options(THREE)}\n\n{line}\n") == QuestionText(STEM, THREE, target)


def test_target_letter_comes_before_an_option_that_is_a_letter():
    options = {"A": "d", "B": "a", "C": "b"}
    assert parse_question(f"Which?\n{format_options(options)}\nAnswer: A").target == "A"


def test_target_without_options_is_kept_for_validation_to_refuse():
    question = parse_question("What is the best next step?\nAnswer: C")
    assert question == QuestionText("What is the best next step?", {}, "C")
    with pytest.raises(InvalidQuestion, match="'C', but the question has no options"):
        validate_question(question.stem, question.options, question.target)


@pytest.mark.parametrize(
    "text",
    [
        "A 45-year-old man has chest pain.",
        "A 45-year-old man has chest pain.\nB symptoms are absent. What is next?",
        "A - 45-year-old man without history.",
        "Findings:\nNa: 140\nK: 4.1\nA: 12\nHb: 9\nWhich is abnormal?",
        "Test\tResult\nA\t12\nB\t14\nWhat is next?",
        "Vitamin A. deficiency was excluded. Vitamin B. deficiency was found.",
        "He has hepatitis A. She has hepatitis B. What is next?",
        "History:\n1. Asthma\n2. Diabetes\n3. Smoking",
        "A.",
        "What is it?\nA. Iron",
        "What is it?\nB. Iron\nC. Folate",
        "Findings:\nA. Fever\nB. Rash\n\nWhat is the diagnosis?",
        "Findings:\nA. Fever\nB. Rash\nWhat is the diagnosis?",
        "Two groups: A. treated B. untreated. Which of them lives longer?",
        "What is it?\nAnswer:",
        "Is the answer obvious?\nThe answer is unclear.",
        "",
    ],
)
def test_what_only_looks_like_options_stays_in_the_stem(text):
    assert parse_question(text) == QuestionText(text, {}, None)


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        ("A. Rotavirus\nB. Infection with C. difficile", ["Rotavirus", "Infection with C. difficile"]),
        ("A. Rotavirus\nB. Severe C. difficile", ["Rotavirus", "Severe C. difficile"]),
        ("A. Vitamin B. complex\nB. Vitamin C. alone", ["Vitamin B. complex", "Vitamin C. alone"]),
        ("A. Infection by\nE. coli\nB. Sepsis", ["Infection by E. coli", "Sepsis"]),
        ("A. E. coli\nB. C. difficile", ["E. coli", "C. difficile"]),
        ("A. Is it iron?\nB. Is it folate?", ["Is it iron?", "Is it folate?"]),
        ("A. \nB. Folate", ["", "Folate"]),
    ],
)
def test_letters_within_an_option_do_not_split_it(lines, options):
    expected = dict(zip("ABC", options, strict=False))
    assert parse_question(f"Which?\n{lines}").options == expected


def test_only_the_last_block_of_lettered_lines_is_the_options():
    text = "Findings:\nA. Fever\nB. Rash\n\nWhat is it?\nA. Measles\nB. Rubella\nC. Mumps"
    assert parse_question(text) == QuestionText(
        "Findings:\nA. Fever\nB. Rash\n\nWhat is it?", {"A": "Measles", "B": "Rubella", "C": "Mumps"}, None
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("A. Iron\nB. Folate\nB. Copper", "letter B appears more than once"),
        ("A. Iron\nB. Folate\nD. Copper", "A, B, D, expected C instead of D"),
        ("a) Iron\nb) Folate\na) Copper", "letter A appears more than once"),
    ],
)
def test_letter_that_is_doubled_or_left_out_is_refused(lines, message):
    with pytest.raises(InvalidQuestion, match=message):
        parse_question(f"Which?\n{lines}")


def test_twenty_six_options_are_read():
    options = {letter: f"Choice number {index}" for index, letter in enumerate(LETTERS)}
    assert parse_question(f"Which?\n{format_options(options)}").options == options


# Printable text without anything that looks like an option's letter, a table's edge or the mark of a right answer.
plain_texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=".:)-–—*．：）。　(（|←√☑✅✓✔"), min_size=1
)
plain_lines = plain_texts.map(str.strip).filter(lambda text: text and len(text.split("\n")) == 1)
any_options = st.lists(st.text(min_size=1), min_size=2, max_size=26).map(
    lambda texts: dict(zip(LETTERS, texts, strict=False))
)


@given(plain_lines, st.lists(plain_lines, min_size=2, max_size=26))
def test_question_comes_back_from_its_formatted_form(stem, texts):
    assume(not texts[-1].endswith("?"))
    options = dict(zip(LETTERS, texts, strict=False))
    # A question: without one, lines of measured values are facts as well.
    stem = f"Q {stem} end?"
    assert parse_question(f"{stem}\n{format_options(options)}\nAnswer: B") == QuestionText(stem, options, "B")


@given(any_options)
def test_any_options_come_back_from_their_formatted_form_on_one_line_each(options):
    formatted = format_options(options)
    assert formatted.count("\n") == len(options) - 1
    on_one_line = {letter: " ".join(map(str.strip, _lines(text))).strip() for letter, text in options.items()}
    assert parse_options(formatted) == on_one_line


def _lines(text):
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line for line in lines if line.strip()]


@given(st.text(st.sampled_from("ABab.):(-* \n\r\t?x1Answer")) | st.text())
def test_any_text_is_read_or_refused_with_a_message(text):
    for read in (parse_question, parse_options, read_question_json):
        try:
            read(text)
        except InvalidQuestion as refused:
            assert str(refused).strip()


@pytest.mark.parametrize(
    "text",
    ["A. x\n" * 20_000, "a) " * 60_000, "A. x B. y " * 20_000, "- " * 80_000, "\n" * 200_000 + "x", "A.\n" * 60_000,
     "Answer: x" + " " * 200_000 + "y", "*" * 200_000],
    ids=["lines", "parens", "inline", "bullets", "newlines", "empty", "spaces", "stars"],
)  # fmt: skip
def test_huge_pastes_are_read_in_moderate_time(text):
    start = time.process_time()
    with contextlib.suppress(InvalidQuestion):
        parse_question(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("box", "options"),
    [
        ("A. yes\nB. no\nC. maybe", YES_NO_MAYBE),
        ("yes\nno\n\n  maybe  \n", YES_NO_MAYBE),
        ("1. yes\n2. no\n3. maybe", YES_NO_MAYBE),
        ("• yes\n• no\n• maybe", YES_NO_MAYBE),
        ("أ) yes\nب) no\nج) maybe", YES_NO_MAYBE),
        ("1.5 mg\n2.5 mg", {"A": "1.5 mg", "B": "2.5 mg"}),
        ("(a) yes\n(b) no\n(c) maybe", YES_NO_MAYBE),
        ("A. yes B. no C. maybe", YES_NO_MAYBE),
        ("A. yes B. no\nC. maybe", YES_NO_MAYBE),
        ("E. coli\nS. aureus\nC. difficile", {"A": "E. coli", "B": "S. aureus", "C": "C. difficile"}),
        ("A. E. coli\nB. C. difficile", {"A": "E. coli", "B": "C. difficile"}),
        ("A.\nB. no", {"A": "", "B": "no"}),
        ("A. alone", {"A": "alone"}),
        ("alone", {"A": "alone"}),
        ("", {}),
        (" \n\t\n", {}),
    ],
)
def test_options_box_takes_lines_with_or_without_letters(box, options):
    assert parse_options(box) == options


def test_answer_line_below_options_in_their_box_is_the_target_and_no_option():
    assert parse_options_and_answer("A. yes\nB. no\nC. maybe\nAnswer: B") == (YES_NO_MAYBE, "B")
    assert parse_options_and_answer("yes\nno\nmaybe\nAnswer: Maybe") == (YES_NO_MAYBE, "C")
    assert parse_options_and_answer("A. yes\nB. no\nC. maybe") == (YES_NO_MAYBE, "")


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("A. yes\nno\nC. maybe", "'no' has none"),
        ("yes\nB. No\nmaybe", "'yes' has none"),
        ("A. yes\nB. no\nB. maybe", "letter B appears more than once"),
        ("A. yes\nC. no", "A, C, expected B instead of C"),
        ("B. Yes\nC. No", "B, C, expected A instead of B"),
        ("\n".join(f"choice {n}" for n in range(27)), "27 options, but only 26 letters"),
    ],
)
def test_options_box_says_what_is_wrong_with_its_letters(box, message):
    with pytest.raises(InvalidQuestion, match=message):
        parse_options(box)


@pytest.mark.parametrize(
    ("stem", "options", "target", "message"),
    [
        ("", {}, None, "The question is empty"),
        (" \n\t ", YES_NO_MAYBE, "A", "The question is empty"),
        ("x" * 200_000, {}, None, "200,000 characters; the limit is 100,000"),
        ("x", {"A": "y" * 100_000, "B": "z"}, None, "100,002 characters; the limit is 100,000"),
        ("ab\x00c", {}, None, r"a NUL \(U\+0000\) at character 3"),
        ("a\x1bc", {}, None, r"a control character \(U\+001B\) at character 2"),
        ("a\x7f", {}, None, r"a control character \(U\+007F\) at character 2"),
        ("a\ud83d", {}, None, r"half of a surrogate pair \(U\+D83D\) at character 2"),
        ("q", {"A": "x", "B": "y\x08"}, None, r"Option B has a control character \(U\+0008\) at character 2"),
        ("q", {"A": "x"}, None, "only one option"),
        ("q", {"A": "x", "B": " "}, None, "Option B is empty"),
        ("q", {"A": "x", "a": "y"}, None, "letter A appears more than once"),
        ("q", {"A": "x", "1": "y"}, None, "'y' has the letter '1'"),
        ("q", {"A": "x", "": "y"}, None, "'y' has the letter ''"),
        ("q", {"A": "x", "AB": "y"}, None, "'y' has the letter 'AB'"),
        ("q", {f"{n}": "x" for n in range(27)}, None, "27 options, but only 26 letters"),
        ("q", YES_NO_MAYBE, "D", "'D' is not one of the options: choose one of A, B, C"),
        ("q", YES_NO_MAYBE, "", "'' is not one of the options"),
        ("q", {}, "A", "'A', but the question has no options"),
    ],
)
def test_unusable_question_is_refused_with_what_was_found(stem, options, target, message):
    with pytest.raises(InvalidQuestion, match=message):
        validate_question(stem, options, target)


@pytest.mark.parametrize(
    "stem", ["What?", "🩺 fever?", "مريض عمره ٤٥ سنة", "e\u0301 combining", "tab\tand\nline\r\n", "x" * 100_000]
)
def test_usable_question_passes_without_warning(stem):
    assert validate_question(stem, {}, None) == ()


def test_character_limit_can_be_set():
    with pytest.raises(InvalidQuestion, match="11 characters; the limit is 10"):
        validate_question("x" * 11, {}, None, max_characters=10)


def test_options_with_the_same_text_are_a_warning():
    assert validate_question("q", {"A": "Iron", "B": "Folate", "C": " iron"}, "C") == (
        "2 options have the same text: iron",
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"question": "q"}, QuestionText("q", {}, None)),
        ({"question": "q", "options": None, "answer_idx": None}, QuestionText("q", {}, None)),
        ({"question": "q", "options": YES_NO_MAYBE}, QuestionText("q", YES_NO_MAYBE, None)),
        ({"question": "q", "options": ["yes", "no", "maybe"]}, QuestionText("q", YES_NO_MAYBE, None)),
        ({"question": "q", "options": YES_NO_MAYBE, "answer_idx": "B"}, QuestionText("q", YES_NO_MAYBE, "B")),
        ({"question": "q", "options": YES_NO_MAYBE, "answer_idx": " b"}, QuestionText("q", YES_NO_MAYBE, "B")),
        ({"question": "q", "options": YES_NO_MAYBE, "answer": "Maybe"}, QuestionText("q", YES_NO_MAYBE, "C")),
        ({"question": "q", "options": YES_NO_MAYBE, "answer": "C"}, QuestionText("q", YES_NO_MAYBE, "C")),
        ({"question": "q", "options": ["B", "A"], "answer": "A"}, QuestionText("q", {"A": "B", "B": "A"}, "B")),
        (
            {"question": "q", "options": YES_NO_MAYBE, "answer": "no", "answer_idx": "B", "meta": {"x": [1]}, "id": 7},
            QuestionText("q", YES_NO_MAYBE, "B"),
        ),
        ({"question": "q", "answer": "aspirin"}, QuestionText("q", {}, None)),
        ({"question": "a\r\nb", "options": []}, QuestionText("a\nb", {}, None)),
    ],
)  # fmt: skip
def test_question_is_read_from_json(record, expected):
    assert read_question_json("\ufeff" + json.dumps(record)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("{'question': 'q'}", "not valid JSON"),
        ('{"question": ' + "1" * 5000 + "}", "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", r"The JSON is \[\], but should be an object"),
        ("3", "The JSON is 3, but should be an object"),
        ('{"stem": "q"}', r"the keys \['stem'\], but no 'question'"),
        ('{"question": null}', "no 'question'"),
        ('{"question": ["q"]}', r"'question' is \[\"q\"\], but should be text"),
        ('{"question": "q", "options": "A. x"}', r"'options' is \"A. x\", but should be an object"),
        ('{"question": "q", "options": false}', "'options' is false"),
        ('{"question": "q", "options": {"A": 1}}', "Option 'A' is 1, but should be text"),
        ('{"question": "q", "options": ["x", null]}', "Option 'B' is null, but should be text"),
        ('{"question": "q", "options": ["x", "y"], "answer_idx": 1}', "'answer_idx' is 1, but should be text"),
        ('{"question": "q", "answer": {}}', r"'answer' is \{\}, but should be text"),
        ('{"question": "q", "options": ["x", "y"], "answer": "z"}', "'answer' is 'Z', which is not one"),
        ('{"question": "q", "options": ["x", "y"], "answer": "x y z"}', "'answer' is 'x y z', which is not one"),
        ('{"question": "q", "options": ["x", "y"], "answer": "x", "answer_idx": "B"}', "'B', but 'answer' is option A"),
        ('{"question": "q", "options": {"A": "x", "A": "y"}}', "the key 'A' twice"),
    ],
)
def test_json_that_cannot_be_a_question_is_refused_naming_the_key(text, message):
    with pytest.raises(InvalidQuestion, match=message):
        read_question_json(text)


def test_json_with_too_many_options_is_refused():
    with pytest.raises(InvalidQuestion, match="27 options"):
        read_question_json(json.dumps({"question": "q", "options": ["x"] * 27}))
