"""Question sets in one JSON document, with the place of every entry.

Python's parser tells the place of an error, not of a value, so the outer one or two levels are walked here. The text
has been parsed as a whole before: only its shape can be wrong, not its syntax.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.records import RowProblem, unexpected

_BLANKS = re.compile(r"[ \t\n\r]*")
_SHAPES = (
    "a list of questions, an object of set name to list ({set: [{question, options, answer, answer_idx}]}), "
    "or an object of id to question"
)


@dataclass(frozen=True, slots=True)
class JsonEntry:
    """One question of the document."""

    value: object
    """What it parses to; a `RowProblem` when a key stands twice in it."""
    position: int
    """Index in the text at which it begins."""
    key: str = ""
    """Its key in an object of id to question; empty in a list."""


@cache
def strict_decoder() -> json.JSONDecoder:
    """A decoder that raises RowProblem for a key that stands twice in one object."""
    return json.JSONDecoder(object_pairs_hook=_without_doubled_keys)


def _without_doubled_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise unexpected("", next(key for key in keys if keys.count(key) > 1), "each key once in an object")
    return made


def json_sets(text: str, file_name: str) -> dict[str, Sequence[JsonEntry]]:
    """Entries by set name; the name is empty when the document does not name its only set.

    Raises:
        InvalidQuestionSet: the document has another shape.
    """
    start = _skip(text, 0)
    if text[start] == "[":
        return {"": list(_entries(text, start))}
    if text[start] != "{":
        raise InvalidQuestionSet(f"{file_name}: found {text[start : start + 20]!r}, expected {_SHAPES}.")
    members = list(_members(text, start))
    kinds = {text[entry.position] for entry in members}
    names = [entry.key for entry in members]
    doubled = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if doubled is not None:
        raise InvalidQuestionSet(f"{file_name}: the name {doubled!r} stands twice. Rename one of the two.")
    if members and kinds == {"["}:
        return {entry.key: list(_entries(text, entry.position)) for entry in members}
    if members and kinds == {"{"}:
        return {"": _records(members)}
    if "question" in names:
        value = _decode(text, start)[0]
        return {"": [JsonEntry(value, start)]}
    raise InvalidQuestionSet(f"{file_name}: found an object with {_listed(names)}, expected {_SHAPES}.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "") if names else "nothing in it"


def _records(members: Sequence[JsonEntry]) -> Sequence[JsonEntry]:
    """Entries of an object of objects: one question each, or one column each, as pandas writes a table."""
    columns = {entry.key: entry.value for entry in members}
    if not isinstance(columns.get("question"), Mapping):
        return members
    places = {entry.key: entry.position for entry in members}
    ids = list(dict.fromkeys(key for column in columns.values() if isinstance(column, Mapping) for key in column))
    return [
        JsonEntry(
            {name: column.get(key) for name, column in columns.items() if isinstance(column, Mapping)},
            places["question"],
            key,
        )
        for key in ids
    ]


def _entries(text: str, start: int) -> Iterator[JsonEntry]:
    """Elements of the list whose bracket is at `start`."""
    position = _skip(text, start + 1)
    while text[position] != "]":
        value, end = _decode(text, position)
        yield JsonEntry(value, position)
        position = _next(text, end)


def _members(text: str, start: int) -> Iterator[JsonEntry]:
    """Members of the object whose brace is at `start`."""
    position = _skip(text, start + 1)
    while text[position] != "}":
        key, end = strict_decoder().raw_decode(text, position)
        position = _skip(text, _skip(text, end) + 1)
        value, end = _decode(text, position)
        yield JsonEntry(value, position, str(key))
        position = _next(text, end)


def _decode(text: str, position: int) -> tuple[object, int]:
    try:
        return strict_decoder().raw_decode(text, position)
    except RowProblem as exc:
        return exc, json.JSONDecoder().raw_decode(text, position)[1]


def _skip(text: str, position: int) -> int:
    found = _BLANKS.match(text, position)
    return found.end() if found else position


def _next(text: str, position: int) -> int:
    position = _skip(text, position)
    return _skip(text, position + 1) if text[position] == "," else position
