"""Encodings of text files, in the order in which they are tried, and what is said about them."""

import csv
import io

import pytest

from m1app.question_sets.rows import read_tables
from tests.m1app.question_sets.question_set_samples import sets_of

TEXT = "question,A,B,answer\nWas fehlt bei Müdigkeit – naïve „Anämie“?,Eisen,Öl,A\n"
STEM = "Was fehlt bei Müdigkeit – naïve „Anämie“?"


def notes_of(content: bytes, file_name: str) -> list[str]:
    return [note for table in read_tables(io.BytesIO(content), file_name) for note in table.notes]


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "a.csv was read as UTF-16, as its first bytes say."),
        (
            "cp1252",
            "a.csv is not UTF-8 and was read as Windows-1252, for example 'Müdigkeit' in line 2. If that is wrong, "
            "save the file as UTF-8 and import it again.",
        ),
    ],
)
def test_a_text_is_read_and_an_encoding_other_than_utf_8_is_named(encoding: str, note: str | None) -> None:
    content = TEXT.encode(encoding)
    (found,) = sets_of(content, "a.csv")
    assert (found.questions[0].stem, found.questions[0].options["B"]) == (STEM, "Öl")
    assert notes_of(content, "a.csv") == ([note] if note else [])


def test_utf_16_of_either_byte_order_and_as_json_is_read() -> None:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        (found,) = sets_of(mark + TEXT.encode(encoding), "a.tsv")
        assert found.questions[0].stem == STEM
    document = '[{"question": "Müde?", "options": ["ja", "nein"], "answer": "ja"}]'
    for encoding in ("utf-16", "cp1252"):
        (found,) = sets_of(document.encode(encoding), "a.json")
        assert found.questions[0].stem == "Müde?"


def test_a_first_line_that_names_the_delimiter_is_understood() -> None:
    for first, sign in (("sep=;", ";"), ("SEP=|\r", "|"), ("sep=\t", "\t")):
        table = TEXT.replace(",", sign)
        (found,) = sets_of(f"{first}\n{table}".encode("utf-8-sig"), "a.csv")
        assert (found.questions[0].stem, found.questions[0].target) == (STEM, "A")


def test_long_cells_are_read_and_the_limit_of_other_readers_stays() -> None:
    before, long = csv.field_size_limit(), "x" * 200_000
    (found,) = sets_of(TEXT.replace("Eisen", long).encode(), "a.csv")
    assert found.questions[0].options["A"] == long
    assert csv.field_size_limit() == before
