"""Pastes in which something beside the options says which is right: verdicts, spoilers, radio buttons, keys."""

import pytest

from m1app.question.pastes.pasted_question import OfferKind, Part, read_paste

STEM = "Which drug lowers potassium?"
TEXTS = ("Spironolactone", "Furosemide", "Captopril")
OPTIONS = dict(zip("ABC", TEXTS, strict=True))
LETTERED = "\n".join(f"{letter}. {text}" for letter, text in OPTIONS.items())
VERDICTS = ("Incorrect", "Correct", "Incorrect")


def judged(form: str, verdicts: tuple[str, ...] = VERDICTS) -> str:
    lines = [f"{k}. {form.format(v, verdict)}" for (k, v), verdict in zip(OPTIONS.items(), verdicts, strict=True)]
    return "\n".join([STEM, *lines])


@pytest.mark.parametrize(
    "text",
    [
        judged("{}\n{}: because of potassium."),
        judged("{} - {}. Because of potassium."),
        judged("{} ({}: because of potassium)"),
        judged("{} [{}]"),
        judged("{}. {}: por el potasio.", ("Incorrecta", "Correcta", "Incorrecta")),
        judged("{} ({} : à cause du potassium)", ("Faux", "Juste", "Faux")),
        judged("{}（{}：因为钾）", ("错误", "正确", "错误")),
    ],
)
def test_verdicts_and_their_reasons_are_left_out_and_the_right_one_is_the_target(text: str) -> None:
    paste = read_paste(text)
    assert (paste.stem, paste.options, paste.target, paste.unasked) == (STEM, OPTIONS, "B", "")
    assert "potassium" not in text or any(each.part is Part.EXPLANATION for each in paste.left_out)


@pytest.mark.parametrize(
    "text",
    [
        judged("{} - {}", ("False", "True", "False")),
        judged("{} ({})", ("no", "yes", "no")),
        f"{STEM}\nA. Spironolactone (incorrect)\nB. Furosemide\nC. Captopril (incorrect)",
        f"{STEM}\nA. Spironolactone\nB. Furosemide - Correct: it is lost.\nC. Captopril",
    ],
)
def test_a_verdict_that_only_sets_one_apart_holds_the_question_back(text: str) -> None:
    assert "may say which one is right" in read_paste(text).unasked


@pytest.mark.parametrize(
    "texts",
    [
        ("The correct dose is 5 mg", "The incorrect dose is 5 mg", "Correct QT: 440 ms"),
        ("Right bundle branch block - wide QRS", "Left bundle branch block", "None"),
        ("Both are true", "One is true, one is false", "Answer the call"),
    ],
)
def test_options_that_speak_of_right_and_wrong_stay_as_they_are(texts: tuple[str, ...]) -> None:
    lines = [f"{letter}. {text}" for letter, text in zip("ABC", texts, strict=True)]
    paste = read_paste("\n".join([STEM, *lines]))
    assert (tuple(paste.options.values()), paste.target, paste.unasked) == (texts, None, "")


@pytest.mark.parametrize(
    "behind",
    [
        " [Correct answer - B]",
        "   Ans-B",
        "\nAns > B",
        "\n>!Answer: B!<",
        "\n>!B!<",
        " >!B!<",
        "\nThe right one: B",
        "\nB. is the right one, others are wrong",
        "\nMarked answer: C\nRight answer: B",
    ],
)
def test_more_forms_of_a_key_behind_the_options_are_the_target(behind: str) -> None:
    paste = read_paste(f"{STEM}\n{LETTERED}{behind}")
    assert (paste.options, paste.target, paste.unasked) == (OPTIONS, "B", "")


@pytest.mark.parametrize("behind", ["\tB", " ........ B", "\nA: B", " - answer B", " {Ans: B}", " # B", "\n||B||"])
def test_a_letter_apart_from_the_last_option_is_held_back_until_somebody_says_what_it_is(behind: str) -> None:
    paste = read_paste(f"{STEM}\n{LETTERED}{behind}")
    assert paste.unasked
    taken = next(each for each in paste.offers if each.kind is OfferKind.TAKE_LETTER)
    assert (taken.questions[0].options, taken.questions[0].target) == (OPTIONS, "B")


@pytest.mark.parametrize(
    "behind", ["You chose C", "You were right! B", "Exp. Furosemide wastes it, so B", "Sol. (B) since it is lost"]
)
def test_what_somebody_answered_and_abbreviated_explanations_are_left_out(behind: str) -> None:
    paste = read_paste(f"{STEM}\n{LETTERED}\n{behind}")
    assert (paste.options, [each.text for each in paste.left_out]) == (OPTIONS, [behind])


def test_a_lone_number_below_numbered_options_is_no_part_of_the_last_one() -> None:
    paste = read_paste(f"{STEM}\n1) Spironolactone\n2) Furosemide\n3) Captopril\n2")
    assert (paste.options, [each.text for each in paste.left_out]) == (OPTIONS, ["2"])


@pytest.mark.parametrize("marks", ["○●○", "◯◉◯", "⚪🔘⚪"])
def test_radio_buttons_are_options_and_the_filled_one_is_the_target(marks: str) -> None:
    text = "\n".join([STEM, *(f"{mark} {text}" for mark, text in zip(marks, TEXTS, strict=True))])
    paste = read_paste(text)
    assert (paste.stem, paste.options, paste.target) == (STEM, OPTIONS, "B")


def test_filled_and_hollow_bullets_of_facts_are_no_radio_buttons() -> None:
    text = "● Vitals\n○ Pressure 120/80\n○ Pulse 80\nWhat is next?"
    assert (read_paste(text).stem, read_paste(text).options) == (text, {})


def test_an_explanation_between_question_and_options_goes_with_its_answer() -> None:
    paste = read_paste("哪种药物降低血钾？【答案】B【解析】袢利尿剂排钾，故选B。\nA.螺内酯\nB.呋塞米\nC.卡托普利")
    assert (paste.stem, paste.target) == ("哪种药物降低血钾？", "B")
    assert [each.text for each in paste.left_out] == ["【解析】袢利尿剂排钾，故选B。"]


def test_question_and_answer_on_one_line_are_told_apart() -> None:
    assert read_paste(f"Q: {STEM} A: Furosemide").stem == f"Q: {STEM}"


def test_an_answer_below_lines_that_may_be_options_is_not_asked_along() -> None:
    paste = read_paste("A woman was treated.\n1. Spironolactone\n*2. Furosemide\n3. Captopril")
    assert paste.options or paste.unasked
