"""Reads the annotations of files that the app has exported, line by line; see `file_formats.py` for the formats."""

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from m1app.annotation.errors import ImportRefused
from m1app.annotation.file_formats import (
    CSV_COLUMNS,
    JSON_COLUMNS,
    SELECTOR_COLUMNS,
    ExportedAnnotation,
    imported,
)
from m1app.annotation.file_models import AnnotationDocument, ExportedLine
from storage.annotations.documents import as_document
from storage.annotations.records import Annotation, AnnotationRevision

_MAX_LINE_BYTES = 16 * 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TRUTH = {"True": True, "False": False, "": None}

MALFORMED = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
"""What reading a document of another format raises."""


@dataclass(frozen=True, slots=True)
class FileLine:
    """An annotation of a file."""

    number: int
    """The line where it begins, from 1."""
    size_bytes: int
    exported: ExportedAnnotation


def read_jsonl(file: IO[bytes]) -> Iterator[FileLine]:
    """Read the annotations of a file written by `jsonl_lines`.

    Raises:
        ImportRefused: a line is invalid; the message names it.
    """
    for number, line in lines_of(file):
        if not line.strip():
            continue
        try:
            exported = _exported(ExportedLine.model_validate_json(line))
        except ValidationError as exc:
            if _is_no_json(exc):
                raise ImportRefused(f"Line {number} is not JSON ({reason_of(exc)}).") from None
            raise ImportRefused(
                f"Line {number} is not an annotation exported by m1app ({reason_of(exc)}). Export again, or name its "
                "format with --format."
            ) from None  # The cause quotes the line.
        yield FileLine(number, len(line), exported)


def _exported(line: ExportedLine) -> ExportedAnnotation:
    made = line.annotation.as_annotation()
    history = tuple(
        AnnotationRevision(
            annotation_id=made.id,
            revision=each.revision,
            made_at=each.made_at,
            made_by=each.made_by,
            action=each.action,
            reason=each.reason,
            document=as_document(each.document.as_annotation()),
        )
        for each in line.history
    )
    return ExportedAnnotation(made, history)


def read_csv(file: IO[bytes]) -> Iterator[FileLine]:
    """Read the annotations of a table written by `csv_lines`; their history starts with the import.

    Raises:
        ImportRefused: a column is missing, or a row is invalid; the message names it.
    """
    reader = csv.DictReader(line.decode() for _, line in lines_of(file))
    line = 1
    try:
        _check_columns(reader.fieldnames or ())
        line = reader.line_num + 1
        for row in reader:
            made = _read_row({name: row[name].removeprefix("'") for name in CSV_COLUMNS})
            size = sum(len(value) for value in row.values() if isinstance(value, str))
            yield FileLine(line, size, ExportedAnnotation(made, (imported(made),)))
            line = reader.line_num + 1  # a row may span several lines
    except csv.Error as exc:
        raise ImportRefused(f"Line {line} is not CSV ({exc}). Export the table again.") from exc
    except MALFORMED as exc:
        raise ImportRefused(f"Line {line} is not a row exported by m1app ({reason_of(exc)}).") from None


def _check_columns(columns: Collection[str]) -> None:
    if missing := [name for name in CSV_COLUMNS if name not in columns]:
        raise ImportRefused(f"The table has no column {', '.join(missing)}. Export it again and keep its first line.")


def _read_row(row: Mapping[str, Any]) -> Annotation:
    selector = {name: row[name] for name in SELECTOR_COLUMNS} | {
        name: int(row[name]) for name in ("start", "end") if row[name]
    }
    document = (
        dict(row)
        | {name: json.loads(row[name]) for name in JSON_COLUMNS}
        | {name: _TRUTH.get(row[name], row[name]) for name in ("is_upheld", "is_omission", "changed_answer")}
        | {name: int(row[name]) for name in ("taxonomy_version", "revision")}
        | {"checkpoint_id": row["checkpoint_id"] or None, "confidence": row["confidence"] or None}
        | {"labels": row["labels"].split(), "selector": selector if row["start"] else None}
    )
    for name in SELECTOR_COLUMNS:
        del document[name]
    return AnnotationDocument.model_validate_json(json.dumps(document)).as_annotation()


def lines_of(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers, ended by line feeds only: texts may contain U+2028 and similar characters."""
    number = 0
    while line := file.readline(_MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > _MAX_LINE_BYTES:
            raise ImportRefused(
                f"Line {number} is longer than {_MAX_LINE_BYTES // 2**20} MB, too long for an annotation. Export "
                "again, or name the file's format with --format."
            )
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        try:
            line.decode()
        except UnicodeDecodeError as exc:
            raise ImportRefused(
                f"Line {number} is not UTF-8 text at byte {exc.start + 1}: save the file as UTF-8."
            ) from None
        yield number, line


def reason_of(error: Exception) -> str:
    """What is wrong with a document that raised one of `MALFORMED`, in words and without its text."""
    if isinstance(error, ValidationError):
        return _first_reason(error)
    if isinstance(error, KeyError):
        return f"{str(error.args[0])[:60]!r} is missing"
    if isinstance(error, ValueError):
        return str(error)[:120]
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "a value is of another kind than expected"


def _first_reason(error: ValidationError) -> str:
    first = _first(error)
    place = ".".join(map(str, first["loc"]))[:80] or "the line"
    if first["type"] == "json_invalid":
        return "it is nested too deeply" if _is_deep(first) else str(first["msg"]).removeprefix("Invalid JSON: ")
    if first["type"] == "missing":
        return f"{place} is missing"
    words = str(first["msg"]).removeprefix("Value error, ")
    return f"{place}: {words[:1].lower()}{words[1:]}"


def _is_no_json(error: ValidationError) -> bool:
    first = _first(error)
    return first["type"] == "json_invalid" and not _is_deep(first)


def _first(error: ValidationError) -> ErrorDetails:
    return error.errors(include_url=False, include_context=False, include_input=False)[0]


def _is_deep(first: ErrorDetails) -> bool:
    return "recursion limit" in first["msg"]


def expect(value: object, kind: type, name: str) -> None:
    """Raise ValueError unless a value of a document is of this kind: `dict` or `list`."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {_KINDS.get(type(value), 'a value')}, expected {_KINDS[kind]}")


_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "nothing",
}
