"""Files of questions as tables of rows: JSON, JSON lines, CSV (and tab-separated), Parquet.

`layouts` interprets the columns. Text is kept unchanged; only a byte order mark is dropped. Python's JSON parser
reports the position of an error but not of a value, so the outer one or two levels of a document are walked here after
it was parsed.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import Any

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_values import RowProblem, unexpected

_BLANKS = re.compile(r"[ \t\n\r]*")
_SHAPES = (
    "a list of questions, an object of set name to list ({set: [{question, options, answer, answer_idx}]}), "
    "or an object of id to question"
)


@dataclass(frozen=True, slots=True)
class JsonEntry:
    """One question of the document."""

    value: object
    """Its parsed value; a `RowProblem` if it has a duplicate key."""
    position: int
    """Its start index in the text."""
    key: str = ""
    """Its key in an object of id to question; empty in a list."""


@cache
def strict_decoder() -> json.JSONDecoder:
    """Return a decoder that raises RowProblem for duplicate keys in an object."""
    return json.JSONDecoder(object_pairs_hook=_without_doubled_keys)


def _without_doubled_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise unexpected("", next(key for key in keys if keys.count(key) > 1), "each key once in an object")
    return made


def json_sets(text: str, file_name: str) -> dict[str, Sequence[JsonEntry]]:
    """Return entries by set name; the name is empty if the document does not name its only set.

    Raises:
        InvalidQuestionSet: the document has a different structure.
    """
    start = _skip(text, 0)
    if text[start] == "[":
        return {"": list(_entries(text, start))}
    if text[start] != "{":
        raise InvalidQuestionSet(f"{file_name}: found {text[start : start + 20]!r}, expected {_SHAPES}.")
    members = list(_members(text, start))
    kinds = {text[entry.position] for entry in members}
    names = [entry.key for entry in members]
    doubled = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if doubled is not None:
        raise InvalidQuestionSet(f"{file_name}: the name {doubled!r} appears twice. Rename one of them.")
    if members and kinds == {"["}:
        return {entry.key: list(_entries(text, entry.position)) for entry in members}
    if members and kinds == {"{"}:
        return {"": _records(members)}
    if "question" in names:
        value = _decode(text, start)[0]
        return {"": [JsonEntry(value, start)]}
    raise InvalidQuestionSet(f"{file_name}: found an object with {_listed(names)}, expected {_SHAPES}.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "") if names else "nothing in it"


def _records(members: Sequence[JsonEntry]) -> Sequence[JsonEntry]:
    """Entries of an object of objects: one question each, or one column each, as written by pandas."""
    columns = {entry.key: entry.value for entry in members}
    if not isinstance(columns.get("question"), Mapping):
        return members
    places = {entry.key: entry.position for entry in members}
    ids = list(dict.fromkeys(key for column in columns.values() if isinstance(column, Mapping) for key in column))
    return [
        JsonEntry(
            {name: column.get(key) for name, column in columns.items() if isinstance(column, Mapping)},
            places["question"],
            key,
        )
        for key in ids
    ]


def _entries(text: str, start: int) -> Iterator[JsonEntry]:
    """Elements of the list that starts at `start`."""
    position = _skip(text, start + 1)
    while text[position] != "]":
        value, end = _decode(text, position)
        yield JsonEntry(value, position)
        position = _next(text, end)


def _members(text: str, start: int) -> Iterator[JsonEntry]:
    """Members of the object that starts at `start`."""
    position = _skip(text, start + 1)
    while text[position] != "}":
        key, end = strict_decoder().raw_decode(text, position)
        position = _skip(text, _skip(text, end) + 1)
        value, end = _decode(text, position)
        yield JsonEntry(value, position, str(key))
        position = _next(text, end)


def _decode(text: str, position: int) -> tuple[object, int]:
    try:
        return strict_decoder().raw_decode(text, position)
    except RowProblem as exc:
        return exc, json.JSONDecoder().raw_decode(text, position)[1]


def _skip(text: str, position: int) -> int:
    found = _BLANKS.match(text, position)
    return found.end() if found else position


def _next(text: str, position: int) -> int:
    position = _skip(text, position)
    return _skip(text, position + 1) if text[position] == "," else position


FILE_KINDS = ".json, .jsonl, .csv, .tsv or .parquet"
_CELL_CHARACTERS = 100_000_000
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows of one question set."""

    name: str
    """The set's name in the file; empty if the file does not name it."""
    rows: Sequence[object]
    """A mapping of column to value per row; a `RowProblem` if the row could not be read."""
    where: Callable[[int], str]
    """Location of the row with this index, for messages: "line 3"."""


def read_tables(content: bytes, file_name: str) -> tuple[RowTable, ...]:
    """Read the tables of a file; its name determines the format.

    Raises:
        InvalidQuestionSet: the format is unknown, or the file cannot be read.
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
        f"{file_name}: found a name that ends with {ending or 'nothing'}, expected {FILE_KINDS}. "
        "Convert the file, or correct its extension."
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
        # Hubs also use the extension .json for JSON lines.
        if exc.msg == "Extra data" and text[: exc.pos].strip().count("\n") == 0:
            return (_json_lines(text),)
        raise InvalidQuestionSet(
            f"{file_name}, line {exc.lineno:,}, column {exc.colno:,}: this is not JSON ({exc.msg}). Correct it."
        ) from exc
    except (RecursionError, ValueError) as exc:
        raise InvalidQuestionSet(
            f"{file_name}: this JSON cannot be read ({exc}). Use a list of flat objects, one for each question."
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
    # Not splitlines(): JSON strings may contain U+2028 and similar characters.
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
            'Put quotes around cells that contain quotes, commas or line breaks, and write a quote inside as "".'
        ) from exc
    return RowTable("", rows, lambda index: f"line {lines[index]:,}")


def _header(cells: list[str], file_name: str) -> list[str]:
    doubled = sorted({cell for cell in cells if cells.count(cell) > 1})
    if doubled:
        raise InvalidQuestionSet(f"{file_name}, line 1: the column {doubled[0]!r} appears twice. Rename one of them.")
    return cells


def _csv_row(header: list[str], cells: list[str]) -> object:
    if len(cells) != len(header):
        return RowProblem(f"found {len(cells)} cells, expected {len(header)} as in the header")
    return dict(zip(header, cells, strict=True))


def _parquet_table(content: bytes, file_name: str) -> RowTable:
    # Imported late: it takes a quarter of a second, and most runs do not need it.
    import pyarrow
    from pyarrow import parquet

    try:
        rows: list[Any] = parquet.read_table(io.BytesIO(content)).to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise InvalidQuestionSet(
            f"{file_name}: this Parquet file cannot be read ({reason}). Download or export it again."
        ) from exc
    return RowTable("", rows, lambda index: f"row {index + 1:,}")
