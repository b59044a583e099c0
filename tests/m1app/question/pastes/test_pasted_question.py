"""Pastes as people bring them: what is recognised, what is only offered, and that nothing is lost."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.pasted_question import OfferKind, Part, Paste, read_paste

STEM = "A 54-year-old woman has a painful red eye and sees halos.\nWhat is the first treatment?"
TEXTS = ("Acetazolamide", "Prednisolone", "Chloramphenicol", "Patching")
OPTIONS = dict(zip("ABCD", TEXTS, strict=True))


def listed(form: str, marks: str = "ABCD", between: str = "\n") -> str:
    """The options as a list; `form` is as "{}. {}"."""
    names = marks.split() if " " in marks else marks
    return between.join(form.format(mark, text) for mark, text in zip(names, TEXTS, strict=True))


def offered(paste: Paste, kind: OfferKind) -> tuple[Paste, ...]:
    return next((offer.questions for offer in paste.offers if offer.kind is kind), ())


def parts(paste: Paste) -> tuple[str, dict[str, str], str | None]:
    return paste.stem, paste.options, paste.target


FORMS = {
    "number and point": listed("{}. {}", "1234"),
    "number and bracket": listed("{}) {}", "1234"),
    "number in brackets": listed("({}) {}", "1234"),
    "number and dash": listed("{}- {}", "1234"),
    "roman": listed("{}. {}", "I II III IV"),
    "small roman in brackets": listed("({}) {}", "i ii iii iv"),
    "circled": listed("{} {}", "①②③④"),
    "bullets": listed("• {1}"),
    "dashes": listed("- {1}"),
    "stars": listed("* {1}"),
    "indented": listed("   – {1}"),
    "bullet and letter": listed("• {}. {}"),
    "letter and tab": listed("{}\t{}"),
    "letter and spaces": listed("{}   {}"),
    "letter and space": listed("{} {}"),
    "square": listed("[{}] {}"),
    "square behind": listed("{}] {}"),
    "ideographic comma": listed("{}、{}"),
    "full width": listed("{}．{}", "ＡＢＣＤ"),
    "full-width brackets": listed("（{}）{}", "ＡＢＣＤ"),
    "arabic": listed("{}. {}", "أبجد"),
    "arabic dictionary order": listed("{}- {}", "أبتث"),
    "arabic in brackets": listed("({}) {}", "أبجد"),
    "persian": listed("{}) {}", "الف ب پ ت"),
    "arabic digits": listed("{}. {}", "١٢٣٤"),
    "cyrillic": listed("{}. {}", "АБВГ"),
    "small cyrillic": listed("{}) {}", "абвг"),
    "latin typed as cyrillic": listed("{}) {}", "АВСD"),
    "greek": listed("{}. {}", "ΑΒΓΔ"),
    "hebrew": listed("{}. {}", "אבגד"),
    "hangul": listed("{}. {}", "가나다라"),
    "katakana": listed("{}. {}", "アイウエ"),
    "markdown table": "| Option | Text |\n|---|---|\n" + listed("| {} | {} |"),
    "bold in a table": "| | Answer |\n|:--|:--|\n" + listed("| **{}** | {} |"),
    "bars": listed("{} | {}"),
    "boxes": listed("- [ ] {1}"),
    "boxes and letters": listed("☐ {}. {}"),
    "bold letters": listed("**{}.** {}  "),
    "bold options": listed("**{}. {}**"),
    "markdown list": listed("- **{}.** {}"),
    "bold texts": listed("{}. **{}**", "1234"),
    "quoted": listed("> {}. {}"),
    "wide space": listed("{}\u3000{}", "1234"),
    "blank lines": listed("{}. {}", between="\n\n"),
    "letter on its own line": listed("{}\n{}"),
    "letter on its own line, with blank lines": listed("{}.\n\n{}", between="\n\n"),
    "heading": "Options:\n" + listed("{}. {}"),
    "numbers below a heading": "Answer choices:\n" + listed("{}) {}", "1234"),
    "a page's end within": listed("{}. {}").replace("\nC", "\nPage 4 of 20\nC"),
    "broken word": listed("{}. {}").replace("Chloramphenicol", "Chloram-\nphenicol"),
    "one line, numbers": listed("{}) {}", "1234", " "),
    "one line, brackets": listed("({}) {}", "1234", " "),
    "one line, circled": listed("{}{}", "①②③④", " "),
    "one line, cyrillic": listed("{}) {}", "АБВГ", " "),
    "one line, semicolons": listed("{}) {}", "abcd", "; "),
    "one line, commas": listed("{}. {}", "ABCD", ", "),
}
AFTERWARDS = {
    "nothing": ("", None),
    "an answer": ("\nAnswer: Prednisolone", "B"),
    "answer, explanation, page": ("\n\nAnswer: Prednisolone\n\nExplanation: It calms.\nIt helps.\n\nPage 3", "B"),
    "a page's end": ("\n12 / 240\n", None),
    "a page's end in words": ("\nPage 3 of 9", None),
    "a source": ("\n\n© 2024 Exam Bank\nwww.exam.example", None),
}


@pytest.mark.parametrize("gap", ["\n", "\n\n"], ids=["next line", "blank line"])
@pytest.mark.parametrize(("rest", "target"), AFTERWARDS.values(), ids=AFTERWARDS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_options_are_recognised_in_every_form_whatever_follows(
    form: str, rest: str, target: str | None, gap: str
) -> None:
    paste = read_paste(STEM + gap + form + rest)
    assert parts(paste) == (STEM, OPTIONS, target)
    assert offered(paste, OfferKind.SPLIT) == ()


ANSWERS = [
    "Answer: B", "ANSWER:B", "Ans. B", "Correct answer: B", "The correct answer is B.", "The answer is (B).",
    "Answer - B",
    "Answer: B) Prednisolone", "Answer: option B", "**Answer: B**", "### Answer: B", "[Answer: B]", "(Answer: B)",
    "Answer → B",
    "Key: B", "Target: B", "答案：B", "答案B", "正确答案是B", "参考答案：Ｂ", "【答案】B", "正解：B", "正解はBです",
    "정답: B", "정답은 B",
    "Respuesta: B", "Respuesta correcta: b)", "La respuesta correcta es la B", "Resposta: B", "Gabarito: B",
    "Réponse : B",
    "La bonne réponse est B", "Antwort: B", "Die richtige Antwort ist B", "Risposta corretta: B", "Antwoord: B",
    "Rätt svar: B",
    "Odpowiedź: B", "Doğru cevap: B", "Đáp án: B", "Ответ: B", "Правильный ответ: В", "الإجابة: B", "תשובה: B",
    "उत्तर: B",
    "Answer: prednisolone.", "| Answer | B |", "Answer\tB", "Answer\nB", "Answer:\n\nB. Prednisolone",
    "B is the correct answer.",
    "Answer: B, since it calms.", "答案：B 解析：它有效", "Explanation: It calms.\nAnswer: B",
    "Your answer: A\nCorrect answer: B",
]  # fmt: skip


@pytest.mark.parametrize("gap", ["\n", "\n\n"], ids=["next line", "blank line"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_answer_line_gives_the_target_and_reaches_neither_stem_nor_options(answer: str, gap: str) -> None:
    paste = read_paste(f"{STEM}\n{listed('{}. {}')}{gap}{answer}\n")
    assert parts(paste) == (STEM, OPTIONS, "B")
    assert paste.answer_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Which?\nA. Iron\nB. Zinc Answer: A", ("Which?", {"A": "Iron", "B": "Zinc"}, "A")),
        ("哪一个?\nA.铁\nB.锌 答案：B", ("哪一个?", {"A": "铁", "B": "锌"}, "B")),
        ("Which?\nAnswer: B\nA. Iron\nB. Zinc", ("Which?", {"A": "Iron", "B": "Zinc"}, "B")),
        ("正确的是（ B ）\nA. 铁\nB. 锌", ("正确的是（ ）", {"A": "铁", "B": "锌"}, "B")),
        ("Which?\n1) Iron\n2) Zinc\nAnswer: 2", ("Which?", {"A": "Iron", "B": "Zinc"}, "B")),
        ("أي منها؟\nأ) حديد\nب) زنك\nالإجابة: ب", ("أي منها؟", {"A": "حديد", "B": "زنك"}, "B")),
        ("Какой?\nА) Железо\nБ) Цинк\nВ) Медь\nОтвет: В", ("Какой?", {"A": "Железо", "B": "Цинк", "C": "Медь"}, "C")),
        ("Which?\nA. Iron\nB. Zinc\nAnswer: A, B", ("Which?", {"A": "Iron", "B": "Zinc"}, "A, B")),
        ("Which vitamin?\nA. C\nB. A\nAnswer: A", ("Which vitamin?", {"A": "C", "B": "A"}, "A")),
        ("Which?\nA. Iron\nB. E. coli\nAnswer: E. coli", ("Which?", {"A": "Iron", "B": "E. coli"}, "B")),
        ("Q: What cures scurvy?\nA: Vitamin C", ("Q: What cures scurvy?", {}, None)),
        ("무엇?\n1. 철분\n2. 엽산\n정답 2번", ("무엇?", {"A": "철분", "B": "엽산"}, "B")),
        ("> Which?\n> A. Iron\n> B. Zinc\n> Answer: B", ("Which?", {"A": "Iron", "B": "Zinc"}, "B")),
        ("Select one drug.\n1. Iron\n2. Zinc", ("Select one drug.", {"A": "Iron", "B": "Zinc"}, None)),
        ("適切なのはどれか。\n1. 鉄\n2. 亜鉛", ("適切なのはどれか。", {"A": "鉄", "B": "亜鉛"}, None)),
        ("What cures scurvy?\nAnswer: vitamin C", ("What cures scurvy?", {}, None)),
        ("Is it obvious?\nThe answer is unclear.", ("Is it obvious?\nThe answer is unclear.", {}, None)),
    ],
)
def test_answer_is_found_wherever_it_stands(text: str, expected: tuple[str, dict[str, str], str | None]) -> None:
    assert parts(read_paste(text)) == expected


@pytest.mark.parametrize(
    "lines",
    [
        "A. Iron\n*B. Zinc\nC. Lead",
        "A. Iron\nB.* Zinc\nC. Lead",
        "A. Iron\nB. Zinc ✓\nC. Lead",
        "A. Iron\nB. Zinc (correct)\nC. Lead",
        "A. Iron\n✓ B. Zinc\nC. Lead",
        "1. Iron\n*2. Zinc\n3. Lead",
        "[ ] Iron\n[x] Zinc\n[ ] Lead",
        "☐ Iron\n☑ Zinc\n☐ Lead",
    ],
)
def test_marked_option_is_the_target_and_loses_its_mark(lines: str) -> None:
    assert parts(read_paste(f"Which?\n{lines}")) == ("Which?", {"A": "Iron", "B": "Zinc", "C": "Lead"}, "B")


def test_mark_on_several_options_is_no_target() -> None:
    paste = read_paste("Which?\n[x] Iron\n[x] Zinc\n[ ] Lead")
    assert paste.target is None


@pytest.mark.parametrize(
    "text",
    [
        "A 70-year-old man.\nPast history:\n1. Asthma\n2. Gout\n3. Smoking\nWhat is the next step?",
        "What is the next step?\nPast history:\n1. Asthma\n2. Gout\n3. Smoking",
        "Labs:\n1. Hb 8.2 g/dL\n2. MCV 70 fL",
        "He is tired.\nA. Hb 8 g/dL\nB. MCV 70 fL\nC. Iron low\nWhich finding explains it?",
        "Findings:\nA. Fever\nB. Rash\n\nName the diagnosis.",
        "He takes vitamin A. Vitamin B. and vitamin C. are low. Vitamin D. is normal. What now?",
        "He has hepatitis\nB. He also has\nC. difficile colitis. What now?",
        "Which drug is best?\n\nThanks for your help with this.",
    ],
)
def test_what_only_looks_like_options_is_left_alone(text: str) -> None:
    assert parts(read_paste(text)) == (text, {}, None)
    assert offered(read_paste(text), OfferKind.SPLIT) == ()


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Which?\nIron\nZinc\nLead", ["Iron", "Zinc", "Lead"]),
        ("Which organism?\nE. coli\nC. difficile", ["E. coli", "C. difficile"]),
        ("Why is he tired?\n- Hb 8.2 g/dL\n- MCV 70 fL", ["Hb 8.2 g/dL", "MCV 70 fL"]),
        ("Why is he tired? Labs:\nA. Hb 8.2 g/dL\nB. MCV 70 fL", ["Hb 8.2 g/dL", "MCV 70 fL"]),
        ("Which?\nA. Iron\nB. Zinc\n\nZinc is best because it is a metal.", ["Iron", "Zinc"]),
        ("Which organism?\nA. Klebsiella\nB. Proteus\nE. coli", ["Klebsiella", "Proteus E. coli"]),
        ("Which?\nA. Iron\nB. Zinc\nC. Lead\nD. Proteus\nE. coli", ["Iron", "Zinc", "Lead", "Proteus E. coli"]),
    ],
)
def test_what_may_be_options_is_offered_and_not_done(text: str, options: list[str]) -> None:
    paste = read_paste(text)
    assert (paste.stem, paste.options) == (text, {})
    (split,) = offered(paste, OfferKind.SPLIT)
    assert list(split.options.values()) == options


def test_abbreviated_name_at_the_start_of_a_line_is_no_option() -> None:
    paste = read_paste("Which?\nA. Iron\nB. Zinc\nC. Lead\nD. Infection with\nE. coli")
    assert list(paste.options) == ["A", "B", "C", "D"]
    assert paste.options["D"] == "Infection with E. coli"


def test_last_option_may_begin_small() -> None:
    assert read_paste("Which?\nA. Iron\nB. Zinc\nC. none of these").options["C"] == "none of these"


def test_table_with_columns_keeps_their_heads_in_the_stem() -> None:
    rows = "| | Calcium | PTH |\n|---|---|---|\n| A | high | high |\n| B | low | high |"
    paste = read_paste(f"Which pattern fits?\n\n{rows}\n\nAnswer: A")
    assert paste.options == {"A": "high | high", "B": "low | high"}
    assert paste.stem == "Which pattern fits?\n\n| | Calcium | PTH |"
    tabs = read_paste("Which pattern fits?\n\tCalcium\tPTH\nA\thigh\thigh\nB\tlow\thigh\nC\thigh\tlow")
    assert tabs.options["C"] == "high | low"


def test_statements_to_choose_from_stay_in_the_stem() -> None:
    stem = "Which are true?\n1. Iron is a metal\n2. Zinc is a gas"
    assert parts(read_paste(f"{stem}\nA. 1 only\nB. 2 only\nC. Both\nAnswer: A")) == (
        stem, {"A": "1 only", "B": "2 only", "C": "Both"}, "A",
    )  # fmt: skip


def test_joining_puts_divided_words_together_and_keeps_what_has_a_hyphen_of_its_own() -> None:
    text = (
        "A man has pro-\ngressive dyspnoea, coffee-\nground vomitus and a TNF-\nα of 20-\n30 pg/mL.\n\n"
        "• Na 132\n• K 5.9\nTest\tResult\nHb\t6.8\nWhich test comes\nnext?"
    )
    (joined,) = offered(read_paste(text), OfferKind.JOIN)
    assert joined.stem == (
        "A man has progressive dyspnoea, coffee-ground vomitus and a TNF-α of 20-30 pg/mL.\n\n"
        "• Na 132\n• K 5.9\nTest\tResult\nHb\t6.8\nWhich test comes next?"
    )
    assert read_paste(joined.stem).offers == ()


SEVERAL = {
    "blank lines": "What?\nA. x\nB. y\n\nWhere?\nA. up\nB. down",
    "no blank lines": "What?\nA. x\nB. y\nWhere?\nA. up\nB. down",
    "numbers": "1. What?\nA. x\nB. y\n2. Where?\nA. up\nB. down",
    "numbers in the middle of a list": "17) What?\na) x\nb) y\n18) Where?\na) up\nb) down",
    "numbers for both": "1. What?\n1) x\n2) y\n2. Where?\n1) up\n2) down",
    "headings": "Question 1\nWhat?\nA. x\nB. y\n\nQuestion 2\nWhere?\nA. up\nB. down",
    "one line each": "1. What? A. x B. y\n2. Where? A. up B. down",
}


@pytest.mark.parametrize("text", SEVERAL.values(), ids=SEVERAL)
def test_several_questions_are_told_apart(text: str) -> None:
    paste = read_paste(text)
    assert [parts(each) for each in paste.questions] == [
        ("What?", {"A": "x", "B": "y"}, None),
        ("Where?", {"A": "up", "B": "down"}, None),
    ]
    assert (paste.stem, paste.options) == (text, {})


@pytest.mark.parametrize(
    "text",
    [
        "1. What?\nA. x\nB. y\nAnswer: A\n2. Where?\nA. up\nB. down\nAnswer: B",
        "What?\nA. x\nB. y\nAnswer: A\nExplanation: it is.\n\nWhere?\nA. up\nB. down\nAnswer: B",
        "1. What?\nA. x\nB. y\n2. Where?\nA. up\nB. down\n\nAnswers: 1. A 2. B",
        "1. What?\nA. x\nB. y\n2. Where?\nA. up\nB. down\n\nAnswer key\n1-A\n2-B",
        "What?\n*A. x\nB. y\n\nWhere?\nA. up\n*B. down",
        "1. 什么?\nA. x\nB. y\n答案：A\n2. 哪里?\nA. up\nB. down\n答案：B",
    ],
)
def test_each_of_several_questions_has_its_own_answer(text: str) -> None:
    assert [each.target for each in read_paste(text).questions] == ["A", "B"]


def test_case_before_several_questions_belongs_to_all_of_them() -> None:
    case = "A 34-year-old man with pale skin and fatigue is seen in the clinic."
    first, second = read_paste(f"{case}\n1. What?\nA. x\nB. y\n2. Where?\nA. up\nB. down").questions
    assert (first.stem, second.stem) == (f"{case}\nWhat?", f"{case}\nWhere?")


@pytest.mark.parametrize(
    "text",
    [
        "A man has:\nA. Fever\nB. Rash\n\nWhat is it?\nA. Measles\nB. Mumps",
        "Which are true?\nA. Fire is hot\nB. Ice is cold\n\nOptions:\n1. A only\n2. B only",
        "What is it? And what cures it?\nA. Iron\nB. Zinc",
    ],
)
def test_list_of_facts_before_the_question_does_not_make_it_two(text: str) -> None:
    paste = read_paste(text)
    assert paste.questions == ()
    assert len(paste.options) == 2


def test_left_out_parts_are_named() -> None:
    paste = read_paste("Which?\nOptions:\nA. Iron\nB. Zinc\nAnswer: B\nRationale: a metal.\nPage 3 of 9")
    assert [(each.part, each.text) for each in paste.left_out] == [
        (Part.HEADING, "Options:"),
        (Part.EXPLANATION, "Rationale: a metal."),
        (Part.FOOTER, "Page 3 of 9"),
    ]
    assert paste.answer_line == "Answer: B"


# Lines of all kinds that the parser knows, in any order.
KNOWN_LINES = [
    "A man has pain.", "Which is best?", "", "A. Iron", "B. Zinc", "C. Lead", "1. Iron", "2. Zinc", "• Iron",
    "• Zinc", "Options:",
    "Answer: B", "答案：C", "Explanation: it is.", "Page 3 of 9", "| A | Iron |", "| B | Zinc |", "[ ] Iron",
    "[x] Zinc", "E. coli",
    "Question 1", "Question 2: Why?", "*B. Zinc", "and more text", "Hb 8 g/dL", "The correct answer is C.",
    "A) x B) y C) z", "a-",
]  # fmt: skip
WORDS = re.compile(r"[^\W_]+")


@given(st.lists(st.sampled_from(KNOWN_LINES), min_size=1, max_size=14))
def test_no_word_of_a_paste_is_lost(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        paste = read_paste(text)
    except InvalidQuestion:
        return
    for each in (paste, *(question for offer in paste.offers for question in offer.questions)):
        if offered(paste, OfferKind.SEVERAL) and each is not paste:
            continue
        assert _words_of(each) >= _needed(text)


@given(st.lists(st.lists(st.sampled_from(KNOWN_LINES), max_size=3), min_size=2, max_size=4))
def test_several_questions_lose_no_word_either(between: list[list[str]]) -> None:
    text = "\n".join(f"{n}. What?\nA. Iron\nB. Zinc\n" + "\n".join(rest) for n, rest in enumerate(between, start=1))
    try:
        questions = read_paste(text).questions
    except InvalidQuestion:
        return
    if not questions:
        return
    assert set().union(*map(_words_of, questions)) >= _needed(text) - {"Question"}


def _words_of(paste: Paste) -> set[str]:
    everything = [paste.stem, *paste.options.values(), paste.answer_line, *(each.text for each in paste.left_out)]
    return set(WORDS.findall(" ".join(everything)))


def _needed(text: str) -> set[str]:
    """Words that have to be somewhere: not letters and numbers, which may be marks of options and questions."""
    return {word for word in WORDS.findall(text) if len(word) > 1}


HOSTILE = ["A. x\n", "- ", "*", "Answer: C\n", "1. x?\n2. y?\n", "A. x\nB. y\n", "| ", "E. coli\n", "x-\n", "(", " ",
           "What?\nA. x\nB. y\nAnswer: A\n\n"]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE, ids=repr)
def test_hostile_text_of_two_hundred_thousand_characters_is_read(unit: str) -> None:
    # Where a pattern tried every way to share characters, this would not end within the tests' time limit.
    with contextlib.suppress(InvalidQuestion):
        read_paste((unit * 200_000)[:200_000])


def test_a_footer_before_the_options_takes_no_line_of_the_question() -> None:
    paste = read_paste("A. Iron\nB. Zinc\nPage 3 of 9\nA man has pain.\nA) x B) y C) z")
    (split,) = paste.offers
    assert "A man has pain." in split.questions[0].stem
