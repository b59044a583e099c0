"""Parts of a file: without its bad rows, by a list of ids, at random."""

import hashlib
import io
import json
from pathlib import Path

import pytest

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.import_options import ImportOptions
from m1app.question_sets.importing import MAX_BAD_ROWS, parse_question_sets
from m1app.question_sets.row_choice import read_ids
from m1app.question_sets.service import QuestionSetService
from tests.m1app.question_sets.question_set_samples import as_csv, as_jsonl, content_of, m1_row, sets_of

SKIPPING = ImportOptions(skips_bad_rows=True)
ROWS = [m1_row(number, id=f"q{number}") for number in range(50)]


def stems(content: bytes, name: str = "a.jsonl", **options: object) -> list[str]:
    return [question.stem for each in sets_of(content, name, **options) for question in each.questions]


async def test_bad_rows_are_left_out_listed_and_counted(sets: QuestionSetService, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    bad = as_jsonl([m1_row(1, answer_idx="Z")]) + b"{\n" + as_jsonl([m1_row(2, question="\ud800")])
    path.write_bytes(as_jsonl([m1_row()]) + bad + as_jsonl([m1_row(3)]))
    with pytest.raises(InvalidQuestionSet, match=r"a\.jsonl, line 2: column answer_idx"):
        await sets.import_file(path)
    report = await sets.import_file(path, options=SKIPPING)
    assert [each.question_count for each in report.sets] == [2]
    assert report.bad_row_count == 3
    assert [row.where for row in report.bad_rows] == ["line 2", "line 3", "line 4"]
    assert report.bad_rows[0].reason.startswith('column answer_idx: found "Z", expected')
    assert "3 rows could not be used and were left out." in report.notes


def test_the_list_of_bad_rows_is_bounded_and_a_reason_is_one_short_line() -> None:
    rows = [m1_row(number, answer_idx="Z" * 9 + "\n") for number in range(MAX_BAD_ROWS + 2)]
    rows.append(m1_row(options={"x" * 9000 + "\n": "x", "B": "y"}))
    parsed = parse_question_sets(io.BytesIO(as_jsonl([m1_row(), *rows])), "a.jsonl", options=SKIPPING)
    assert (len(parsed.bad_rows), parsed.bad_row_count) == (MAX_BAD_ROWS, MAX_BAD_ROWS + 3)
    assert all("\n" not in reason and len(reason) <= 300 for _, reason in parsed.bad_rows)


def test_a_file_of_nothing_but_bad_rows_is_refused() -> None:
    with pytest.raises(InvalidQuestionSet, match="Nothing was imported"):
        sets_of(as_jsonl([m1_row(answer_idx="Z")]), "a.jsonl", skips_bad_rows=True)


@pytest.mark.parametrize(
    "ids", [b"q3\nq5\n", b'\xef\xbb\xbfq3,x\r\n"q5"\tx\r\n', b'["q3", "q5"]', b'{"q3": "yes", "q5": "no"}']
)
def test_a_list_of_ids_takes_their_rows(ids: bytes) -> None:
    listed = read_ids(io.BytesIO(ids), "ids.txt")
    assert stems(as_jsonl(ROWS), ids=listed) == [ROWS[3]["question"], ROWS[5]["question"]]


def test_an_id_is_a_column_the_key_in_the_file_or_the_hash_of_the_stem() -> None:
    by_hash = hashlib.sha256(ROWS[7]["question"].encode()).hexdigest()
    assert stems(as_jsonl(ROWS), ids=frozenset({by_hash, "q9"})) == [ROWS[7]["question"], ROWS[9]["question"]]
    original = content_of("pubmedqa-original.json")
    keys = list(json.loads(original))
    assert len(stems(original, "ori_pqal.json", ids=frozenset(keys[1:]))) == len(keys) - 1


def test_a_number_in_a_second_id_column_is_no_id() -> None:
    rows = [m1_row(number, question_id=number, idx=9 - number) for number in range(10)]
    assert stems(as_jsonl(rows), ids=frozenset({"3"})) == [rows[3]["question"]]


def test_a_bad_row_that_is_not_listed_does_not_matter() -> None:
    rows = [*ROWS[:2], ROWS[2] | {"answer_idx": "Z"}]
    assert len(stems(as_jsonl(rows), ids=frozenset({"q0"}))) == 1
    with pytest.raises(InvalidQuestionSet, match="line 3: column answer_idx"):
        stems(as_jsonl(rows), ids=frozenset({"q0", "q2"}))


async def test_ids_that_are_not_found_are_named(sets: QuestionSetService, tmp_path: Path) -> None:
    path, ids = tmp_path / "a.jsonl", tmp_path / "ids.txt"
    path.write_bytes(as_jsonl(ROWS))
    ids.write_text("q1\nnone-1\nnone-2\n")
    report = await sets.import_file(path, ids=ids)
    assert report.sets[0].question_count == 1
    assert "2 of the 3 listed ids were not found in the file: 'none-1', 'none-2'." in report.notes
    ids.write_text("none\n")
    with pytest.raises(InvalidQuestionSet, match="found no question with one of the 1 listed ids"):
        await sets.import_file(path, ids=ids, name="other")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "found 0 ids, expected 1 to"),
        (b"[1, {}]", "found a list of other things"),
        (b'{"a": ', "this is not JSON"),
        (b"[" * 100_000, "this is not JSON"),
        (b"\x89PNG\0\1", "found byte 0x89, expected UTF-8"),
    ],
)
def test_a_list_of_ids_that_is_none_says_so(content: bytes, expected: str) -> None:
    with pytest.raises(InvalidQuestionSet, match=expected):
        read_ids(io.BytesIO(content), "ids.txt")


def test_a_random_part_is_the_same_on_each_import_in_whatever_order_and_kind_of_file() -> None:
    part = stems(as_jsonl(ROWS), limit=10, seed=1)
    assert len(part) == 10
    backwards = list(reversed(ROWS))
    assert sorted(stems(as_csv(backwards), "a.csv", limit=10, seed=1)) == sorted(part)
    assert stems(as_jsonl(ROWS), limit=10, seed=2) != part
    assert set(stems(as_jsonl(ROWS), limit=5, seed=1)) < set(part)
    assert stems(as_jsonl(ROWS), limit=99) == [row["question"] for row in ROWS]


def test_every_question_is_drawn_about_equally_often() -> None:
    content = as_jsonl(ROWS)
    drawn = [stem for seed in range(200) for stem in stems(content, limit=10, seed=seed)]
    counts = [drawn.count(row["question"]) for row in ROWS]
    assert sum(counts) == 2000
    assert all(15 <= count <= 70 for count in counts)
