"""JSON lines and CSV as blocks: a row has a text, and may have a title, a source, a page and an id."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from m1app.knowledge.blocks import MAX_HEADING_CHARACTERS, Block, cleaned, label
from m1app.knowledge.errors import InvalidCorpus
from m1app.question_sets.row_values import RowProblem
from m1app.question_sets.rows import read_tables
from m1app.wording import counted

TEXT_COLUMNS = ("text", "content", "passage", "contents")
"""The first one that a row has is its text."""
_SHOWN_ROWS = 3


def row_blocks(file: BinaryIO, file_name: str, note: Callable[[str], None]) -> Iterator[Block]:
    """Yield the paragraphs of the rows of an open file.

    Args:
        file: can be read from any position.
        file_name: starts error messages, and determines the format.
        note: is told what was left out, in words for users.

    Raises:
        InvalidCorpus: no row has a text.
        InvalidQuestionSet: the file cannot be read.
    """
    used = False
    without, unreadable = _LeftOut(), _LeftOut()
    for table in read_tables(file, file_name):
        for text in table.notes:
            note(text)
        for row in table.rows(file_name):
            values = row.value if isinstance(row.value, Mapping) else {}
            text = _text(values)
            if text:
                used = True
                yield from _blocks(text, values, row.where)
            elif isinstance(row.value, RowProblem):
                unreadable.add(f"{row.where}: {row.value}")
            else:
                without.add(row.where)
    columns = ", ".join(TEXT_COLUMNS[:-1])
    if not used and unreadable.count:
        raise InvalidCorpus(f"{file_name}, {unreadable.first[0]}")
    if not used:
        raise InvalidCorpus(
            f"{file_name}: found no row with a text in one of the columns {columns}. Rename the column."
        )
    if without.count:
        note(
            f"{without.rows} had no text in {columns} and {without.were} left out, such as {', '.join(without.first)}."
        )
    if unreadable.count:
        note(f"{unreadable.rows} could not be read and {unreadable.were} left out. {' '.join(unreadable.first)}")


@dataclass
class _LeftOut:
    """Rows that are not used."""

    count: int = 0
    first: list[str] = field(default_factory=list)
    """What is said of the first three."""

    def add(self, said: str) -> None:
        self.count += 1
        if len(self.first) < _SHOWN_ROWS:
            self.first.append(said)

    @property
    def rows(self) -> str:
        return counted(self.count, "row")

    @property
    def were(self) -> str:
        return "was" if self.count == 1 else "were"


def _text(values: Mapping[str, object]) -> str:
    found = (values.get(column) for column in TEXT_COLUMNS)
    return next((cleaned(each) for each in found if isinstance(each, str) and each.strip()), "")


def _blocks(text: str, values: Mapping[str, object], where: str) -> Iterator[Block]:
    """A row's paragraphs; without an id its place in the file tells it from the next row."""
    title = _label(values, "title")[:MAX_HEADING_CHARACTERS]
    source, page, key = (_label(values, column) for column in ("source", "page", "id"))
    key = key or label(where)
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            yield Block(paragraph, title, source, page, key)


def _label(values: Mapping[str, object], column: str) -> str:
    value = values.get(column)
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value if math.isfinite(value) else None
    return label(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
