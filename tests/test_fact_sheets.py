"""The example fact sheets: their form, their sources, and that they state facts without repeating the library's cases.

Whether the medicine is right is not checked.
"""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from m1app.fact_tests.words import names_target
from m1app.question.library import LibraryQuestion, load_library
from m1app.studies.file_reading import parse_study
from m1app.studies.study_file import Study, StudyFact

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "examples" / "fact-sheets"
SHEETS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
NEEDED = tomllib.loads((FOLDER / "needed.toml").read_text(encoding="utf-8"))["needed"]
LIBRARY = {question.id: question for question in load_library()}

PRESETS = Path(__file__).resolve().parents[1] / "m1app" / "studies" / "presets"

WORDS_IN_A_ROW = 8

_NAMES_AN_ANSWER = re.compile(
    r"\b(?:the (?:right |correct )?answer is|(?:answer|option|choice)(?: is)?:? \(?[a-j]\b)", re.IGNORECASE
)
_SOURCE = re.compile(r"Source: .{3,}, .{3,}, (?:19|20)\d\d")
_ROW = re.compile(r"^\| \[[^]]+\]\(([^)]+)\) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def find_preset(name: str) -> Study:
    path = PRESETS / f"{name}.toml"
    return parse_study(path.read_text(encoding="utf-8"), path.name)


def sheet_name(path: Path) -> str:
    return path.stem


def lines_of(sheet: Path) -> list[str]:
    return sheet.read_text(encoding="utf-8").rstrip("\n").split("\n")


def runs_of_words(text: str) -> set[tuple[str, ...]]:
    """Every run of eight words, in small letters and without punctuation."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[start : start + WORDS_IN_A_ROW]) for start in range(len(words) - WORDS_IN_A_ROW + 1)}


def texts_of(question: LibraryQuestion) -> list[str]:
    return [question.question, question.explanation, question.expected or "", *question.options.values()]


def names_an_answer(text: str) -> bool:
    return bool(_NAMES_AN_ANSWER.search(text))


def questions_by_sheet() -> dict[str, set[str]]:
    return {sheet.name: {entry["question"] for entry in NEEDED if sheet.name in entry["sheets"]} for sheet in SHEETS}


def test_forty_questions_or_more_have_a_sheet():
    assert len(NEEDED) >= 40


def test_no_question_is_listed_twice():
    assert [name for name, count in Counter(entry["question"] for entry in NEEDED).items() if count > 1] == []


def test_twelve_sheets_or_more_are_needed_by_no_question_and_the_readme_counts_right():
    not_needed = sum(not questions for questions in questions_by_sheet().values())
    assert not_needed >= 12
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert (f"{len(SHEETS)} short texts" in readme, f"\n{not_needed} sheets are" in readme) == (True, True)


@pytest.mark.parametrize("entry", NEEDED, ids=lambda entry: entry["question"])
def test_needed_fact_is_quoted_word_for_word(entry: dict):
    assert set(entry) == {"question", "sheets", "sentence"}
    assert entry["question"] in LIBRARY
    assert entry["sheets"] != []
    assert set(entry["sheets"]) <= {sheet.name for sheet in SHEETS}
    assert len(entry["sentence"].split()) >= 8
    assert entry["sentence"] in (FOLDER / entry["sheets"][0]).read_text(encoding="utf-8")


@pytest.mark.parametrize("sheet", SHEETS, ids=sheet_name)
def test_sheet_has_title_length_and_source(sheet: Path):
    title, *body, source = lines_of(sheet)
    assert re.fullmatch(r"# [^#\n]{8,100}", title)
    assert 120 <= len(" ".join(body).split()) <= 220
    assert _SOURCE.fullmatch(source)


@pytest.mark.parametrize("sheet", SHEETS, ids=sheet_name)
def test_sheet_names_no_answer(sheet: Path):
    assert not names_an_answer(sheet.read_text(encoding="utf-8"))


@pytest.mark.parametrize("sheet", SHEETS, ids=sheet_name)
def test_sheet_repeats_no_words_of_the_library(sheet: Path):
    written = runs_of_words(sheet.read_text(encoding="utf-8"))
    shared = {
        question.id: written & runs_of_words(text) for question in LIBRARY.values() for text in texts_of(question)
    }
    assert {name: runs for name, runs in shared.items() if runs} == {}


def test_readme_lists_every_sheet_with_its_title_and_questions():
    rows = _ROW.findall((FOLDER / "README.md").read_text(encoding="utf-8"))
    listed = [(name, title, set(re.findall(r"`([^`]+)`", questions))) for name, title, questions in rows]
    needing = questions_by_sheet()
    assert listed == [(sheet.name, lines_of(sheet)[0].removeprefix("# "), needing[sheet.name]) for sheet in SHEETS]


@pytest.mark.parametrize(
    "text", ["The answer is C.", "answer: B", "choice (d)", "option E", "the correct answer is warfarin"]
)
def test_a_named_answer_is_noticed(text: str):
    assert names_an_answer(text)


@pytest.mark.parametrize("text", ["hepatitis B vaccine", "vitamin K by mouth", "an option in pregnancy"])
def test_other_letters_are_not_an_answer(text: str):
    assert not names_an_answer(text)


def test_words_in_a_row_are_found_whatever_the_punctuation():
    first = runs_of_words("He lay still; one two three, four five six seven eight.")
    second = runs_of_words("One two three four five six seven (eight) and more.")
    assert first & second == {("one", "two", "three", "four", "five", "six", "seven", "eight")}


@pytest.mark.parametrize("fact", find_preset("m1-smoke").facts, ids=lambda fact: fact.question[:30])
def test_a_fact_of_the_smoke_study_is_a_sentence_of_a_sheet_and_names_no_target(fact: StudyFact):
    asked = [each for each in LIBRARY.values() if " ".join(each.question.split()).startswith(fact.question)]
    sheets = [" ".join(sheet.read_text(encoding="utf-8").split()) for sheet in SHEETS]
    assert len(asked) == 1
    assert any(fact.fact in sheet for sheet in sheets)
    assert names_target(fact.fact, asked[0].target or "", asked[0].options) == ""
