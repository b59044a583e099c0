"""Which column of a file holds what, as its user says; for files that no layout knows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from m1app.question.errors import InvalidQuestion
from m1app.question.question_text import parse_options
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.evaluation_rows import options_within
from m1app.question_sets.layouts import Layout
from m1app.question_sets.row_targets import letter_at, numbered_at, target_at, text_target_at
from m1app.question_sets.row_values import (
    MAX_OPTIONS,
    Row,
    RowProblem,
    SetQuestion,
    lettered_options,
    option_columns,
    options_at,
    text_at,
    texts_of,
    unpacked,
)

AnswerBase = Literal["", "0", "1", "letter", "text"]
"""What an answer column holds: the right option's number from 0 or from 1, its letter, or its text; empty: letter or
text."""
ANSWER_BASES: tuple[str, ...] = get_args(AnswerBase)
MAPPED = "columns"
"""Id of the layout of sets that were read by a mapping."""
MAX_TAG_COLUMNS = 10
_SHOWN_COLUMNS = 12
_NAME_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The columns of a file; "doc.question" is the member `question` of the objects in column `doc`."""

    question: str
    options: tuple[str, ...] = ()
    """One column for each option; or a single one with a list, an object or lines; empty: within the question."""
    answer: str = ""
    """Empty: stated in the question."""
    answer_base: AnswerBase = ""
    tags: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it names, each once."""
        return tuple(dict.fromkeys(filter(None, (self.question, *self.options, self.answer, *self.tags))))


def mapped_layout(mapping: ColumnMapping) -> Layout:
    """The layout of a mapping.

    Raises:
        InvalidQuestionSet: no question column, too many columns, or an unknown answer base.
    """
    if not mapping.question:
        raise InvalidQuestionSet("No question column was chosen. Name the column that holds the question.")
    if len(mapping.options) > MAX_OPTIONS or len(mapping.tags) > MAX_TAG_COLUMNS:
        raise InvalidQuestionSet(
            f"Found {len(mapping.options)} columns of options and {len(mapping.tags)} of tags, expected at most "
            f"{MAX_OPTIONS} and {MAX_TAG_COLUMNS}. Name fewer."
        )
    if mapping.answer_base not in ANSWER_BASES:
        raise InvalidQuestionSet(f"Found answer base {mapping.answer_base[:20]!r}, expected 0, 1, letter or text.")
    return Layout(MAPPED, "columns as chosen", frozenset(), partial(read_mapped, mapping=mapping))


def check_columns(mapping: ColumnMapping, columns: Collection[str], file_name: str) -> None:
    """Raise InvalidQuestionSet if a file has not all columns of a mapping."""
    missing = [name for name in mapping.columns if name not in columns]
    if missing:
        names = sorted(_short(name) for name in columns)
        there = ", ".join(names[:_SHOWN_COLUMNS]) + (", ..." if len(names) > _SHOWN_COLUMNS else "")
        raise InvalidQuestionSet(
            f"{file_name}: found no column {', '.join(map(_short, missing[:5]))}, expected one of {there}."
        )


def _short(name: str) -> str:
    return repr(name if len(name) <= _NAME_CHARACTERS else f"{name[:_NAME_CHARACTERS]}...")


def columns_of(row: Row) -> list[str]:
    """The columns that a mapping can name: those of the row, and the members of objects in them."""
    names = []
    for name, value in row.items():
        names.append(str(name))
        names += [f"{name}.{member}" for member in _object_in(value)]
    return names


def _object_in(value: object) -> Mapping[str, object]:
    """The object that a value is, also as text; empty for anything else."""
    try:
        found = unpacked(value, "")
    except RowProblem:
        return {}
    return found if isinstance(found, Mapping) else {}


def read_mapped(row: Row, mapping: ColumnMapping) -> SetQuestion:
    """Read a row by a mapping; raises RowProblem."""
    values = {name: value_at(row, name) for name in mapping.columns}
    stem, stated = text_at(values, mapping.question), None
    if not mapping.options:
        stem, options, stated = options_within(stem, mapping.question)
    elif len(mapping.options) == 1:
        options = _options_in(values, mapping.options[0])
    else:
        options = option_columns(values, mapping.options)
    target = _target(values, mapping, options) if mapping.answer else stated
    if target is None:
        raise RowProblem(f"column {mapping.question}: found no answer line, expected one; or choose an answer column")
    return SetQuestion(stem, options, target, texts_of(values, mapping.tags))


def value_at(row: Row, name: str) -> object:
    """The value of a column, or of the member of an object in one; None if there is none."""
    if name in row:
        return row[name]
    column, _, member = name.partition(".")
    return _object_in(row.get(column)).get(member)


def _options_in(values: Row, column: str) -> dict[str, str]:
    """Options from one column: as `options_at`, or lines of text."""
    value = values.get(column)
    if not isinstance(value, str) or value.lstrip().startswith(("[", "{")):
        return options_at(values, column)
    try:
        return lettered_options(parse_options(value), column)
    except InvalidQuestion as exc:
        raise RowProblem(f"column {column}: {exc}") from exc


def _target(values: Row, mapping: ColumnMapping, options: Mapping[str, str]) -> str:
    column = mapping.answer
    value = unpacked(values.get(column), column)
    found = {column: value[0] if isinstance(value, list) and len(value) == 1 else value}
    if mapping.answer_base in ("0", "1"):
        return numbered_at(found, column, options, int(mapping.answer_base))
    if mapping.answer_base == "letter":
        return letter_at(found, column, options)
    if mapping.answer_base == "text":
        return text_target_at(found, column, options)
    return target_at(found, column, options)
