"""Questions pasted as data or source, whose fields, tags and commands name the right option: never asked along."""

import json

import pytest

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.pasted_question import Paste, read_paste
from m1app.ui.question.question_form import take_apart

STEM = "Which drug lowers potassium?"
TEXTS = ("Spironolactone", "Furosemide", "Captopril")
OPTIONS = dict(zip("ABC", TEXTS, strict=True))
RECORD = {"question": STEM, "options": OPTIONS, "answer_idx": "B"}
READ = {
    "a list of one": json.dumps([RECORD]),
    "a fence": f"```json\n{json.dumps(RECORD, indent=1)}\n```",
    "Python": str(RECORD),
    "a field for each option": json.dumps(
        {"question": STEM, "opa": TEXTS[0], "opb": TEXTS[1], "opc": TEXTS[2], "cop": "B", "exp": "Ans. is b"}
    ),
    "texts and labels": json.dumps(
        {"question": STEM, "choices": {"text": TEXTS, "label": ["A", "B", "C"]}, "answerKey": "B"}
    ),
    "letters in a list": json.dumps(
        {"question": STEM, "options": [f"{k}. {v}" for k, v in OPTIONS.items()], "answer": "B"}
    ),
    "objects": json.dumps(
        {"question": STEM, "options": [{"key": k, "value": v} for k, v in OPTIONS.items()], "answer": "B"}
    ),
    "flags": json.dumps({"question": STEM, "options": [{"text": v, "correct": k == "B"} for k, v in OPTIONS.items()]}),
    "nested": json.dumps({"data": RECORD}),
    "a table with a head": f'question,a,b,c,answer\n"{STEM}",{",".join(TEXTS)},B',
    "a quoted row": f'"{STEM}",{",".join(TEXTS)},B',
    "a row with tabs": "\t".join((STEM, *TEXTS, "Furosemide")),
    "a row with semicolons": ";".join((STEM, *TEXTS, "b")),
    "a row of Markdown": f"| {STEM} | {' | '.join(TEXTS)} | B |",
    "LaTeX of an exam": f"\\question {STEM}\n\\begin{{choices}}\n\\choice Spironolactone\n\\CorrectChoice Furosemide\n"
    "\\choice Captopril\n\\end{choices}",
    "a comment in LaTeX": f"{STEM}\n\\begin{{enumerate}}[A.]\n\\item Spironolactone\n\\item Furosemide % correct\n"
    "\\item Captopril\n\\end{enumerate}",
    "GIFT": f"::K:: {STEM} {{ ~Spironolactone#spares it =Furosemide ~Captopril }}",
    "XML of Moodle": f"<question><questiontext><text><![CDATA[<p>{STEM}</p>]]></text></questiontext>"
    + "".join(
        f'<answer fraction="{100 if each == "Furosemide" else 0}"><text>{each}</text><feedback>So</feedback></answer>'
        for each in TEXTS
    )
    + "</question>",
}


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_a_question_in_a_known_format_is_read_with_its_target(text: str) -> None:
    paste = read_paste(text)
    assert (paste.stem, paste.options, paste.target, paste.unasked) == (STEM, OPTIONS, "B", "")


@pytest.mark.parametrize("between", [",", "\n"])
def test_several_records_are_several_questions(between: str) -> None:
    text = between.join(json.dumps(RECORD | {"question": each}) for each in (STEM, "Which else?"))
    found = read_paste(f"[{text}]" if between == "," else text).questions
    assert [(each.stem, each.options, each.target) for each in found] == [
        (STEM, OPTIONS, "B"),
        ("Which else?", OPTIONS, "B"),
    ]


def test_an_open_question_in_json_leaves_its_answer_out() -> None:
    paste = read_paste(json.dumps({"question": STEM, "answer": "Furosemide"}))
    assert (paste.stem, paste.options, paste.answer_line) == (STEM, {}, "Answer: Furosemide")


HELD = {
    "broken JSON": json.dumps({"answer": "B", "question": STEM, "options": OPTIONS})[:-9],
    "a flag in broken JSON": '{"question": "Which?", "options": [{"text": "Zinc", "correct": true}, {"te',
    "messages": json.dumps({"messages": [{"role": "user", "content": STEM}, {"role": "assistant", "content": "B"}]}),
    "QTI": f"<item><correctResponse><value>B</value></correctResponse><prompt>{STEM}</prompt></item>",
    "bold in LaTeX": f"{STEM}\n\\begin{{itemize}}\n\\item Zinc\n\\item \\textbf{{Iron}}\n\\end{{itemize}}",
    "a cloze": "Potassium is lowered by {{c1::furosemide}}.",
    "short answers in GIFT": f"{STEM} {{=Furosemide =Frusemide}}",
}


@pytest.mark.parametrize("text", HELD.values(), ids=HELD)
def test_other_source_that_names_the_answer_is_held_back(text: str) -> None:
    with pytest.raises(InvalidQuestion, match="right"):
        take_apart(text, "", "")


def test_source_that_names_the_answer_is_held_back_beside_options_in_their_own_box() -> None:
    with pytest.raises(InvalidQuestion, match="right"):
        take_apart(HELD["messages"], "A. Zinc\nB. Iron", "")


@pytest.mark.parametrize(
    "text",
    [
        'He said "answer": "yes" and left. Why?',
        "Let {x = 5 ~ 6}. What is x?",
        "Is it zinc, iron, or copper, A?",
        '{"patient": "A man", "finding": "anemia"} What is next?',
        "The LaTeX command \\item is used for what?",
    ],
)
def test_prose_with_such_signs_is_asked_as_it_is(text: str) -> None:
    assert read_paste(text) == Paste(text, {})


@pytest.mark.parametrize(
    "piece",
    [
        "{",
        '{"a":',
        "[[",
        "\\item x ",
        "{=a~b",
        "<answer fraction='1'>",
        "<questiontext>",
        "a,b;",
        '"answer": ',
        ">!a",
        "● a\n",
    ],
)
def test_long_source_is_read_or_refused_in_steps_of_its_length(piece: str) -> None:
    assert read_paste((piece * 20_000)[:60_000]) is not None
