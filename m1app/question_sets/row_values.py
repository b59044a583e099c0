"""Validated values from a file's rows: texts and options; `SetQuestion` is the result. Targets are in `row_targets`."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from m1app.targets import has_several

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class SetQuestion:
    """A question from a file, with its text unchanged."""

    stem: str
    options: Mapping[str, str]
    """Letter to text, from A without gaps; empty for an open question."""
    target: str | None
    """Letter of the right option; several as "A, C"; None for an open question."""
    tags: tuple[str, ...] = ()
    title: str = ""
    reference: str = ""
    """Of an open question: what a right answer says."""


def storable(text: str) -> str:
    """`text` with each half of a surrogate pair, which no message can carry, replaced by a question mark."""
    return text.encode(errors="replace").decode()


class RowProblem(Exception):
    """A row cannot be used; the message follows the name of file and line."""


def unexpected(column: str, found: object, expected: str) -> RowProblem:
    """Return the problem of an unexpected column value; an empty `column` means the whole row."""
    where = f"column {column}: " if column else ""
    return RowProblem(f"{where}found {shown(found)}, expected {expected}")


def shown(value: object) -> str:
    """Format a value for a message: short, on one line, and printable."""
    if value is None or value == "":
        return "nothing"
    try:
        text = json.dumps(value, default=repr)
    except (RecursionError, TypeError, ValueError):
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


MAX_OPTIONS = len(ascii_uppercase)

Row = Mapping[str, Any]


def text_at(row: Row, column: str) -> str:
    """Return the text of a column, which must not be blank."""
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise unexpected(column, value, "text")
    return value


def optional_text(row: Row, column: str) -> str:
    """Return the text of a column, numbers as text; empty if there is none."""
    value = row.get(column)
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int | float):
        return str(value)
    raise unexpected(column, value, "text or nothing")


def texts_of(row: Row, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the non-empty values of the columns."""
    return tuple(text for column in columns if (text := optional_text(row, column)).strip())


def unpacked(value: object, column: str) -> object:
    """Parse a list or object stored as JSON or Python text (in CSV); other values are returned unchanged."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    raise unexpected(column, value, "a list or an object, as JSON")


def options_at(row: Row, column: str) -> dict[str, str]:
    """Options from one column: an object of letter to text, a list of texts, or a list of {key, value}."""
    value = unpacked(row.get(column), column)
    if isinstance(value, Mapping):
        return lettered_options({str(letter): text for letter, text in value.items()}, column)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(each, Mapping) for each in value):
            return lettered_options(_pairs(value, column), column)
        _check_count(len(value), column)
        return lettered_options(dict(zip(ascii_uppercase, value, strict=False)), column)
    raise unexpected(column, value, "options: an object of letter to text, or a list of strings")


def _pairs(entries: Sequence[Mapping[str, Any]], column: str) -> dict[str, Any]:
    """Options in the original MedQA ({key, value}) and MedXpertQA ({letter, content}) formats."""
    options: dict[str, Any] = {}
    for entry in entries:
        letter = entry.get("key", entry.get("letter"))
        if not isinstance(letter, str) or letter in options:
            raise unexpected(column, entry, "options as {key, value}, each with its own letter")
        options[letter] = entry.get("value", entry.get("content"))
    return options


def option_columns(row: Row, columns: Sequence[str]) -> dict[str, str]:
    """Options from separate columns, the first being A."""
    found = {letter: row.get(column) for letter, column in zip(ascii_uppercase, columns, strict=False)}
    return lettered_options(found, f"{columns[0]} to {columns[-1]}")


def lettered_options(options: Mapping[str, Any], column: str) -> dict[str, str]:
    """Options in the order of their letters.

    Trailing empty ones are dropped: tables have columns for the longest question.
    """
    _check_count(len(options), column)
    by_letter = {letter.strip().upper(): text for letter, text in options.items()}
    letters = sorted(by_letter)
    while letters and is_blank(by_letter[letters[-1]]):
        letters.pop()
    if len(by_letter) < len(options) or letters != list(ascii_uppercase[: len(letters)]):
        raise unexpected(column, ", ".join(options), "letters from A without a gap, each once")
    if len(letters) < 2:
        raise RowProblem(f"column {column}: found {len(letters)} options with text, expected two or more")
    found = {letter: _option_text(by_letter[letter], f"{column}, option {letter}") for letter in letters}
    return _without_own_letters(found)


# "A. x", "B) x", "(C) x", "D: x".
_OWN_LETTER = re.compile(r"\s*(?:\((?P<within>[A-Z])\)|(?P<bare>[A-Z])(?P<sign>[.):]))\s+(?=\S)")


def _without_own_letters(options: dict[str, str]) -> dict[str, str]:
    """Options without their letters, if each text begins with its own: they would be asked as "A. A. x".

    Two options that look like "A. baumannii" and "B. cereus" are names of species.
    """
    marks = {letter: _OWN_LETTER.match(text) for letter, text in options.items()}
    if not all(mark and (mark["within"] or mark["bare"]) == letter for letter, mark in marks.items()):
        return options
    if len(options) == 2 and all(
        mark and mark["sign"] == "." and mark.string[mark.end()].islower() for mark in marks.values()
    ):
        return options
    return {
        letter: text[mark.end() :] for (letter, text), mark in zip(options.items(), marks.values(), strict=True) if mark
    }


def is_blank(text: object) -> bool:
    """Whether there is nothing, or only white space."""
    return text is None or (isinstance(text, str) and not text.strip())


def _option_text(text: object, column: str) -> str:
    if isinstance(text, int | float) and not isinstance(text, bool):
        return str(text)
    if not isinstance(text, str) or not text.strip():
        raise unexpected(column, text, "text")
    return text


def _check_count(count: int, column: str) -> None:
    if count > MAX_OPTIONS:
        raise RowProblem(f"column {column}: found {count} options, expected at most {MAX_OPTIONS}")


def check_answer(row: Row, column: str, options: Mapping[str, str], target: str) -> None:
    """Reject a row whose answer in words is a different option than its letter; of several letters it says nothing."""
    answer = row.get(column)
    if not isinstance(answer, str) or has_several(target) or is_same(answer, options[target]):
        return
    other = next((letter for letter, text in options.items() if is_same(answer, text)), None)
    if other is not None:
        raise unexpected(column, answer, f"the text of option {target}, which the target names; this is option {other}")


def is_same(one: str, other: str) -> bool:
    """Whether two texts differ in case and spacing alone."""
    return one.casefold().split() == other.casefold().split()
