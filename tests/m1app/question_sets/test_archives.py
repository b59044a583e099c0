"""Compressed files are read as what is in them."""

import gzip
import io

from m1app.question_sets.importing import parse_question_sets
from tests.m1app.question_sets.bad_files import zipped
from tests.m1app.question_sets.question_set_samples import as_csv, as_jsonl, as_parquet, m1_row, sets_of
from tests.m1app.question_sets.workbook_samples import workbook

ROWS = [m1_row(number) for number in range(3)]


def test_a_gz_file_is_read_by_the_name_before_its_ending() -> None:
    for name, content in (
        ("a.jsonl.gz", as_jsonl(ROWS)),
        ("a.csv.gz", as_csv(ROWS)),
        ("a.parquet.gz", as_parquet(ROWS)),
    ):
        (found,) = sets_of(gzip.compress(content), name)
        assert (found.name, len(found.questions)) == ("a", 3)
    (found,) = sets_of(gzip.compress(workbook([["question", "A", "B", "answer"], ["Q?", "x", "y", "B"]])), "b.xlsx.gz")
    assert (found.name, found.questions[0].target) == ("b", "B")


def test_a_zip_holds_a_set_in_each_file_whatever_its_folder() -> None:
    row = ["Q?", "x", "y", "A"]
    content = zipped(
        {
            "readme.txt": b"no questions",
            "__MACOSX/._b.csv": b"\0\1",
            "exam/b.csv": as_csv(ROWS),
            "exam/deep/a.jsonl": as_jsonl(ROWS[:1]),
            "c.parquet": as_parquet(ROWS[:2]),
            "d.xlsx": workbook([["question", "A", "B", "answer"], row]),
        }
    )
    assert [(each.name, len(each.questions)) for each in sets_of(content, "all.zip")] == [
        ("c", 2),
        ("d", 1),
        ("b", 3),
        ("a", 1),
    ]


def test_what_a_file_is_its_content_decides_before_its_name() -> None:
    (found,) = sets_of(zipped({"a.jsonl": as_jsonl(ROWS)}), "renamed.json")
    assert found.name == "a"
    (workbook_set,) = sets_of(workbook([["question", "A", "B", "answer"], ["Q?", "x", "y", "B"]]), "exam.zip")
    assert (workbook_set.name, workbook_set.questions[0].target) == ("exam", "B")
    (unpacked,) = sets_of(gzip.compress(as_jsonl(ROWS)), "a.jsonl")
    assert len(unpacked.questions) == 3


def test_a_set_has_one_hash_in_every_container() -> None:
    plain, packed = as_jsonl(ROWS), gzip.compress(as_jsonl(ROWS))
    one, other = (
        parse_question_sets(io.BytesIO(content), name) for content, name in ((plain, "a.jsonl"), (packed, "a.jsonl.gz"))
    )
    assert one.sets[0].sha256 == other.sets[0].sha256
