"""From an open file to its question sets: read with a layout, and validated; all of a file or nothing.

This runs in the process that reads a file (`file_reading`): nothing here is trusted with more than a part of the file,
so the rows are read three times, to detect the layout, to validate, and to hand the questions over.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, BinaryIO

from m1app.question_sets.batches import batches
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.layouts import LAYOUTS, Layout, detect_layout, layout_of
from m1app.question_sets.row_table import MAX_FILE_QUESTION_CHARACTERS, PlacedRow, RowTable
from m1app.question_sets.row_values import RowProblem, SetQuestion, unexpected
from m1app.question_sets.rows import read_tables, set_name
from storage.questions.records import content_hash

KNOWN_LAYOUTS = tuple((layout.id, layout.label) for layout in LAYOUTS)
"""(id, user-visible label) of every layout."""
MAX_QUESTIONS = 500_000
"""Maximum number of questions of one file."""
MAX_QUESTION_CHARACTERS = 1_000_000
"""Maximum length of one question with its options, tags and title."""

_CHUNK_BYTES = 1 << 20
_SHOWN_PROBLEMS = 10
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ParsedSet:
    """A validated question set of an open file."""

    table: RowTable
    name: str
    """Its name in the file, else the file's name without extension."""
    layout: Layout
    count: int
    """Number of questions, including duplicates."""
    left_out: int
    """Number of rows with subjects that the layout skips."""
    sha256: str
    """SHA-256 (hex) of the questions, independent of the file format."""

    def questions(self) -> Iterator[SetQuestion]:
        """Read the questions again, in file order; all have targets. Raises if the file has changed."""
        for row in self.table.read():
            if not isinstance(row.value, Mapping) or self.layout.takes(row.value):
                yield _question(row.value, self.layout)


def question_set_messages(file: BinaryIO, file_name: str, layout: str) -> Iterator[dict[str, Any]]:
    """Yield the sets of a file as one message, then their questions in batches: see `set_messages`.

    Raises:
        InvalidQuestionSet: as `parse_question_sets`; before the first message.
    """
    parsed = parse_question_sets(file, file_name, layout)
    yield {"sha256": sha256_of(file), "sets": [_described(each) for each in parsed]}
    for index, each in enumerate(parsed):
        for batch in batches(each.questions(), _length):
            yield {"index": index, "questions": [asdict(question) for question in batch]}


def _described(parsed: ParsedSet) -> dict[str, Any]:
    name = parsed.name.encode(errors="backslashreplace").decode()
    return {
        "name": name,
        "layout": parsed.layout.id,
        "count": parsed.count,
        "left_out": parsed.left_out,
        "sha256": parsed.sha256,
    }


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 (hex) of an open file."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def parse_question_sets(file: BinaryIO, file_name: str, layout: str = "") -> tuple[ParsedSet, ...]:
    """Validate all question sets of a file.

    Args:
        file: open for reading; see `read_tables`.
        file_name: its name; determines the format, and starts error messages.
        layout: id of the layout; empty detects it from the columns.

    Raises:
        InvalidQuestionSet: the file cannot be read or is too large, or has invalid rows: up to ten are listed with
            their lines.
    """
    chosen = layout_of(layout) if layout else None
    found = _Found(file_name)
    parsed = tuple(_validated(table, chosen, found) for table in read_tables(file, file_name))
    if found.problem_count:
        raise InvalidQuestionSet(_report(found, chosen or parsed[0].layout))
    for each in parsed:
        if not each.count:
            raise InvalidQuestionSet(_no_questions(each, file_name))
    return parsed


@dataclass(slots=True)
class _Found:
    """What the validation of a file has found so far."""

    file_name: str
    problems: list[str] = field(default_factory=list)
    """The first ones."""
    problem_count: int = 0
    questions: int = 0
    characters: int = 0

    def add_problem(self, row: PlacedRow, problem: RowProblem) -> None:
        self.problem_count += 1
        if self.problem_count <= _SHOWN_PROBLEMS:
            self.problems.append(f"{self.file_name}, {row.where}: {problem}")

    def add(self, question: SetQuestion) -> None:
        self.questions += 1
        self.characters += _length(question)
        if self.questions > MAX_QUESTIONS or self.characters > MAX_FILE_QUESTION_CHARACTERS:
            raise InvalidQuestionSet(
                f"{self.file_name}: found {self.questions:,} questions with {self.characters:,} characters, and "
                f"perhaps more; expected at most {MAX_QUESTIONS:,} questions and {MAX_FILE_QUESTION_CHARACTERS:,} "
                "characters. Split the file."
            )


def _validated(table: RowTable, chosen: Layout | None, found: _Found) -> ParsedSet:
    layout = chosen or _detected(table, found.file_name)
    count = left_out = 0
    digest = hashlib.sha256()
    for row in table.rows(found.file_name):
        try:
            if isinstance(row.value, Mapping) and not layout.takes(row.value):
                left_out += 1
                continue
            question = _question(row.value, layout)
        except RowProblem as exc:
            found.add_problem(row, exc)
            continue
        found.add(question)
        hashed = content_hash(question.stem, question.options, question.target)
        digest.update(f"\n{hashed}".encode() if count else hashed.encode())
        count += 1
    name = table.name or set_name(found.file_name)
    return ParsedSet(table, name, layout, count, left_out, digest.hexdigest())


def _detected(table: RowTable, file_name: str) -> Layout:
    rows = (row.value for row in table.rows(file_name) if isinstance(row.value, Mapping))
    first = next(rows, None)
    # Without a readable row there are no columns to detect the layout from; each row's own problem says more.
    return layout_of("m1") if first is None else detect_layout(chain([first], rows), file_name)


def _question(row: object, layout: Layout) -> SetQuestion:
    if isinstance(row, RowProblem):
        raise row
    if not isinstance(row, Mapping):
        raise unexpected("", row, "an object with a question, its options and its target")
    try:
        question = layout.read(row)
    except (OverflowError, RecursionError, TypeError, ValueError) as exc:
        raise RowProblem(f"a value cannot be read ({type(exc).__name__}: {str(exc)[:100]})") from exc
    _check_storable(question)
    if (length := _length(question)) > MAX_QUESTION_CHARACTERS:
        raise RowProblem(f"found a question of {length:,} characters, expected at most {MAX_QUESTION_CHARACTERS:,}")
    return question


def _length(question: SetQuestion) -> int:
    texts = (question.stem, *question.options.values(), *question.tags, question.title)
    return sum(map(len, texts))


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


def _report(found: _Found, layout: Layout) -> str:
    lines = [f"{problem}." for problem in found.problems]
    if found.problem_count > _SHOWN_PROBLEMS:
        lines.append(f"... and {found.problem_count - _SHOWN_PROBLEMS:,} more.")
    lines.append(f"Nothing was imported (layout {layout.id}). Correct these rows, or choose another layout.")
    return "\n".join(lines)


def _no_questions(parsed: ParsedSet, file_name: str) -> str:
    layout = parsed.layout.id
    if parsed.left_out:
        return (
            f"{file_name}: found {parsed.left_out:,} questions, none in a subject that layout {layout} includes. "
            f"Layout {layout}-all includes every subject."
        )
    return f"{file_name}: found no question in {parsed.name[:200]!r}, expected at least one."
