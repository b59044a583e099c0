"""Rows of a file as they are read: one at a time, each with its place, within bounds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from m1app.question_sets.errors import InvalidQuestionSet

MAX_ROWS = 1_000_000
"""Maximum number of rows of one file."""
MAX_ROW_CHARACTERS = 8_000_000
"""Maximum length of a line of JSON lines or CSV, of a CSV cell, and of an entry of a JSON document."""
MAX_FILE_QUESTION_CHARACTERS = 100_000_000
"""Maximum length of the questions of one file together."""
MAX_SETS = 100
"""Maximum number of named sets of one file."""


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row and its place in the file."""

    where: str
    """For messages: "line 3", "row 1,200"."""
    value: object
    """A mapping of column to value; a `RowProblem` if the row could not be read; anything else is no row."""
    key: str = ""
    """Its key, if the file is an object of id to question."""


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows of one question set."""

    name: str
    """The set's name in the file; empty if the file does not name it."""
    read: Callable[[], Iterator[PlacedRow]]
    """Reads the rows from the first on, from the open file; only one reading at a time. Raises InvalidQuestionSet."""
    notes: tuple[str, ...] = ()
    """For users: an encoding other than UTF-8, what was not read."""

    def rows(self, file_name: str) -> Iterator[PlacedRow]:
        """`read`, up to the largest number of rows; raises InvalidQuestionSet beyond it."""
        for count, row in enumerate(self.read()):
            check_row_count(count + 1, file_name)
            yield row


def check_row_count(count: int, file_name: str) -> None:
    """Raise InvalidQuestionSet if a file has too many rows."""
    if count > MAX_ROWS:
        raise InvalidQuestionSet(
            f"{file_name}: found {count:,} rows or more, expected at most {MAX_ROWS:,}. Split it into several files."
        )


def too_long(file_name: str, where: str) -> InvalidQuestionSet:
    """Return the error for a row of more than MAX_ROW_CHARACTERS."""
    return InvalidQuestionSet(
        f"{file_name}, {where}: found more than {MAX_ROW_CHARACTERS:,} characters, expected one question in each row. "
        "Check the line breaks and quotes."
    )
