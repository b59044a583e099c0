"""A file of questions, read by its layout and checked: all of it, or nothing.

What a file is made of is `question_rows`' business, what its columns mean `set_layouts`'. Storing is not here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.layouts import LAYOUTS, Layout, detect_layout, layout_of
from m1app.question_sets.records import RowProblem, SetQuestion, unexpected
from m1app.question_sets.rows import RowTable, read_tables

__all__ = ["KNOWN_LAYOUTS", "ParsedSet", "SetQuestion", "parse_question_sets"]

KNOWN_LAYOUTS = tuple((layout.id, layout.label) for layout in LAYOUTS)
"""(id, label for people) of every layout."""

_SHOWN_PROBLEMS = 10
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ParsedSet:
    """One question set of a file."""

    name: str
    """As the file names it, else the file's name without its ending."""
    layout: str
    """Id of the layout that it was read by."""
    questions: tuple[SetQuestion, ...]
    """In the order of the file, repeated ones included; every one has a target."""
    left_out: int = 0
    """Rows of subjects that the layout does not take."""


def parse_question_sets(content: bytes, file_name: str, layout: str = "") -> tuple[ParsedSet, ...]:
    """Every question set of a file.

    Args:
        content: the whole file.
        file_name: its name; the ending tells what it is, and messages begin with it.
        layout: id of the layout; empty finds the one that fits the columns.

    Raises:
        InvalidQuestionSet: the file cannot be read, or rows of it are wrong: up to ten are listed with their lines.
    """
    chosen = layout_of(layout) if layout else None
    problems: list[str] = []
    parsed = [_parse(table, file_name, chosen, problems) for table in read_tables(content, file_name)]
    if problems:
        raise InvalidQuestionSet(_report(problems, chosen or layout_of(parsed[0].layout)))
    for each in parsed:
        if not each.questions:
            raise InvalidQuestionSet(_no_questions(each, file_name))
    return tuple(parsed)


def _parse(table: RowTable, file_name: str, chosen: Layout | None, problems: list[str]) -> ParsedSet:
    rows = [row for row in table.rows if isinstance(row, Mapping)]
    # Without a row that could be read there are no columns to tell by: each row's own problem says more.
    layout = chosen or (detect_layout(rows, file_name) if rows else layout_of("m1"))
    questions: list[SetQuestion] = []
    left_out = 0
    for index, row in enumerate(table.rows):
        try:
            if isinstance(row, Mapping) and not layout.takes(row):
                left_out += 1
                continue
            questions.append(_question(row, layout))
        except RowProblem as exc:
            problems.append(f"{file_name}, {table.where(index)}: {exc}")
    return ParsedSet(table.name or PurePath(file_name).stem, layout.id, tuple(questions), left_out)


def _question(row: object, layout: Layout) -> SetQuestion:
    if isinstance(row, RowProblem):
        raise row
    if not isinstance(row, Mapping):
        raise unexpected("", row, "an object with a question, its options and its target")
    question = layout.read(row)
    _check_storable(question)
    return question


def _check_storable(question: SetQuestion) -> None:
    _check_text("the question", question.stem)
    for letter, text in question.options.items():
        _check_text(f"option {letter}", text)
    for text in (*question.tags, question.title):
        _check_text("a tag or title", text)


def _check_text(name: str, text: str) -> None:
    found = _UNSTORABLE.search(text)
    if found:
        kind = "a NUL" if found[0] == "\0" else "half of a surrogate pair"
        raise RowProblem(
            f"found {kind} (U+{ord(found[0]):04X}) in {name} at character {found.start() + 1:,}, "
            "expected text that can be stored"
        )


def _report(problems: list[str], layout: Layout) -> str:
    more = len(problems) - _SHOWN_PROBLEMS
    lines = [f"{problem}." for problem in problems[:_SHOWN_PROBLEMS]]
    if more > 0:
        lines.append(f"... and {more:,} more.")
    lines.append(f"Nothing was imported (layout {layout.id}). Correct these rows, or choose another layout.")
    return "\n".join(lines)


def _no_questions(parsed: ParsedSet, file_name: str) -> str:
    if parsed.left_out:
        return (
            f"{file_name}: found {parsed.left_out:,} questions, none of a subject that layout {parsed.layout} takes. "
            f"Layout {parsed.layout}-all takes every subject."
        )
    return f"{file_name}: found no question in {parsed.name!r}, expected at least one."
