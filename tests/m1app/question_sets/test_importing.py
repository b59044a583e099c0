"""Files that are read, and files that are refused: where, what was found, what was expected."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.importing import KNOWN_LAYOUTS
from tests.m1app.question_sets.question_set_samples import as_jsonl, as_parquet, m1_row, sets_of

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def refused(content: bytes | str, name: str = "set.jsonl", layout: str = "") -> str:
    with pytest.raises(InvalidQuestionSet) as caught:
        sets_of(content.encode() if isinstance(content, str) else content, name, layout)
    return str(caught.value)


def refused_row(**changes: Any) -> str:
    """The message for a file whose second row is changed."""
    return refused(as_jsonl([m1_row(), m1_row(1, **changes)]))


def options(count: int) -> Mapping[str, str]:
    return {letter: f"text {letter}" for letter in LETTERS[:count]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"answer_idx": "E"}, 'column answer_idx: found "E", expected the right option\'s letter, one of A, B, C'),
        ({"answer_idx": None}, "column answer_idx: found nothing, .* without a target nothing can be scored"),
        ({"answer_idx": " "}, "without a target nothing can be scored"),
        ({"answer_idx": 0}, "column answer_idx: found 0, expected the right option's letter"),
        ({"answer": "Optic"}, 'column answer: found "Optic", expected the text of option A.*; this is option B'),
        ({"question": " "}, 'column question: found " ", expected text'),
        ({"question": 7}, "column question: found 7, expected text"),
        ({"options": {"A": "x", "C": "y"}}, 'found "A, C", expected letters from A without a gap'),
        ({"options": {"A": "x", "a": "y"}}, "expected letters from A without a gap, each once"),
        ({"options": {"1": "x", "2": "y"}}, "expected letters from A without a gap"),
        ({"options": {"A": "x"}}, "found 1 options with text, expected two or more"),
        ({"options": {"A": "", "B": "y"}}, "column options, option A: found nothing, expected text"),
        ({"options": {"A": ["x"], "B": "y"}}, r'option A: found \["x"\], expected text'),
        ({"options": "Facial or optic"}, "column options: .* expected options: an object of letter to text"),
        ({"options": '["x", "y'}, "column options: .* expected a list or an object, as JSON"),
        ({"options": [f"text {n}" for n in range(27)]}, "found 27 options, expected at most 26"),
        ({"question": "pain\x00killer"}, r"a NUL \(U\+0000\) in the question at character 5"),
        (
            {"options": {"A": "Facial", "B": "x\ud83d"}},
            r"half of a surrogate pair \(U\+D83D\) in option B at character 2",
        ),
    ],
)
def test_a_broken_row_is_named_with_what_was_found_and_expected(changes: dict[str, Any], expected: str) -> None:
    message = refused_row(**changes)
    first, last = message.split("\n")
    assert first.startswith("set.jsonl, line 2: ")
    assert re.search(expected, first), first
    assert last == "Nothing was imported (layout m1). Correct these rows, leave them out, or choose another layout."


def test_ten_problems_are_listed_and_the_rest_is_counted() -> None:
    rows = [m1_row(number, answer_idx="Z") for number in range(25)]
    lines = refused(as_jsonl(rows)).split("\n")
    assert [line.split(":")[0] for line in lines[:10]] == [f"set.jsonl, line {n}" for n in range(1, 11)]
    assert lines[10] == "... and 15 more."
    assert len(lines) == 12


def test_a_line_that_is_no_json_and_one_that_is_no_object_are_named() -> None:
    content = as_jsonl([m1_row()]) + b'\n{"question": \n["a"]\n{"question": 1, "question": 2}\n'
    lines = refused(content).split("\n")
    assert lines[0].startswith('set.jsonl, line 3: found "{\\"question\\":", expected one JSON object on the line')
    assert lines[1].startswith('set.jsonl, line 4: found ["a"], expected an object with a question')
    assert lines[2].startswith('set.jsonl, line 5: found "question", expected each key once in an object')


def test_a_json_document_names_line_set_and_entry() -> None:
    document = {"First": [m1_row()], "Second": [m1_row(1), m1_row(2, answer_idx="Q"), "text"]}
    text = json.dumps(document, indent=2)
    line = text[: text.index("Patient 2")].count("\n")
    lines = refused(text, "sets.json").split("\n")
    assert lines[0].startswith(f"sets.json, line {line} (entry 2 of Second): column answer_idx:")
    assert '(entry 3 of Second): found "text", expected an object' in lines[1]


def test_a_key_that_stands_twice_in_a_json_document_is_refused() -> None:
    text = '[{"question": "Q?", "options": {"A": "x", "A": "y", "B": "z"}, "answer_idx": "A"}]'
    assert 'sets.json, line 1 (entry 1): found "A", expected each key once' in refused(text, "sets.json")
    assert "the name 'S' appears twice" in refused('{"S": [], "S": []}', "sets.json")


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ("[1, 2", "a.json", "a.json, line 1, column 6: this is not JSON"),
        ("7", "a.json", "found '7', expected a list of questions, an object of set name to list"),
        ('{"a": 1}', "a.json", "found an object with 'a', expected"),
        ("{}", "a.json", "found an object with nothing in it, expected"),
        ("[" * 100_000, "a.json", "a.json: this JSON cannot be read"),
        ("[]", "a.json", "a.json: found no question in 'a', expected at least one"),
        ("", "a.jsonl", "a.jsonl: found no question in 'a'"),
        (b"\xff", "a.json", "a.json, line 1, column 1: this is not JSON"),
        (b"PAR1 is all of it", "a.parquet", "a.parquet: this Parquet file cannot be read"),
        ("text", "a.docx", "found a name that ends with .docx, expected .json, .jsonl, .csv"),
        ("text", "a", "found a name that ends with nothing, expected"),
        ('{"stem": "Q?"}\n', "a.jsonl", "no layout has the columns 'stem'. Rename them to question"),
        (
            '{"question": "Q?"}\n',
            "a.jsonl",
            "line 1: column options: found nothing, expected options, or columns named",
        ),
        ('{"question": "Q?", "options": ["x", "y"]}\n', "a.jsonl", "without a target nothing can be scored"),
        ("question,A,A\nq,x,y\n", "a.csv", "a.csv, line 1: the column 'A' appears twice"),
        ("question,A,B,answer\nq,x,y\n", "a.csv", "a.csv, line 2: found 3 cells, expected 4 as in the header"),
        ('question,A,B,answer\n"two\nlines",x,y,A\nq,x,y,C\n', "a.csv", "a.csv, line 4: column answer: found"),
        ('question,A,B,answer\n"q"x,x,y,A\n', "a.csv", "a.csv, line 2: this is not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: str | bytes, name: str, expected: str) -> None:
    assert expected in refused(content, name)


def test_a_parquet_row_is_named_by_its_number() -> None:
    assert "rows.parquet, row 2: column answer_idx" in refused(
        as_parquet([m1_row(), m1_row(1, answer_idx="Q")]), "rows.parquet"
    )


def test_a_file_without_a_question_of_the_layouts_subjects_says_which_layout_takes_them() -> None:
    row = {"question_id": 1, "question": "Q?", "options": ["x", "y"], "answer_index": 0, "category": "law"}
    assert "none in a subject that layout mmlu-pro includes. Layout mmlu-pro-all includes" in refused(as_jsonl([row]))


def test_twenty_six_options_are_taken_in_the_order_of_their_letters() -> None:
    backwards = dict(reversed(options(26).items()))
    (found,) = sets_of(as_jsonl([m1_row(options=backwards, answer=None, answer_idx="Z")]), "a.jsonl")
    assert list(found.questions[0].options) == list(LETTERS)
    assert found.questions[0].target == "Z"


def test_repeated_questions_are_all_given() -> None:
    (found,) = sets_of(as_jsonl([m1_row(), m1_row(), m1_row(1)]), "a.jsonl")
    assert len(found.questions) == 3


def test_json_lines_are_read_from_a_file_that_is_called_json() -> None:
    (found,) = sets_of(as_jsonl([m1_row(), m1_row(1)]), "phrases_test.json")
    assert (len(found.questions), found.name) == (2, "phrases_test")


def test_a_byte_order_mark_is_dropped_and_semicolons_and_tabs_part_cells_too() -> None:
    for mark, sign, name in ((b"\xef\xbb\xbf", ";", "a.csv"), (b"", "\t", "a.tsv")):
        text = sign.join(["question", "A", "B", "answer"]) + "\n" + sign.join(["Q, really?", "x", "y", "B"]) + "\n"
        (found,) = sets_of(mark + text.encode(), name)
        assert (found.questions[0].stem, found.questions[0].target) == ("Q, really?", "B")


def test_options_in_a_cell_may_be_written_as_python_writes_them() -> None:
    text = "question,options,answer_idx\nQ?,\"{'A': \"\"it's x\"\", 'B': 'y'}\",A\n"
    (found,) = sets_of(text.encode(), "a.csv")
    assert found.questions[0].options == {"A": "it's x", "B": "y"}


@given(st.text().filter(str.strip), st.lists(st.text().filter(str.strip), min_size=2, max_size=26))
def test_every_character_of_a_json_line_is_kept(stem: str, texts: list[str]) -> None:
    is_storable = not any("\0" in text or any("\ud800" <= char <= "\udfff" for char in text) for text in (stem, *texts))
    row = {"question": stem, "options": texts, "answer_idx": "B"}
    if not is_storable:
        refused(as_jsonl([row]))
        return
    (found,) = sets_of(as_jsonl([row]), "a.jsonl")
    assert (found.questions[0].stem, list(found.questions[0].options.values())) == (stem, texts)


@given(st.binary(max_size=400), st.sampled_from(["a.json", "a.jsonl", "a.csv", "a.parquet"]))
def test_no_bytes_do_more_than_be_refused(content: bytes, name: str) -> None:
    try:
        sets_of(content, name)
    except InvalidQuestionSet as exc:
        assert str(exc)


def test_layouts_have_ids_of_their_own_and_labels() -> None:
    ids = [layout_id for layout_id, _ in KNOWN_LAYOUTS]
    assert len(set(ids)) == len(ids)
    assert all(label for _, label in KNOWN_LAYOUTS)
