"""A question as a file gives it, and what is wrong with a row of the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class SetQuestion:
    """One question of a file, every character as it stands there."""

    stem: str
    options: Mapping[str, str]
    """Letter to text, from A without a gap."""
    target: str | None
    """Letter of the right option."""
    tags: tuple[str, ...] = ()
    title: str = ""


class RowProblem(Exception):
    """One row cannot be used; the message follows the name of file and line."""


def unexpected(column: str, found: object, expected: str) -> RowProblem:
    """The problem that a column holds something else; an empty `column` means the row as a whole."""
    where = f"column {column}: " if column else ""
    return RowProblem(f"{where}found {shown(found)}, expected {expected}")


def shown(value: object) -> str:
    """A value for a message: short, on one line, and printable whatever it holds."""
    if value is None or value == "":
        return "nothing"
    text = json.dumps(value, default=repr)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
