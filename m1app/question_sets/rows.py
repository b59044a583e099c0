"""Files of questions as tables of rows: JSON, JSON lines, CSV (and tab-separated), Parquet.

What the columns mean is `set_layouts`' business. Text keeps every character; only a byte order mark is dropped.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.json_rows import JsonEntry, json_sets, strict_decoder
from m1app.question_sets.records import RowProblem, unexpected

FILE_KINDS = ".json, .jsonl, .csv, .tsv or .parquet"
_CELL_CHARACTERS = 100_000_000
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows of one question set."""

    name: str
    """The set's name in the file; empty when the file does not name it."""
    rows: Sequence[object]
    """A mapping of column to value each; a `RowProblem` where the row could not be read."""
    where: Callable[[int], str]
    """Where the row with that index stands, for messages: "line 3"."""


def read_tables(content: bytes, file_name: str) -> tuple[RowTable, ...]:
    """The tables of a file; its kind is told by the name.

    Raises:
        InvalidQuestionSet: it is none of these kinds, or cannot be read as one.
    """
    ending = PurePath(file_name).suffix.lower()
    if ending == ".parquet" or content.startswith(_PARQUET_MAGIC):
        return (_parquet_table(content, file_name),)
    if ending in (".jsonl", ".ndjson"):
        return (_json_lines(_text(content, file_name)),)
    if ending in (".csv", ".tsv"):
        return (_csv_table(_text(content, file_name), file_name),)
    if ending == ".json":
        return _json_tables(_text(content, file_name), file_name)
    raise InvalidQuestionSet(
        f"{file_name}: a name that ends with {ending or 'nothing'} was found, expected {FILE_KINDS}. "
        "Convert the file, or give it the ending that it should have."
    )


def _text(content: bytes, file_name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise InvalidQuestionSet(
            f"{file_name}, line {line:,}: found byte 0x{content[exc.start]:02X}, expected UTF-8 text. "
            "Save the file as UTF-8."
        ) from exc


def _json_tables(text: str, file_name: str) -> tuple[RowTable, ...]:
    try:
        json.loads(text)
    except json.JSONDecodeError as exc:
        # Hubs give JSON lines the ending .json as well.
        if exc.msg == "Extra data" and text[: exc.pos].strip().count("\n") == 0:
            return (_json_lines(text),)
        raise InvalidQuestionSet(
            f"{file_name}, line {exc.lineno:,}, column {exc.colno:,}: this is not JSON ({exc.msg}). Correct it there."
        ) from exc
    except (RecursionError, ValueError) as exc:
        raise InvalidQuestionSet(
            f"{file_name}: this JSON cannot be read ({exc}). Give a list of flat objects, one for each question."
        ) from exc
    return tuple(_json_table(text, name, entries) for name, entries in json_sets(text, file_name).items())


def _json_table(text: str, name: str, entries: Sequence[JsonEntry]) -> RowTable:
    in_set = f" of {name}" if name else ""

    def where(index: int) -> str:
        entry = entries[index]
        line = text.count("\n", 0, entry.position) + 1
        return f"line {line:,} (entry {entry.key or index + 1}{in_set})"

    return RowTable(name, [entry.value for entry in entries], where)


def _json_lines(text: str) -> RowTable:
    # Not splitlines(): U+2028 and the like may stand inside a JSON string.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    numbers = [number for number, _ in lines]
    return RowTable("", [_json_line(line) for _, line in lines], lambda index: f"line {numbers[index]:,}")


def _json_line(line: str) -> object:
    try:
        return strict_decoder().decode(line)
    except RowProblem as exc:
        return exc
    except (RecursionError, ValueError) as exc:
        return unexpected("", line.strip(), f"one JSON object on the line ({exc})")


def _csv_table(text: str, file_name: str) -> RowTable:
    csv.field_size_limit(_CELL_CHARACTERS)
    header_line = text.split("\n", 1)[0]
    delimiter = max((",", "\t", ";"), key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[object] = []
    lines: list[int] = []
    try:
        header = _header(next(reader, []), file_name)
        started = reader.line_num + 1
        for cells in reader:
            if cells:
                rows.append(_csv_row(header, cells))
                lines.append(started)
            started = reader.line_num + 1
    except csv.Error as exc:
        raise InvalidQuestionSet(
            f"{file_name}, line {max(reader.line_num, 1):,}: this is not CSV ({exc}). "
            'Put quotes around cells that hold quotes, commas or line breaks, and write a quote inside as "".'
        ) from exc
    return RowTable("", rows, lambda index: f"line {lines[index]:,}")


def _header(cells: list[str], file_name: str) -> list[str]:
    doubled = sorted({cell for cell in cells if cells.count(cell) > 1})
    if doubled:
        raise InvalidQuestionSet(f"{file_name}, line 1: the column {doubled[0]!r} stands twice. Rename one of the two.")
    return cells


def _csv_row(header: list[str], cells: list[str]) -> object:
    if len(cells) != len(header):
        return RowProblem(f"found {len(cells)} cells, expected {len(header)} as in the header")
    return dict(zip(header, cells, strict=True))


def _parquet_table(content: bytes, file_name: str) -> RowTable:
    # Late: it takes a quarter of a second, and most starts of the app need none of it.
    import pyarrow
    from pyarrow import parquet

    try:
        rows: list[Any] = parquet.read_table(io.BytesIO(content)).to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise InvalidQuestionSet(
            f"{file_name}: this is not a Parquet file that can be read ({reason}). Fetch or export it again."
        ) from exc
    return RowTable("", rows, lambda index: f"row {index + 1:,}")
