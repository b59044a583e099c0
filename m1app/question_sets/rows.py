"""Files of questions as tables of rows: JSON, JSON lines, CSV (and tab-separated), Parquet.

`layouts` interprets the columns. Text is kept unchanged; only a byte order mark is dropped. JSON lines, CSV and Parquet
are read row by row; `json_document` and `parquet_rows` do the others.
"""

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import BinaryIO

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.json_document import json_tables, strict_decoder
from m1app.question_sets.parquet_rows import MAGIC, parquet_table
from m1app.question_sets.row_table import MAX_ROW_CHARACTERS, PlacedRow, RowTable, too_long
from m1app.question_sets.row_values import RowProblem, unexpected

FILE_KINDS = ".json, .jsonl, .csv, .tsv or .parquet"
MAX_DOCUMENT_BYTES = 256 * 2**20
"""Largest JSON document: unlike the other formats, it is in memory as a whole."""
_CHUNK_BYTES = 1 << 20


def read_tables(file: BinaryIO, file_name: str) -> tuple[RowTable, ...]:
    """Find the tables of an open file, whose rows are read later; its name determines the format.

    Args:
        file: can be read from any position; stays open as long as rows are read.
        file_name: starts error messages.

    Raises:
        InvalidQuestionSet: the format is unknown, or the file cannot be read.
    """
    ending = PurePath(file_name).suffix.lower()
    if ending == ".parquet" or _begins_as_parquet(file):
        return (parquet_table(file, file_name),)
    if ending not in (".json", ".jsonl", ".ndjson", ".csv", ".tsv"):
        raise InvalidQuestionSet(
            f"{file_name}: found a name that ends with {ending or 'nothing'}, expected {FILE_KINDS}. "
            "Convert the file, or correct its extension."
        )
    _check_text(file, file_name)
    if ending in (".csv", ".tsv"):
        return (RowTable("", lambda: _csv_rows(file, file_name)),)
    if ending == ".json" and not _is_json_lines(file):
        return json_tables(_document(file, file_name), file_name)
    # Hubs also use the extension .json for JSON lines.
    return (RowTable("", lambda: _json_lines(file, file_name)),)


def _begins_as_parquet(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(len(MAGIC)) == MAGIC


def _check_text(file: BinaryIO, file_name: str) -> None:
    """Raise InvalidQuestionSet at the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    file.seek(0)
    try:
        while chunk := file.read(_CHUNK_BYTES):
            lines += decoder.decode(chunk).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as exc:
        line = lines + exc.object.count(b"\n", 0, exc.start)
        raise InvalidQuestionSet(
            f"{file_name}, line {line:,}: found byte 0x{exc.object[exc.start]:02X}, expected UTF-8 text. "
            "Save the file as UTF-8."
        ) from exc


def _document(file: BinaryIO, file_name: str) -> str:
    size = file.seek(0, io.SEEK_END)
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidQuestionSet(
            f"{file_name}: found a JSON document of {size / 2**20:,.0f} MB, expected at most "
            f"{MAX_DOCUMENT_BYTES // 2**20} MB. Save it as JSON lines (.jsonl), which are read one at a time."
        )
    file.seek(0)
    return file.read().decode("utf-8-sig")


@contextmanager
def _as_text(file: BinaryIO, newline: str) -> Iterator[io.TextIOWrapper]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline=newline)
    try:
        yield text
    finally:
        text.detach()


def _lines(text: io.TextIOWrapper, file_name: str) -> Iterator[str]:
    number = 1
    while line := text.readline(MAX_ROW_CHARACTERS + 1):
        if len(line) > MAX_ROW_CHARACTERS:
            raise too_long(file_name, f"line {number:,}")
        yield line
        number += 1


def _is_json_lines(file: BinaryIO) -> bool:
    """Whether the first line is a whole object and something follows it."""
    with _as_text(file, "\n") as text:
        line = text.readline(MAX_ROW_CHARACTERS)
        if not (line.startswith("{") and line.endswith("\n") and any(map(str.strip, text))):
            return False
    try:
        json.loads(line)
    except (RecursionError, ValueError):
        return False
    return True


def _json_lines(file: BinaryIO, file_name: str) -> Iterator[PlacedRow]:
    # Only "\n" ends a line: JSON strings may contain U+2028 and similar characters.
    with _as_text(file, "\n") as text:
        for number, line in enumerate(_lines(text, file_name), start=1):
            if line.strip():
                yield PlacedRow(f"line {number:,}", _json_line(line))


def _json_line(line: str) -> object:
    try:
        return strict_decoder().decode(line)
    except RowProblem as exc:
        return exc
    except (RecursionError, ValueError) as exc:
        return unexpected("", line.strip(), f"one JSON object on the line ({exc})")


def _csv_rows(file: BinaryIO, file_name: str) -> Iterator[PlacedRow]:
    csv.field_size_limit(MAX_ROW_CHARACTERS)
    with _as_text(file, "") as text:
        header_line = text.readline(MAX_ROW_CHARACTERS)
    delimiter = max((",", "\t", ";"), key=header_line.count)
    with _as_text(file, "") as text:
        reader = csv.reader(_lines(text, file_name), delimiter=delimiter, strict=True)
        try:
            header = _header(next(reader, []), file_name)
            started = reader.line_num + 1
            for cells in reader:
                if cells:
                    yield PlacedRow(f"line {started:,}", _csv_row(header, cells))
                started = reader.line_num + 1
        except csv.Error as exc:
            raise InvalidQuestionSet(
                f"{file_name}, line {max(reader.line_num, 1):,}: this is not CSV ({exc}). "
                'Put quotes around cells that contain quotes, commas or line breaks, and write a quote inside as "".'
            ) from exc


def _header(cells: list[str], file_name: str) -> list[str]:
    if len(set(cells)) < len(cells):
        doubled = next(cell for cell, count in Counter(cells).items() if count > 1)
        raise InvalidQuestionSet(f"{file_name}, line 1: the column {doubled[:60]!r} appears twice. Rename one of them.")
    return cells


def _csv_row(header: list[str], cells: list[str]) -> object:
    if len(cells) != len(header):
        return RowProblem(f"found {len(cells)} cells, expected {len(header)} as in the header")
    return dict(zip(header, cells, strict=True))
