"""The columns of a file and its first rows as questions, in the process of `reading_process`: nothing is validated."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any, BinaryIO

from m1app.question_sets.column_mapping import check_columns, columns_of, mapped_layout, value_at
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.import_options import ImportOptions
from m1app.question_sets.layouts import Layout, detect_layout, layout_of
from m1app.question_sets.question_rows import question_of
from m1app.question_sets.row_table import PlacedRow
from m1app.question_sets.row_values import RowProblem, shown
from m1app.question_sets.rows import read_tables

SHOWN_ROWS = 3
MAX_COLUMNS = 200
MAX_COLUMN_CHARACTERS = 100
_MOST_CHARACTERS = 2000
_COLUMN_ROWS = 200


def first_row_messages(file: BinaryIO, file_name: str, layout: str, options: str) -> Iterator[dict[str, Any]]:
    """Yield one message: see `file_sample.FileSampleMessage`.

    Raises:
        InvalidQuestionSet: the file cannot be read, or has no rows.
    """
    table = read_tables(file, file_name)[0]
    rows = list(islice(table.rows(file_name), _COLUMN_ROWS))
    mappings = [row.value for row in rows if isinstance(row.value, Mapping)]
    if not mappings:
        raise InvalidQuestionSet(f"{file_name}: found no row with columns, expected questions. Check the file.")
    names = list(dict.fromkeys(name for row in mappings for name in columns_of(row)))
    listed = [name for name in names if name.strip() and len(name) <= MAX_COLUMN_CHARACTERS and name.isprintable()]
    chosen, problem = _layout(mappings, names, file_name, layout, ImportOptions.from_json(options))
    yield {
        "columns": [[name, _first_value(mappings, name)] for name in listed[:MAX_COLUMNS]],
        "column_count": len(names),
        "layout": chosen.id if chosen else "",
        "problem": problem[:_MOST_CHARACTERS],
        "rows": [_row(row, chosen) for row in rows[:SHOWN_ROWS]] if chosen else [],
        "notes": list(table.notes),
    }


def _layout(
    rows: list[Mapping[str, Any]], names: list[str], file_name: str, layout: str, options: ImportOptions
) -> tuple[Layout | None, str]:
    """The layout to read the rows with; or None, and why."""
    try:
        if options.columns is None:
            return (layout_of(layout) if layout else detect_layout(rows, file_name)), ""
        chosen = mapped_layout(options.columns)
        check_columns(options.columns, names, file_name)
    except InvalidQuestionSet as exc:
        return None, str(exc)
    return chosen, ""


def _first_value(rows: list[Mapping[str, Any]], name: str) -> str:
    """The first value of a column, short."""
    for row in rows:
        value = value_at(row, name)
        if value not in (None, ""):
            return (
                value[:MAX_COLUMN_CHARACTERS].encode(errors="replace").decode()
                if isinstance(value, str)
                else shown(value)
            )
    return ""


def _row(row: PlacedRow, layout: Layout) -> dict[str, Any]:
    try:
        question = question_of(row.value, layout)
    except RowProblem as exc:
        return {"where": row.where, "problem": str(exc)[:_MOST_CHARACTERS].encode(errors="backslashreplace").decode()}
    values = asdict(question)
    cut = {letter: text[:_MOST_CHARACTERS] for letter, text in question.options.items()}
    stem, tags = values["stem"][:_MOST_CHARACTERS], [tag[:MAX_COLUMN_CHARACTERS] for tag in question.tags]
    return {"where": row.where, "stem": stem, "options": cut, "target": question.target, "tags": tags}
