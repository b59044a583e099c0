"""The target of a row: letters, texts of options, numbers, or several of them, in whatever form files have them.

Question sets and answers to be scored are read by the same rules. A layout says which forms its column has.
"""

import re
from collections.abc import Mapping, Sequence
from enum import Flag, auto

from m1app.question.several_letters import read_letters
from m1app.question_sets.row_values import MAX_OPTIONS, Row, RowProblem, is_blank, is_same, unexpected, unpacked
from m1app.targets import joined_letters, letters_of

_NUMBER_CHARACTERS = 20
_MARKED = re.compile(r"(?:\((?P<within>[A-Za-z])\)|(?P<bare>[A-Za-z])[.):])\s*(?P<text>.*)", re.DOTALL)
"""A letter and its option's text: "(B) text", "B. text"."""
_MOST_ELEMENTS = 100
"""Of a list of targets; lists within lists name options more than once."""


class Form(Flag):
    """What a column names the right option by."""

    LETTER = auto()
    """A letter, several of them, or a letter with its option's text."""
    TEXT = auto()
    NUMBER = auto()


def read_target(
    value: object, options: Mapping[str, str], column: str, forms: Form, first: int | None = None
) -> str | None:
    """The letter of the right option, or all letters as they are kept: "C", "A, C".

    Args:
        value: what the row has.
        options: letter to text.
        column: where it was found, for messages.
        forms: what it may be.
        first: the number of the first option, 0 or 1; None if nobody knows.

    Returns:
        None if there is nothing.

    Raises:
        RowProblem: it names no option, or may name two.
    """
    value = _only(unpacked(value, column))
    if is_blank(value):
        return None
    if isinstance(value, Sequence) and not isinstance(value, str):
        found = [read_target(each, options, column, forms, first) for each in value[:_MOST_ELEMENTS]]
        return joined_letters(letter for each in found for letter in letters_of(each)) or None
    if isinstance(value, str) and (named := _named(value, options, column, forms)):
        return named
    number = number_in(value) if Form.NUMBER in forms else None
    if number is None:
        raise unexpected(column, value, _expected(options, forms, first))
    return _numbered(number, value, options, column, first)


def number_of(value: object, options: Mapping[str, str]) -> int | None:
    """A target that can only be a number; None if it is a letter, a text, or not there.

    Raises:
        RowProblem: it is a letter of one option and the text of another.
    """
    value = _only(value)
    if isinstance(value, str) and _named(value, options, "", Form.LETTER | Form.TEXT):
        return None
    return number_in(value) if options else None


def letter_at(row: Row, column: str, options: Mapping[str, str]) -> str:
    """The target by its letter, or letters; as it is kept."""
    return _required(row, column, options, Form.LETTER)


def text_target_at(row: Row, column: str, options: Mapping[str, str]) -> str:
    """The target by the text of one option."""
    return _required(row, column, options, Form.TEXT)


def target_at(row: Row, column: str, options: Mapping[str, str]) -> str:
    """The target by its letter, by its text, or both: "B", "(B)", "B. text"."""
    return _required(row, column, options, Form.LETTER | Form.TEXT)


def numbered_at(row: Row, column: str, options: Mapping[str, str], first: int) -> str:
    """The target by its number, counted from `first`; -1 means that there is none."""
    if row.get(column) in (-1, "-1"):
        raise unexpected(column, row[column], f"the right option's number; {_WITHOUT}")
    return _required(row, column, options, Form.NUMBER, first)


def letters_at(row: Row, column: str, options: Mapping[str, str]) -> str:
    """The target from a list of right options, each once, by letter or by number from 0."""
    value = unpacked(row.get(column), column)
    given = value if isinstance(value, list) else [value]
    if not given or any(is_blank(each) for each in given):
        raise unexpected(column, value, f"the right options; {_WITHOUT}")
    forms = Form.LETTER if any(isinstance(each, str) for each in given) else Form.NUMBER
    each = [_required({column: one}, column, options, forms, first=0) for one in given[: MAX_OPTIONS + 1]]
    letters = [letter for one in each for letter in letters_of(one)]
    if len(set(letters)) < len(letters):
        raise unexpected(column, value, "each of the right options once")
    return joined_letters(letters)


_WITHOUT = "without a target nothing can be scored"


def _required(row: Row, column: str, options: Mapping[str, str], forms: Form, first: int | None = None) -> str:
    found = read_target(row.get(column), options, column, forms, first)
    if found is None:
        what = "number" if forms is Form.NUMBER else "letter"
        raise unexpected(column, row.get(column), f"the right option's {what}; {_WITHOUT}")
    return found


def _only(value: object) -> object:
    return value[0] if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1 else value


def _named(value: str, options: Mapping[str, str], column: str, forms: Form) -> str | None:
    """The option that a letter or a text names; several letters, too."""
    letter = _as_letter(value, options) if Form.LETTER in forms else None
    text = _as_text(value, options) if Form.TEXT in forms else None
    if letter and text and letter != text:
        raise unexpected(column, value, f"only one option; it is the letter of {letter} and the text of {text}")
    return letter or text or (read_letters(value, options) if Form.LETTER in forms else None)


def _as_letter(value: str, options: Mapping[str, str]) -> str | None:
    letter = value.strip().strip("().:").strip().upper()
    if letter in options:
        return letter
    found = _MARKED.fullmatch(value.strip())
    if found is None:
        return None
    letter = (found["within"] or found["bare"]).upper()
    return letter if letter in options and is_same(found["text"], options[letter]) else None


def _as_text(value: str, options: Mapping[str, str]) -> str | None:
    """The letter of the only option with this text; of several that differ in case alone, the one that is equal.

    One letter is rather the letter of an option that is missing than a text in another case.
    """
    wanted = value.strip()
    letters = [letter for letter, text in options.items() if text.strip() == wanted]
    if not letters and len(wanted) > 1:
        letters = [letter for letter, text in options.items() if is_same(text, wanted)]
    return letters[0] if len(letters) == 1 else None


def number_in(value: object) -> int | None:
    """A whole number, also as text or as 2.0; None for anything else."""
    if isinstance(value, str) and len(value) <= _NUMBER_CHARACTERS and value.strip().isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _numbered(number: int, value: object, options: Mapping[str, str], column: str, first: int | None) -> str:
    if first is None:
        raise RowProblem(
            f"column {column}: found {number}, which may count from 0 or from 1, and no row of the file decides it. "
            "Say which with --numbers-from 0 or --numbers-from 1"
        )
    letters = list(options)
    if not first <= number < first + len(letters):
        raise unexpected(column, value, _expected(options, Form.NUMBER, first))
    return letters[number - first]


def _expected(options: Mapping[str, str], forms: Form, first: int | None) -> str:
    """What a column should have, for messages."""
    said = []
    if Form.LETTER in forms:
        said.append(f"the right option's letter, one of {', '.join(options)}")
    if Form.TEXT in forms:
        said.append("the text of exactly one option")
    if Form.NUMBER in forms and first is not None:
        said.append(f"the right option's number, {first} to {first + len(options) - 1}")
    return ", or ".join(said)
