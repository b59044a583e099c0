"""Tables of cells, from CSV or a spreadsheet, as rows with named columns: the first row has the names.

MMLU's authors publish CSV without such a row: question, options, letter. It is recognised, and its columns are named
here.
"""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from string import ascii_uppercase

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_table import PlacedRow
from m1app.question_sets.row_values import RowProblem

LETTER_COLUMN = "letter"
"""Name of MMLU's last column, which none of its files has."""
MAX_COLUMNS = 2_000
_NAME_CHARACTERS = 60

Cells = Sequence[object]
PlacedCells = Generator[tuple[str, Cells], None, None]
"""Lines of cells, each with its place, such as "line 3"."""


def rows_of_cells(lines: PlacedCells, file_name: str, *, is_padded: bool = False) -> Iterator[PlacedRow]:
    """Name the cells of each line by the first one.

    Args:
        lines: closed at the end.
        file_name: starts error messages.
        is_padded: missing cells at the end of a line are empty, as in a spreadsheet.

    Raises:
        InvalidQuestionSet: two columns have the same name, or there are too many.
    """
    # Closed here: after an error, a traceback would keep it open for longer than the file.
    with closing(lines):
        names: list[str] = []
        for where, cells in lines:
            if not names and is_mmlu_row(cells):
                names = ["question", *ascii_uppercase[: len(cells) - 2], LETTER_COLUMN]
            elif not names:
                names = _names(cells, f"{file_name}, {where}")
                continue
            yield PlacedRow(where, _named(names, cells, is_padded))


def is_mmlu_row(cells: Cells) -> bool:
    """Whether a first line is a question already: text, two or more options, and the letter of one of them."""
    letters = list(ascii_uppercase[: max(0, len(cells) - 2)])
    *texts, last = [str(cell).strip() for cell in cells] or [""]
    return len(letters) >= 2 and last in letters and all(texts) and texts[1:] != letters and len(texts[0]) > 1


def _names(cells: Cells, place: str) -> list[str]:
    if len(cells) > MAX_COLUMNS:
        raise InvalidQuestionSet(
            f"{place}: found {len(cells):,} columns, expected at most {MAX_COLUMNS:,}. "
            "Keep only those of the questions."
        )
    names = [str(cell).strip() or f"column {number}" for number, cell in enumerate(cells, start=1)]
    if len(set(names)) < len(names):
        doubled = next(name for name, count in Counter(names).items() if count > 1)
        raise InvalidQuestionSet(
            f"{place}: the column {doubled[:_NAME_CHARACTERS]!r} appears twice. Rename one of them."
        )
    return names


def _named(names: Sequence[str], cells: Cells, is_padded: bool) -> object:
    missing = len(names) - len(cells)
    if missing > 0 and is_padded:
        cells = [*cells, *[""] * missing]
    elif missing:
        return RowProblem(f"found {len(cells)} cells, expected {len(names)} as in the header")
    return dict(zip(names, cells, strict=True))
