"""The answer never stays in the question that is asked: it becomes the target, or a person says what it is first."""

import pytest

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.pasted_question import OfferKind, Paste, read_paste
from m1app.ui.question.paste_preview import preview_value
from m1app.ui.question.question_form import take_apart

STEM = "Which vitamin is lacking?"
OPTIONS = {"A": "Thiamine", "B": "Niacin", "C": "Zinc"}
LETTERED = "\n".join(f"{letter}. {text}" for letter, text in OPTIONS.items())
ONE_LINE = LETTERED.replace("\n", " ")
NUMBERED = "1. Thiamine\n2. Niacin\n3. Zinc"
CHINESE = "下列哪项是维生素C缺乏的表现"
CHINESE_OPTIONS = {"A": "坏血病", "B": "脚气病", "C": "佝偻病", "D": "夜盲症"}
PACKED = "A.坏血病 B.脚气病 C.佝偻病 D.夜盲症"
GLUED = PACKED.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        f"{STEM} [B] {ONE_LINE}",
        f"{STEM} [B]\n{LETTERED}",
        f"{STEM} (B) {ONE_LINE}",
        f"{STEM} (B).\n{LETTERED}",
        f"{STEM}\n【B】\n{LETTERED}",
        f"{STEM} ( b )\n\n{LETTERED}",
        f"{STEM} Ans. B\n{LETTERED}",
        f"{STEM} Ans. B {ONE_LINE}",
        f"{STEM} Answer: B {ONE_LINE}",
        f"{STEM} Key: 2\n{NUMBERED}",
        f"{STEM}\n{NUMBERED}\nKey: 2",
        f"{STEM} {NUMBERED} Key: 2".replace("\n", " "),
        f"{STEM} {ONE_LINE} Answer: B Explanation: it is so.",
        f"{STEM} {ONE_LINE} The correct answer is B.",
        f"{STEM}\n{LETTERED} Answer: B. It is so, because it is.",
        f"{STEM} {ONE_LINE} Correct: b) Rationale: it is so.",
        f"{STEM}\n{LETTERED}\nExplanation: it is so. Correct: b)",
        f"{STEM}\n{LETTERED}\nExplanation: it is so.\nAnd so on.\nCorrect: b)",
        f"{STEM}\n{LETTERED}\n\nPage 3 Correct: b)",
        f"{STEM} {ONE_LINE} Your answer: C Correct answer: B",
        f"(B) 7. {STEM}\n{LETTERED}",
    ],
)
def test_an_answer_within_a_line_is_the_target_and_nothing_else(text: str) -> None:
    paste = read_paste(text)
    assert (paste.stem.removeprefix("7. "), paste.options, paste.target) == (STEM, OPTIONS, "B")
    assert not paste.unasked


@pytest.mark.parametrize(
    "text",
    [
        f"{CHINESE}？{PACKED} 答案：B 解析：维生素B1缺乏导致脚气病。",
        f"{CHINESE}？{GLUED}答案：B",
        f"{CHINESE}？{GLUED}【答案】B【解析】维生素B1缺乏导致脚气病。",
        f"{CHINESE}？{PACKED} 正确答案是B。",
        f"{CHINESE}？（B）{PACKED}",
        f"{CHINESE}（B）{PACKED}",
        f"{CHINESE}（ Ｂ ）。\n{PACKED}",
        f"{CHINESE}【B】\n" + PACKED.replace(" ", "\n"),
        f"(B) 3.{CHINESE}？\n" + PACKED.replace(" ", "\n"),
    ],
)
def test_a_chinese_question_in_one_line_loses_its_answer(text: str) -> None:
    paste = read_paste(text)
    assert paste.stem.removeprefix("3.").rstrip("？。（） ") == CHINESE
    assert (paste.options, paste.target, paste.unasked) == (CHINESE_OPTIONS, "B", "")


def test_an_explanation_behind_the_options_is_left_out_without_an_answer_too() -> None:
    paste = read_paste(f"{STEM} {ONE_LINE} Explanation: niacin is lacking.")
    assert (paste.stem, paste.options, paste.target) == (STEM, OPTIONS, None)


def test_each_of_several_questions_of_one_line_loses_its_answer() -> None:
    paste = read_paste(f"1. {STEM} {ONE_LINE} Answer: B\n2. What else? {ONE_LINE} Answer: C")
    assert [(each.stem, each.target) for each in paste.questions] == [(STEM, "B"), ("What else?", "C")]
    assert all(each.options == OPTIONS for each in paste.questions)


def test_a_letter_on_a_line_to_fill_is_the_target_and_the_line_stays() -> None:
    paste = read_paste(f"The lacking vitamin is ___B___ here.\n{LETTERED}")
    assert (paste.stem, paste.target) == ("The lacking vitamin is ____ here.", "B")


