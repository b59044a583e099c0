"""The columns of a file and its first rows as questions, to choose columns by."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.file_reading import Line, Message, file_messages
from m1app.question_sets.first_rows import MAX_COLUMNS, SHOWN_ROWS
from m1app.question_sets.import_options import ImportOptions

FIRST_ROWS = "m1app.question_sets.first_rows:first_row_messages"
"""The producer of `FileSampleMessage`."""
_MOST_CHARACTERS = 2000
_MOST_TAGS = 20


class SampledRow(Message):
    """A row as a question, or what is wrong with it."""

    where: str = Field(max_length=_MOST_CHARACTERS)
    problem: str = Field("", max_length=_MOST_CHARACTERS)
    stem: str = Field("", max_length=_MOST_CHARACTERS)
    options: dict[str, str] = Field({}, max_length=26)
    target: str = ""
    tags: list[str] = Field([], max_length=_MOST_TAGS)


class FileSampleMessage(Message):
    """What the process sends."""

    columns: list[tuple[str, str]] = Field(max_length=MAX_COLUMNS, strict=False)
    column_count: int = Field(ge=0)
    layout: str = Field(max_length=100)
    problem: str = Field(max_length=_MOST_CHARACTERS)
    rows: list[SampledRow] = Field(max_length=SHOWN_ROWS)
    notes: list[str] = Field(max_length=10)


_Line = Line[FileSampleMessage]


@dataclass(frozen=True, slots=True)
class FileSample:
    """The first set of a file, as far as choosing columns needs it."""

    columns: Mapping[str, str]
    """Name to its first value, shortened; up to 200, without names that are too long or not printable."""
    column_count: int
    """Number of all columns."""
    layout: str
    """Id of the layout that `rows` were read with; empty if there is none."""
    problem: str
    """Why there is no layout."""
    rows: tuple[SampledRow, ...]
    """The first three; none without a layout."""
    notes: tuple[str, ...]


async def read_file_sample(path: Path, file_name: str, layout: str, options: ImportOptions) -> FileSample:
    """Read the first rows of a file; raises InvalidQuestionSet if it cannot be read."""
    async with file_messages(
        path, FIRST_ROWS, _Line, file_name=file_name, layout=layout, options=options.to_json()
    ) as messages:
        found = await anext(messages, None)
    if found is None:
        raise InvalidQuestionSet(f"{file_name}: the file has no rows. Export it again.")
    return FileSample(
        dict(found.columns), found.column_count, found.layout, found.problem, tuple(found.rows), tuple(found.notes)
    )
