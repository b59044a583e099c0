"""Reads a file of answers: all of it, or nothing.

This runs in the process that reads a file (`m1app.question_sets.file_reading`); `answer_file` is its other end. The
file is read three times: for the kind of its rows and the number of its option A, to check it, and to hand it over.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePath
from typing import Any, BinaryIO

from m1app.benchmark.answer_files import fields
from m1app.benchmark.answer_files.fields import ChosenFields
from m1app.benchmark.answer_files.given_answer import (
    MAX_ANSWER_CHARACTERS,
    SHORT_CHARACTERS,
    FileFacts,
    GivenAnswer,
    answer_length,
)
from m1app.benchmark.answer_files.inspect_files import archive_table, document_table, is_archive
from m1app.benchmark.answer_files.layouts import Sample, layout_of
from m1app.question.errors import InvalidAnswers
from m1app.question_sets.batches import batches
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_table import PlacedRow, RowTable
from m1app.question_sets.row_targets import number_of
from m1app.question_sets.row_values import RowProblem, storable
from m1app.question_sets.rows import read_tables

ANSWERS = "m1app.benchmark.answer_files.reading:answer_messages"
"""The producer of these messages, see `m1app.question_sets.file_reading`."""
_ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
_FIRST_BYTES = 4096
_MOST_FILTERS = 20


@dataclass(slots=True)
class _Common:
    """What the rows of a file have in common."""

    label: str = ""
    """The layout of its first row."""
    filter_name: object = None
    """Of lm-evaluation-harness, which repeats a sample for each of the task's filters."""
    filters: dict[str, None] = field(default_factory=dict)
    """Names of its filters."""
    left_out: int = 0
    """Rows that repeat a sample under another filter."""
    first: int | None = None
    """The number of option A; None if nothing tells."""


def answer_messages(
    file: BinaryIO, file_name: str, text: str, options: str, target: str, first: str
) -> Iterator[dict[str, Any]]:
    """Yield what the file is, then its answers in batches.

    Args:
        file: open for reading.
        file_name: determines the format, with the first bytes, and starts messages.
        text: the column of the answer's text; empty finds it. `options` and `target` likewise.
        options: see `text`.
        target: see `text`.
        first: the number of option A, "0" or "1"; empty if the file tells.

    Raises:
        InvalidAnswers: the file cannot be read or used.
    """
    chosen = ChosenFields(text, options, target)
    try:
        table, facts = _table(file, file_name)
        common = _look(table, file_name, chosen)
        common.first = int(first) if first else common.first
        if not sum(1 for _ in _answers(table, file_name, chosen, common)):
            raise InvalidAnswers(f"{file_name}: found no answer, expected at least one.")
        yield {
            "layout": common.label,
            "left_out": common.left_out,
            "filters": [storable(name) for name in common.filters],
            "facts": _storable(asdict(facts)),
        }
        for batch in batches(_answers(table, file_name, chosen, common), answer_length):
            yield {"answers": [_as_message(each) for each in batch]}
    except InvalidQuestionSet as exc:
        raise InvalidAnswers(str(exc)) from exc


def _as_message(answer: GivenAnswer) -> dict[str, Any]:
    return {**_storable(asdict(answer)), "tags": [storable(tag) for tag in answer.tags]}


def _storable(value: Any) -> Any:
    """A value of an answer with texts that a message can carry."""
    if isinstance(value, Mapping):
        return {key: _storable(each) for key, each in value.items()}
    return storable(value) if isinstance(value, str) else value


