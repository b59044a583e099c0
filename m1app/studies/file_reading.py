"""Reads a study's file: TOML from anywhere, with a line for each mistake that says where it is and what to do."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from m1app.benchmark.errors import BenchmarkRefused
from m1app.studies.errors import InvalidStudyFile
from m1app.studies.study_file import MOST_MISTAKES, Study

MOST_CHARACTERS = 200_000
"""Of a study's file."""
_SHOWN_CHARACTERS = 60
_KEY_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_DEEP_KEY = re.compile(rf"(?<![A-Za-z0-9_.-])(?:{_KEY_PART}){{16}}")
"""A name of 16 parts, as in a.b.c: Python takes minutes for one of 100,000, and no study has one of three."""


def parse_study(text: str, file_name: str) -> Study:
    """Read a study's file.

    Args:
        text: its TOML.
        file_name: its name in messages.

    Raises:
        InvalidStudyFile: a line for each mistake, ten at most.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidStudyFile(
            f"{file_name}: found {len(text):,} characters, expected at most {MOST_CHARACTERS:,}. Shorten its texts."
        )
    if found := _DEEP_KEY.search(text):
        raise InvalidStudyFile(
            f"{file_name}, line {text.count(chr(10), 0, found.start()) + 1:,}: a name of 16 parts or more "
            f"({found[0][:_SHOWN_CHARACTERS]}...), which no study has. Correct it there."
        )
    try:
        document = _with_tuples(tomllib.loads(text))
    except (ValueError, RecursionError) as exc:  # Also a number of too many digits, and lists within lists.
        raise InvalidStudyFile(f"{file_name}: not valid TOML: {exc}. Correct it there.") from exc
    try:
        study = Study.model_validate(document)
    except ValidationError as exc:
        mistakes = [line for error in _causes(exc) for line in _described(error, document)]
        raise InvalidStudyFile("\n".join(f"{file_name}, {each}." for each in mistakes[:MOST_MISTAKES])) from exc
    _check_recipes(study, file_name)
    return study


def _check_recipes(study: Study, file_name: str) -> None:
    """Refuse runs that no benchmark could be planned with; names stand for themselves."""
    sets = {each.name: each.name for each in study.question_sets}
    models = {each.role: each.role for each in study.models}
    for run in study.runs:
        try:
            run.recipe(run.id, sets, models).checked()
        except BenchmarkRefused as exc:
            raise InvalidStudyFile(f"{file_name}, run {run.id!r}, field {exc.field}: {exc}") from exc


def _with_tuples(value: Any) -> Any:
    """TOML's arrays as tuples, which strict models ask for."""
    if isinstance(value, dict):
        return {key: _with_tuples(each) for key, each in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _causes(refused: ValidationError) -> list[Any]:
    """Its errors without those of a list whose entries are wrong, which then counts as too short."""
    errors = refused.errors()
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short" or not any(each[:-1][: len(error["loc"])] == error["loc"] for each in places)
    ]


def _described(error: Any, document: Mapping[str, Any]) -> list[str]:
    place = _place(error["loc"], document)
    if error["type"] == "value_error":
        lines = str(error["ctx"]["error"]).splitlines()
        return [f"{place}: {line}" if place else line for line in lines]
    return [f"{place or 'the file'}: {_complaint(error)}"]


def _place(location: Sequence[int | str], document: Mapping[str, Any]) -> str:
    """`claim 'gain', field margin`, for a place in the document."""
    parts: list[str] = []
    value: Any = document
    for step in location:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None
        if isinstance(step, int) and isinstance(value, dict):
            name = next((value[key] for key in ("id", "role", "name") if isinstance(value.get(key), str)), None)
            table = parts.pop().removeprefix("field ") if parts else "entry"
            parts.append(f"{table} {name[:_SHOWN_CHARACTERS]!r}" if name else f"{table} number {step + 1}")
        else:
            parts.append(f"entry {step + 1}" if isinstance(step, int) else f"field {step}")
    return ", ".join(parts)


def _complaint(error: Any) -> str:
    if error["type"] == "missing":
        return "missing; add it"
    if error["type"] == "extra_forbidden":
        return "unknown field; remove it or correct its name"
    try:
        shown = repr(error["input"])
    except ValueError:  # Of thousands of digits, which hexadecimal numbers may have.
        shown = "a number of thousands of digits"
    shown = shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}..."
    return f"found {shown}; {error['msg'][0].lower()}{error['msg'][1:]}"
