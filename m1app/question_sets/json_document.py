"""One JSON document as tables of rows.

Python's JSON parser reports the position of an error but not of a value, and holds the whole result. So the outer one
or two levels of a document are walked here, and only the positions of its entries are kept: each entry is parsed when
its row is read.
"""

import json
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_table import MAX_ROW_CHARACTERS, MAX_SETS, PlacedRow, RowTable, check_row_count, too_long
from m1app.question_sets.row_values import RowProblem, unexpected

_BLANKS = re.compile(r"[ \t\n\r]*")
_NAME_CHARACTERS = 60
_SHAPES = (
    "a list of questions, an object of set name to list ({set: [{question, options, answer, answer_idx}]}), "
    "or an object of id to question"
)


@cache
def strict_decoder() -> json.JSONDecoder:
    """Return a decoder that raises RowProblem for duplicate keys in an object."""
    return json.JSONDecoder(object_pairs_hook=_without_doubled_keys)


def _without_doubled_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        doubled = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise unexpected("", doubled, "each key once in an object")
    return made


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of the outermost object."""

    key: str
    position: int
    """Where its value starts."""
    entries: "array[int] | None"
    """Where the entries of its value start, if that is a list."""


def json_tables(text: str, file_name: str) -> tuple[RowTable, ...]:
    """Find the sets of a document.

    Raises:
        InvalidQuestionSet: the text is not JSON, or the document has a different structure.
    """
    try:
        return _tables(text, file_name)
    except json.JSONDecodeError as exc:
        raise InvalidQuestionSet(
            f"{file_name}, line {exc.lineno:,}, column {exc.colno:,}: this is not JSON ({exc.msg}). Correct it."
        ) from exc
    except (RecursionError, ValueError) as exc:
        raise InvalidQuestionSet(
            f"{file_name}: this JSON cannot be read ({exc}). Use a list of flat objects, one for each question."
        ) from exc


def entries_under(text: str, name: str, file_name: str) -> tuple[dict[str, int], RowTable | None]:
    """Where the values of a document's members start, by name, and the rows of the list called `name`, if there is one.

    Raises:
        json.JSONDecodeError: the text is not JSON.
        InvalidQuestionSet: a list has too many entries.
    """
    start = _skip(text, 0)
    if text[start : start + 1] != "{":
        return {}, None
    members, end = _members(text, start, file_name)
    _check_end(text, end)
    found = next((each for each in members if each.key == name and each.entries is not None), None)
    return {each.key: each.position for each in members}, _list_table(text, found, file_name) if found else None


def value_at(text: str, position: int) -> object:
    """The value that starts at a position of a document; raises ValueError, RecursionError."""
    return json.JSONDecoder().raw_decode(text, position)[0]


def _tables(text: str, file_name: str) -> tuple[RowTable, ...]:
    start = _skip(text, 0)
    sign = text[start : start + 1]
    if sign == "[":
        positions, end = _positions(text, start, file_name)
        _check_end(text, end)
        return (RowTable("", lambda: _rows(text, positions, file_name)),)
    if sign != "{":
        json.JSONDecoder().raw_decode(text, start)
        raise InvalidQuestionSet(f"{file_name}: found {text[start : start + 20]!r}, expected {_SHAPES}.")
    members, end = _members(text, start, file_name)
    _check_end(text, end)
    return _object_tables(text, start, members, file_name)


def _check_end(text: str, position: int) -> None:
    position = _skip(text, position)
    if position < len(text):
        raise json.JSONDecodeError("Extra data", text, position)


def _object_tables(text: str, start: int, members: Sequence[_Member], file_name: str) -> tuple[RowTable, ...]:
    names = [each.key for each in members]
    _check_names(names, file_name)
    kinds = {text[each.position] for each in members}
    if kinds == {"["}:
        if len(members) > MAX_SETS:
            raise InvalidQuestionSet(
                f"{file_name}: found {len(members):,} sets, expected at most {MAX_SETS}. Split the file."
            )
        return tuple(_list_table(text, each, file_name) for each in members)
    examples = next((each for each in members if each.key == "examples" and each.entries is not None), None)
    if examples is not None and "question" not in names:
        # A task of BIG-bench: its description, and its questions as examples.
        positions = examples.entries or array("Q")
        return (RowTable("", lambda: _rows(text, positions, file_name)),)
    if kinds == {"{"}:
        column = next((each for each in members if each.key == "question"), None)
        if column is not None and isinstance(_decode(text, column.position)[0], Mapping):
            return (RowTable("", lambda: _transposed(text, members, column.position)),)
        positions = array("Q", [each.position for each in members])
        return (RowTable("", lambda: _rows(text, positions, file_name, names=names)),)
    if "question" in names:
        return (RowTable("", lambda: _rows(text, array("Q", [start]), file_name)),)
    raise InvalidQuestionSet(f"{file_name}: found an object with {_listed(names)}, expected {_SHAPES}.")


def _check_names(names: Sequence[str], file_name: str) -> None:
    if len(set(names)) < len(names):
        doubled = next(name for name, count in Counter(names).items() if count > 1)
        raise InvalidQuestionSet(
            f"{file_name}: the name {doubled[:_NAME_CHARACTERS]!r} appears twice. Rename one of them."
        )


def _listed(names: Sequence[str]) -> str:
    shown = [repr(name[:_NAME_CHARACTERS]) for name in names[:8]]
    return ", ".join(shown) + (", ..." if len(names) > 8 else "") if names else "nothing in it"


def _list_table(text: str, member: _Member, file_name: str) -> RowTable:
    positions = member.entries or array("Q")
    in_set = f" of {member.key[:_NAME_CHARACTERS]}"
    return RowTable(member.key, lambda: _rows(text, positions, file_name, in_set))


def _rows(
    text: str, positions: "array[int]", file_name: str, in_set: str = "", names: Sequence[str] = ()
) -> Iterator[PlacedRow]:
    line, counted_to = 1, 0
    for index, position in enumerate(positions):
        line += text.count("\n", counted_to, position)
        counted_to = position
        entry = names[index][:_NAME_CHARACTERS] if names and names[index] else index + 1
        where = f"line {line:,} (entry {entry}{in_set})"
        value, end = _decode(text, position)
        if end - position > MAX_ROW_CHARACTERS:
            raise too_long(file_name, where)
        yield PlacedRow(where, value, names[index] if names else "")


def _transposed(text: str, members: Sequence[_Member], position: int) -> Iterator[PlacedRow]:
    """Rows of an object with an object for each column, as pandas writes it."""
    columns = {each.key: value for each in members if isinstance(value := _decode(text, each.position)[0], Mapping)}
    line = text.count("\n", 0, position) + 1
    for key in dict.fromkeys(key for column in columns.values() for key in column):
        row = {name: column.get(key) for name, column in columns.items()}
        yield PlacedRow(f"line {line:,} (entry {key[:_NAME_CHARACTERS]})", row)


def _positions(text: str, start: int, file_name: str) -> tuple["array[int]", int]:
    """Where each element of the list at `start` starts, and where the list ends."""
    positions = array("Q")
    position = _skip(text, start + 1)
    if text[position : position + 1] == "]":
        return positions, position + 1
    while True:
        positions.append(position)
        check_row_count(len(positions), file_name)
        position, is_last = _next(text, _decode(text, position)[1], "]")
        if is_last:
            return positions, position


def _members(text: str, start: int, file_name: str) -> tuple[list[_Member], int]:
    """The members of the object at `start`, and where it ends."""
    members: list[_Member] = []
    position = _skip(text, start + 1)
    if text[position : position + 1] == "}":
        return members, position + 1
    while True:
        key, position = _key(text, position)
        entries, end = _positions(text, position, file_name) if text[position : position + 1] == "[" else (None, None)
        members.append(_Member(key, position, entries))
        check_row_count(len(members), file_name)
        position, is_last = _next(text, _decode(text, position)[1] if end is None else end, "}")
        if is_last:
            return members, position


def _key(text: str, position: int) -> tuple[str, int]:
    """The key at `position`, and where its value starts."""
    if text[position : position + 1] != '"':
        raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, position)
    key, end = json.JSONDecoder().raw_decode(text, position)
    colon = _skip(text, end)
    if text[colon : colon + 1] != ":":
        raise json.JSONDecodeError("Expecting ':' delimiter", text, colon)
    return str(key), _skip(text, colon + 1)


def _next(text: str, end: int, closing: str) -> tuple[int, bool]:
    """Where the next element starts; or where the list or object ends, and True."""
    position = _skip(text, end)
    sign = text[position : position + 1]
    if sign == closing:
        return position + 1, True
    if sign != ",":
        raise json.JSONDecodeError("Expecting ',' delimiter", text, position)
    return _skip(text, position + 1), False


def _decode(text: str, position: int) -> tuple[object, int]:
    """The value at `position`, a RowProblem if a key of it is doubled, and where it ends."""
    try:
        return strict_decoder().raw_decode(text, position)
    except RowProblem as exc:
        return exc, json.JSONDecoder().raw_decode(text, position)[1]


def _skip(text: str, position: int) -> int:
    found = _BLANKS.match(text, position)
    return found.end() if found else position