def _table(file: BinaryIO, file_name: str) -> tuple[RowTable, FileFacts]:
    if is_archive(file):
        return archive_table(file, file_name)
    file.seek(0)
    begun = file.read(_FIRST_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not begun and not file.read(_FIRST_BYTES).strip():
        raise InvalidAnswers(f"{file_name}: found no answer, expected at least one.")
    name = file_name if PurePath(file_name).suffix.lower() in _ENDINGS else file_name + _ending(begun)
    document = document_table(file, file_name) if name.lower().endswith(".json") and begun[:1] == b"{" else None
    return document or (_joined(read_tables(file, name)), FileFacts())


def _ending(begun: bytes) -> str:
    """The format of a file whose name does not tell, such as that of standard input."""
    return {b"[": ".json", b"{": ".jsonl"}.get(begun[:1], ".jsonl" if begun[:4] == b"null" else ".csv")


def _joined(tables: tuple[RowTable, ...]) -> RowTable:
    if len(tables) == 1:
        return tables[0]
    return RowTable("", lambda: (row for table in tables for row in table.read()))


def _look(table: RowTable, file_name: str, chosen: ChosenFields) -> _Common:
    """What the rows say together; a row with a problem is told of when it is read."""
    common = _Common()
    smallest, has_count = None, False
    for row in table.rows(file_name):
        if not isinstance(row.value, Mapping):
            continue
        if not common.label:
            common.label, common.filter_name = layout_of(row.value).label, row.value.get("filter")
        common.left_out += _is_repeated(row.value, common)
        if "resps" in row.value and len(common.filters) < _MOST_FILTERS:
            common.filters[str(row.value.get("filter"))[:SHORT_CHARACTERS]] = None
        try:
            sample = layout_of(row.value).read(row.value, chosen)
            number = number_of(sample.target, sample.options)
        except (RowProblem, *_UNREADABLE):
            continue
        if number is not None:
            smallest = number if smallest is None else min(smallest, number)
            has_count = has_count or number == len(sample.options)
    common.first = 0 if smallest == 0 else 1 if has_count else None
    return common


_UNREADABLE = (OverflowError, RecursionError, TypeError, ValueError)


def _is_repeated(row: Mapping[str, Any], common: _Common) -> bool:
    return "resps" in row and row.get("filter") != common.filter_name


def _answers(table: RowTable, file_name: str, chosen: ChosenFields, common: _Common) -> Iterator[GivenAnswer]:
    for row in table.rows(file_name):
        if isinstance(row.value, Mapping) and _is_repeated(row.value, common):
            continue
        try:
            yield from _of_row(row, chosen, common.first)
        except RowProblem as exc:
            raise InvalidAnswers(f"{file_name}, {row.where}: {exc}.") from exc


def _of_row(row: PlacedRow, chosen: ChosenFields, first: int | None) -> Iterator[GivenAnswer]:
    if isinstance(row.value, RowProblem):
        raise RowProblem(f"{row.value}. If the file is cut off, copy it again") from row.value
    if not isinstance(row.value, Mapping):
        raise RowProblem(f"found {_written(row.value)}, expected an object with an answer's text, options and target")
    try:
        sample = layout_of(row.value).read(row.value, chosen)
        target = _target(sample, first)
    except _UNREADABLE as exc:
        raise RowProblem(f"a value cannot be read ({type(exc).__name__}: {str(exc)[:100]})") from exc
    for number, text in enumerate(sample.texts):
        answer = GivenAnswer(
            where=row.where,
            text=text,
            options=sample.options,
            target=target,
            question=sample.question,
            question_key=sample.question_key,
            tags=sample.tags,
            details=replace(sample.details, pass_number=number) if number else sample.details,
        )
        if (length := answer_length(answer)) > MAX_ANSWER_CHARACTERS:
            raise RowProblem(f"found an answer of {length:,} characters, expected at most {MAX_ANSWER_CHARACTERS:,}")
        yield answer


def _target(sample: Sample, first: int | None) -> str | None:
    try:
        return fields.target_of(sample.target, sample.options, sample.target_name, first)
    except RowProblem:
        if sample.may_be_no_option and isinstance(sample.target, str):
            return None
        raise


def _written(value: object) -> str:
    return "null" if value is None else repr(value)[:40]
