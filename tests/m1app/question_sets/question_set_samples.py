"""Files of a few self-written questions in the columns of published sets, and other forms of the same rows."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from m1app.question_sets.import_options import ImportOptions
from m1app.question_sets.importing import parse_question_sets
from m1app.question_sets.row_values import SetQuestion


@dataclass(frozen=True)
class FoundSet:
    """A question set of a file, with its questions."""

    name: str
    layout: str
    questions: tuple[SetQuestion, ...]
    left_out: int


def sets_of(content: bytes, file_name: str, layout: str = "", **options: Any) -> tuple[FoundSet, ...]:
    """The sets of a file; `options` are those of `ImportOptions`, and `ids`."""
    ids = options.pop("ids", None)
    parsed = parse_question_sets(io.BytesIO(content), file_name, layout, ImportOptions(**options), ids)
    return tuple(FoundSet(each.name, each.layout.id, tuple(each.questions()), each.left_out) for each in parsed.sets)


FILES = Path(__file__).parent / "question_set_files"


def content_of(name: str) -> bytes:
    return (FILES / name).read_bytes()


def rows_of(name: str) -> list[dict[str, Any]]:
    """Rows of a file of JSON lines or CSV."""
    text = content_of(name).decode()
    if name.endswith(".csv"):
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.splitlines()]


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    """Lists and objects as JSON in their cells."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow({key: json.dumps(v) if isinstance(v, list | dict) else v for key, v in row.items()})
    return buffer.getvalue().encode()


def m1_row(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of m1's layout; `number` makes it another question."""
    row = {
        "question": f"Patient {number} cannot close the left eye. Which nerve is affected?",
        "options": {"A": "Facial", "B": "Optic", "C": "Vagus"},
        "answer": "Facial",
        "answer_idx": "A",
    }
    return row | changes
