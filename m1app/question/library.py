"""The questions shipped with the app: reads and validates `library.toml`.

Does not cover questions added by users, question sets in storage, or asking and scoring.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from string import ascii_uppercase
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from m1app.question.errors import QuestionError

LIBRARY_FILE = "library.toml"

Difficulty = Literal["recall", "application", "judgement"]

_SHOWN_CHARACTERS = 60


class LibraryError(QuestionError):
    """The library file is invalid; the message names file, entry and field, and what was expected."""


@dataclass(frozen=True, slots=True)
class LibraryQuestion:
    """One question of the library."""

    id: str
    """Stable slug: saved runs refer to it."""
    title: str
    specialty: str
    difficulty: Difficulty
    question: str
    """The stem, without options; may contain line breaks."""
    options: Mapping[str, str] = field(hash=False)
    """Letter -> text, from A without gaps; empty for an open question."""
    target: str | None
    """Letter of the right option; None for an open question."""
    expected: str | None
    """The right answer in words; None if there are options."""
    explanation: str
    reference: str
    """Guideline or standard text: organisation, title, year."""
    tags: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """True when the answer is free text."""
        return not self.options


@cache
def load_library() -> tuple[LibraryQuestion, ...]:
    """Return the shipped questions, in file order.

    Raises:
        LibraryError: the shipped file is invalid.
    """
    return parse_library(resources.files(__package__).joinpath(LIBRARY_FILE).read_text(encoding="utf-8"))


def parse_library(text: str, file_name: str = LIBRARY_FILE) -> tuple[LibraryQuestion, ...]:
    """Parse the questions of a library file.

    Args:
        text: the file's TOML.
        file_name: its name in messages.

    Raises:
        LibraryError: one line per mistake found.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise LibraryError(f"{file_name}: not valid TOML: {exc}.") from exc
    try:
        entries = _Document.model_validate(document).question
    except ValidationError as exc:
        mistakes = [f"{file_name}{_describe(error, document)}" for error in exc.errors()]
        raise LibraryError("\n".join(mistakes)) from exc
    _check_ids(entries, file_name)
    return tuple(entry.to_question() for entry in entries)


def _check_slug(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text):
        raise ValueError("expected lower-case words and digits joined by hyphens")
    return text


def _check_text(text: str) -> str:
    if not text or text != text.strip():
        raise ValueError("expected text without spaces or line breaks at either end")
    return text


_Slug = Annotated[str, AfterValidator(_check_slug)]
_Text = Annotated[str, AfterValidator(_check_text)]


class _Entry(BaseModel):
    # Options must precede target and expected: validators only see earlier fields.
    model_config = ConfigDict(extra="forbid", strict=True)

    id: _Slug
    title: _Text
    specialty: _Text
    difficulty: Difficulty
    question: _Text
    options: dict[str, _Text] = Field(default_factory=dict)
    target: str | None = Field(default=None, validate_default=True)
    expected: _Text | None = Field(default=None, validate_default=True)
    explanation: _Text
    reference: _Text
    tags: list[_Slug] = Field(min_length=1)

    @field_validator("options")
    @classmethod
    def _letters_run_from_a(cls, options: dict[str, str]) -> dict[str, str]:
        letters = "".join(options)
        if len(letters) != len(options) or not ascii_uppercase.startswith(letters) or len(letters) == 1:
            found = ", ".join(options)
            raise ValueError(f"expected two or more options lettered A, B, C, ... without a gap, not {found}")
        return options

    @field_validator("target")
    @classmethod
    def _target_is_an_option(cls, target: str | None, info: ValidationInfo) -> str | None:
        options = info.data.get("options")
        if options and target not in options:
            raise ValueError(f"expected the letter of one of the options ({', '.join(options)})")
        if options == {} and target is not None:
            raise ValueError("expected no target, since the entry has no options; add them or give `expected`")
        return target

    @field_validator("expected")
    @classmethod
    def _expected_when_open(cls, expected: str | None, info: ValidationInfo) -> str | None:
        options = info.data.get("options")
        if options and expected is not None:
            raise ValueError("expected nothing here, since the entry has options; its answer is `target`")
        if options == {} and expected is None:
            raise ValueError("expected the right answer in words, since the entry has no options")
        return expected

    def to_question(self) -> LibraryQuestion:
        return LibraryQuestion(**{**self.model_dump(), "tags": tuple(self.tags)})


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    question: list[_Entry] = Field(min_length=1)


def _check_ids(entries: list[_Entry], file_name: str) -> None:
    numbers: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        if entry.id in numbers:
            raise LibraryError(
                f"{file_name}, entry {entry.id!r}, field id: entries {numbers[entry.id]} and {number} both have it; "
                "expected a unique id for each."
            )
        numbers[entry.id] = number


def _describe(error: ErrorDetails, document: Mapping[str, Any]) -> str:
    """`, entry ..., field ...: what is wrong`, to follow the file's name."""
    location = error["loc"]
    if len(location) < 2:
        return f", field {location[0]}: {_complaint(error)} (a library is a list of [[question]] tables)."
    entry = _entry_name(document, int(location[1]))
    if len(location) == 2:
        return f", {entry}: {_complaint(error)}."
    return f", {entry}, field {'.'.join(map(str, location[2:]))}: {_complaint(error)}."


def _entry_name(document: Mapping[str, Any], index: int) -> str:
    entry = document["question"][index]
    entry_id = entry.get("id") if isinstance(entry, dict) else None
    return f"entry {entry_id!r}" if isinstance(entry_id, str) else f"entry number {index + 1}"


def _complaint(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "missing; expected a value"
    if error["type"] == "extra_forbidden":
        return "unknown field; remove it or correct its name"
    if error["type"] == "model_type":
        return f"found {_shown(error['input'])}; expected a table of fields"
    message = str(error["ctx"]["error"]) if error["type"] == "value_error" else error["msg"]
    return f"found {_shown(error['input'])}; {message}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
