"""CSV and tab-separated text, row by row. Excel's first line "sep=;", which names the delimiter, is understood."""

import csv
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

from m1app.question_sets.cell_rows import PlacedCells, rows_of_cells
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_table import MAX_ROW_CHARACTERS, PlacedRow
from m1app.question_sets.text_lines import TextFile

_DELIMITERS = (",", "\t", ";", "|")
_NAMED_DELIMITER = re.compile(r"sep=(?P<sign>[^\"\w\s]|\t)\r?\n?", re.IGNORECASE)


def csv_rows(file: TextFile, file_name: str) -> Iterator[PlacedRow]:
    """Read the rows; raises InvalidQuestionSet where this is no CSV."""
    with file.opened("") as text:
        first = text.readline(MAX_ROW_CHARACTERS)
    named = _NAMED_DELIMITER.fullmatch(first)
    delimiter = named["sign"] if named else max(_DELIMITERS, key=first.count)
    yield from rows_of_cells(_cells(file, file_name, delimiter, 1 if named else 0), file_name)


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells as long as a row may be; the limit is one for the whole process."""
    earlier = csv.field_size_limit(MAX_ROW_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(earlier)


def _cells(file: TextFile, file_name: str, delimiter: str, skipped: int) -> PlacedCells:
    """Lines with cells, each with its place; the first `skipped` lines of the file are left out."""
    with closing(file.lines("", file_name)) as lines, _long_cells():
        for _ in range(skipped):
            next(lines)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        started = skipped + 1
        try:
            for cells in reader:
                if cells:
                    yield f"line {started:,}", cells
                started = skipped + reader.line_num + 1
        except csv.Error as exc:
            raise InvalidQuestionSet(
                f"{file_name}, line {skipped + max(reader.line_num, 1):,}: this is not CSV ({exc}). "
                'Put quotes around cells that contain quotes, commas or line breaks, and write a quote inside as "".'
            ) from exc