@pytest.mark.parametrize(
    "stem",
    [
        "Which is lacking in vitamin [B] deficiency?",
        "(A) and (B) are correct",
        "Which is true of (A) and (B)?",
        "Which antigen is Rh (D)",
        "Which drug prevents hepatitis (B)?",
        "Prevention of hepatitis (B)",
        "What is the structure labelled (C)?",
        "The pills (B) are red. Why?",
        "乙型肝炎（B）患者的表现是什么？",
        "The answer: B cells or T cells, is not known. Which are these?",
        "A factor is the key: B is common. Which one?",
        "(a) Which is true?",
    ],
)
def test_a_letter_that_is_only_mentioned_stays(stem: str) -> None:
    paste = read_paste(f"{stem}\n{LETTERED}")
    assert (paste.stem, paste.options, paste.target, paste.unasked) == (stem, OPTIONS, None, "")


UNCERTAIN = {
    "The lacking vitamin is [B]": "The lacking vitamin is",
    "Which vitamin is lacking (B)?": "Which vitamin is lacking?",
    "The lacking vitamin is __B__.": "The lacking vitamin is ____.",
    "[B] Which vitamin is lacking?": "Which vitamin is lacking?",
    "下列哪项【B】是缺乏的表现？": "下列哪项（ ）是缺乏的表现？",
}


@pytest.mark.parametrize(("stem", "without"), UNCERTAIN.items())
def test_a_letter_that_may_be_the_answer_is_held_back_until_somebody_says_so(stem: str, without: str) -> None:
    text = f"{stem}\n{LETTERED}"
    with pytest.raises(InvalidQuestion, match="may be the answer"):
        take_apart(text, "", "")
    value = preview_value(text, "", "")
    assert value["split"] is None
    take, keep = (_taken(value, kind) for kind in (OfferKind.TAKE_LETTER, OfferKind.KEEP_LETTER))
    assert take_apart(*take) == (without, OPTIONS, "B")
    assert take_apart(*keep) == (stem, OPTIONS, "")


def test_a_letter_other_than_the_stated_answer_belongs_to_the_question() -> None:
    paste = read_paste(f"The lacking vitamin is [B]\n{LETTERED}\nAnswer: C")
    assert (paste.stem, paste.target, paste.unasked) == ("The lacking vitamin is [B]", "C", "")


def test_several_questions_with_an_uncertain_letter_are_no_set_and_each_is_held_back() -> None:
    text = f"1. The lacking vitamin is [B]\n{LETTERED}\n2. What else?\n{LETTERED}"
    (offer,) = preview_value(text, "", "", has_sets=True)["offers"]
    assert "set" not in offer
    with pytest.raises(InvalidQuestion, match="may be the answer"):
        take_apart(*offer["boxes"][0])


HTML = f"<p>{STEM}</p><ol type='A'><li>Thiamine</li><li>Niacin</li><li>Zinc</li></ol>"


@pytest.mark.parametrize(
    "html",
    [
        f"{HTML}<p>Answer: B</p>",
        f"{HTML}<p><b>Answer:</b> B</p>",
        HTML.replace("lacking?", "lacking? [B]"),
        HTML.replace("Niacin", "Niacin (correct)"),
        HTML.replace("<li>Niacin", "<li class='is-correct'>Niacin"),
        f"{HTML}<!-- answer: B -->",
        f"{STEM}<br>\nA. Thiamine<br>\nB. Niacin<br>\nC. Zinc<br>\nAnswer: B<br>",
    ],
)
def test_html_that_says_the_answer_is_not_asked_until_it_is_text(html: str) -> None:
    for options in ("", "A. Thiamine\nB. Niacin\nC. Zinc"):
        with pytest.raises(InvalidQuestion, match="Remove HTML"):
            take_apart(html, options, "")
    value = preview_value(html, "", "")
    assert "Remove HTML" in value["summary"]
    assert value["split"] is None
    stem, options_text, _ = _taken(value, OfferKind.HTML)
    assert take_apart(stem, options_text, "")[:2] == (STEM, OPTIONS)


def test_html_without_an_answer_is_asked_as_it_is() -> None:
    assert take_apart(HTML, "", "") == (HTML, {}, "")


def _taken(value: dict[str, list[dict[str, list[list[str]]]]], kind: OfferKind) -> list[str]:
    """The boxes that an offer fills."""
    return next(offer["boxes"][0] for offer in value["offers"] if str(offer["kind"]) == kind.value)


@pytest.mark.parametrize(
    "unit", ["答案：B ", "Answer: B ", "[B] A. ", "__B__ ", "解析：", "<!-- ", "(B)(B", "_ ", "【"], ids=repr
)
def test_hostile_text_is_read_to_its_end(unit: str) -> None:
    assert isinstance(read_paste((unit * 100_000)[:100_000]), Paste)
