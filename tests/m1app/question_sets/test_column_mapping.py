"""Files whose columns no layout knows, read by columns that their user names."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from m1app.question_sets.column_mapping import AnswerBase, ColumnMapping
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.import_options import ImportOptions
from m1app.question_sets.row_values import SetQuestion
from m1app.question_sets.service import QuestionSetService
from tests.m1app.question_sets.bad_files import zipped
from tests.m1app.question_sets.question_set_samples import as_csv, as_jsonl, sets_of

ROW = {"Frage": "Welches Metall ist flüssig?", "a1": "Eisen", "a2": "Quecksilber", "a3": "Zink", "Lösung": "2"}
COLUMNS = ColumnMapping("Frage", ("a1", "a2", "a3"), "Lösung", "1")


def mapped(row: Mapping[str, Any], columns: ColumnMapping) -> SetQuestion:
    (found,) = sets_of(as_jsonl([dict(row)]), "a.jsonl", columns=columns)
    assert found.layout == "columns"
    return found.questions[0]


def refused(row: Mapping[str, Any], columns: ColumnMapping) -> str:
    with pytest.raises(InvalidQuestionSet) as caught:
        mapped(row, columns)
    return str(caught.value).split("\n")[0]


@pytest.mark.parametrize(
    ("answer", "base"),
    [
        ("1", "0"),
        (2, "1"),
        ([2], "1"),
        ("b", "letter"),
        ("Quecksilber", "text"),
        ("B", ""),
        ("(b)", ""),
        ("Quecksilber", ""),
    ],
)
def test_the_answer_is_a_number_a_letter_or_a_text(answer: object, base: AnswerBase) -> None:
    columns = ColumnMapping("Frage", ("a1", "a2", "a3"), "Lösung", base, ("Fach",))
    question = mapped(ROW | {"Lösung": answer, "Fach": "Chemie"}, columns)
    assert (question.stem, question.target, question.tags) == ("Welches Metall ist flüssig?", "B", ("Chemie",))
    assert question.options == {"A": "Eisen", "B": "Quecksilber", "C": "Zink"}


@pytest.mark.parametrize(
    "options",
    [
        ["Eisen", "Zink"],
        {"A": "Eisen", "B": "Zink"},
        "['Eisen', 'Zink']",
        "A. Eisen\nB. Zink",
        "Eisen\nZink",
        "A) Eisen B) Zink",
    ],
)
def test_one_column_may_hold_all_options(options: object) -> None:
    question = mapped({"q": "Was rostet?", "o": options, "r": "A"}, ColumnMapping("q", ("o",), "r"))
    assert question.options == {"A": "Eisen", "B": "Zink"}


def test_options_and_answer_may_be_within_the_question() -> None:
    text = "Was rostet?\nA. Eisen\nB. Zink\nAnswer: A"
    assert mapped({"q": text}, ColumnMapping("q")).target == "A"
    assert (
        mapped({"q": text.rpartition("\n")[0], "r": 1}, ColumnMapping("q", answer="r", answer_base="0")).target == "B"
    )
    assert "column q: found no answer line, expected one" in refused(
        {"q": text.rpartition("\n")[0]}, ColumnMapping("q")
    )


def test_members_of_an_object_are_named_with_a_dot() -> None:
    row = {"doc": {"stem": "Was rostet?", "choices": ["Eisen", "Zink"]}, "gold": 0, "doc.x": 1}
    columns = ColumnMapping("doc.stem", ("doc.choices",), "gold", "0")
    assert mapped(row, columns).target == "A"
    (found,) = sets_of(as_csv([row]), "a.csv", columns=ColumnMapping("doc", ("doc.choices",), "gold", "0"))
    assert list(found.questions[0].options.values()) == ["Eisen", "Zink"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (ColumnMapping(""), "No question column was chosen"),
        (ColumnMapping("Frage", ("a1", "b")), "found no column 'b', expected one of 'Frage', 'Lösung', 'a1'"),
        (ColumnMapping("Frage", ("a1",) * 27), "Found 27 columns of options"),
        (ColumnMapping("Frage", ("a1", "a2"), "Lösung", "0"), 'column Lösung: found "2", expected the right option\'s'),
        (ColumnMapping("Frage", ("a1", "a2"), "Lösung", "text"), "expected the text of exactly one option"),
        (ColumnMapping("Frage", ("a1", "a2"), "Lösung"), "expected the right option's letter, one of A, B"),
        (ColumnMapping("Frage", (), "Lösung", "1"), "column options: found nothing, expected options"),
    ],
)
def test_a_mapping_that_does_not_fit_says_why(columns: ColumnMapping, expected: str) -> None:
    assert expected in refused(ROW, columns)


def test_options_of_an_import_survive_the_way_to_the_reading_process() -> None:
    for options in (ImportOptions(), ImportOptions(COLUMNS, True, 7, 8)):
        assert ImportOptions.from_json(options.to_json()) == options
    assert ImportOptions.from_json("") == ImportOptions()


async def test_a_sample_shows_columns_and_questions_before_anything_is_stored(
    sets: QuestionSetService, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_jsonl([{**ROW, "x" * 300: 1, "n": {"m": "tief"}}, ROW | {"Lösung": "9"}, ROW, ROW]))
    sample = await sets.sample_file(path)
    assert (sample.layout, sample.column_count, sample.rows) == ("", 8, ())
    assert "no layout has the columns" in sample.problem
    assert sample.columns == ROW | {"n": '{"m": "tief"}', "n.m": "tief"}
    sample = await sets.sample_file(path, options=ImportOptions(ColumnMapping("Frage", ("a1", "a2"), "Lösung", "1")))
    assert [row.target for row in sample.rows] == ["B", "", "B"]
    assert sample.rows[1].problem.startswith('column Lösung: found "9", expected')
    assert sample.rows[0].options == {"A": "Eisen", "B": "Quecksilber"}
    sample = await sets.sample_file(path, options=ImportOptions(ColumnMapping("Frage", ("b",))))
    assert "found no column 'b'" in sample.problem
    assert await sets.all() == ()


async def test_a_sample_of_a_known_layout_is_its_questions(sets: QuestionSetService, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(
        zipped({"b.json": json.dumps([{"question": "Q?", "options": ["x", "y"], "answer": "y"}]).encode()})
    )
    sample = await sets.sample_file(path)
    assert (sample.layout, sample.problem, sample.rows[0].target) == ("plain", "", "B")
    path.write_bytes(b"nothing")
    with pytest.raises(InvalidQuestionSet, match=r"found a name that ends with \.zip"):
        await sets.sample_file(path)


async def test_a_file_read_by_other_columns_is_other_content(sets: QuestionSetService, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_jsonl([ROW]))
    first = await sets.import_file(path, options=ImportOptions(COLUMNS))
    again = await sets.import_file(path, options=ImportOptions(COLUMNS))
    assert [each.id for each in again.sets] == [each.id for each in first.sets]
    other = ColumnMapping("Frage", ("a3", "a2", "a1"), "Lösung", "1")
    with pytest.raises(InvalidQuestionSet, match="already exists with different content"):
        await sets.import_file(path, options=ImportOptions(other))
