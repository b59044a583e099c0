"""From an open file to its question sets: read with a layout, and validated; all of a file or nothing.

This runs in the process that reads a file (`file_reading`): nothing here is trusted with more than a part of the file,
so the rows are read three times, to detect the layout, to validate, and to hand the questions over; a random part is
drawn in a reading of its own.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, BinaryIO

from m1app.question_sets.batches import batches
from m1app.question_sets.column_mapping import check_columns, columns_of, mapped_layout
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.import_options import ImportOptions
from m1app.question_sets.layouts import ALL_LAYOUTS, Layout, detect_layout, layout_of
from m1app.question_sets.question_rows import length_of, question_of
from m1app.question_sets.row_choice import RowChoice, drawn, ids_of, lottery_number, read_ids, stem_hash
from m1app.question_sets.row_table import MAX_FILE_QUESTION_CHARACTERS, PlacedRow, RowTable
from m1app.question_sets.row_values import RowProblem, SetQuestion
from m1app.question_sets.rows import read_tables, set_name
from storage.questions.records import content_hash

KNOWN_LAYOUTS = tuple((layout.id, layout.label) for layout in ALL_LAYOUTS)
"""(id, user-visible label) of every layout."""
MAX_QUESTIONS = 500_000
"""Maximum number of questions of one file."""
MAX_BAD_ROWS = 5_000
"""Rows that were left out are named up to this number."""
MAX_REASON_CHARACTERS = 300
MAX_PLACE_CHARACTERS = 200

_CHUNK_BYTES = 1 << 20
_SHOWN_PROBLEMS = 10
_SHOWN_IDS = 3
_COLUMN_ROWS = 1000


@dataclass(frozen=True, slots=True)
class ParsedSet:
    """A validated question set of an open file."""

    table: RowTable
    name: str
    """Its name in the file, else the file's name without extension."""
    layout: Layout
    choice: RowChoice
    drawn: frozenset[bytes] | None
    """Lottery numbers of the questions to take; None takes all."""
    count: int
    """Number of questions, including duplicates."""
    left_out: int
    """Number of rows with subjects that the layout skips."""
    sha256: str
    """SHA-256 (hex) of the questions, independent of the file format."""

    def questions(self) -> Iterator[SetQuestion]:
        """Read the questions again, in file order; all have targets. Raises if the file has changed."""
        for _, question in _questions(self.table.read(), self.layout, self.choice, self.drawn):
            if isinstance(question, RowProblem) and not self.choice.skips_bad_rows:
                raise question
            if isinstance(question, SetQuestion):
                yield question


def question_set_messages(
    file: BinaryIO, file_name: str, layout: str, options: str = "", ids_descriptor: str = "", ids_name: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield the sets of a file as one message, then their questions in batches: see `set_messages`.

    Args:
        file: as in `parse_question_sets`, as are `file_name` and `layout`.
        file_name: its name.
        layout: id or empty.
        options: `ImportOptions` as JSON.
        ids_descriptor: of an open file with a list of ids; empty if there is none.
        ids_name: its name.

    Raises:
        InvalidQuestionSet: as `parse_question_sets`; before the first message.
    """
    given = ImportOptions.from_json(options)
    ids = None
    if ids_descriptor:
        with os.fdopen(int(ids_descriptor), "rb") as id_file:
            ids = read_ids(id_file, ids_name)
    parsed = parse_question_sets(file, file_name, layout, given, ids)
    bad = [{"where": where, "reason": reason} for where, reason in parsed.bad_rows]
    yield {
        "sha256": sha256_of(file),
        "sets": [_described(each) for each in parsed.sets],
        "notes": list(parsed.notes),
        "bad_rows": bad,
        "bad_row_count": parsed.bad_row_count,
    }
    for index, each in enumerate(parsed.sets):
        for batch in batches(each.questions(), length_of):
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


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """All of a file."""

    sets: tuple[ParsedSet, ...]
    notes: tuple[str, ...] = ()
    """For users."""
    bad_rows: tuple[tuple[str, str], ...] = ()
    """Place and reason of rows that were left out because they cannot be used; the first ones."""
    bad_row_count: int = 0


def parse_question_sets(
    file: BinaryIO,
    file_name: str,
    layout: str = "",
    options: ImportOptions | None = None,
    ids: frozenset[str] | None = None,
) -> ParsedFile:
    """Validate all question sets of a file.

    Args:
        file: open for reading; see `read_tables`.
        file_name: its name; determines the format, and starts error messages.
        layout: id of the layout; empty detects it from the columns.
        options: which columns and rows are taken; None for the defaults.
        ids: take only rows with one of these ids.

    Raises:
        InvalidQuestionSet: the file cannot be read or is too large, or has invalid rows that are not skipped: up to ten
            are listed with their lines.
    """
    options = options or ImportOptions()
    choice = RowChoice(options.skips_bad_rows, options.limit, options.seed, ids)
    found = _Found(file_name)
    tables = read_tables(file, file_name)
    sets = []
    for table in tables:
        chosen = _chosen_layout(table, layout, options, file_name)
        sets.append(_validated(table, chosen, choice, found))
    if found.problem_count and not (choice.skips_bad_rows and any(each.count for each in sets)):
        raise InvalidQuestionSet(_report(found, sets[0].layout))
    kept = tuple(each for each in sets if each.count) if choice.skips_bad_rows or ids else tuple(sets)
    for each in kept or sets:
        if not each.count:
            raise InvalidQuestionSet(_no_questions(each, file_name))
    notes = [note for table in tables for note in table.notes]
    notes += _notes_on_ids(ids, found.ids) if ids is not None else []
    return ParsedFile(kept, tuple(notes), tuple(found.bad_rows), found.problem_count)


def _chosen_layout(table: RowTable, layout: str, options: ImportOptions, file_name: str) -> Layout:
    if options.columns is not None:
        chosen = mapped_layout(options.columns)
        rows = (row.value for row, _ in zip(table.rows(file_name), range(_COLUMN_ROWS), strict=False))
        columns = {name for row in rows if isinstance(row, Mapping) for name in columns_of(row)}
        check_columns(options.columns, columns, file_name)
        return chosen
    return layout_of(layout) if layout else _detected(table, file_name)


def _detected(table: RowTable, file_name: str) -> Layout:
    rows = (row.value for row in table.rows(file_name) if isinstance(row.value, Mapping))
    first = next(rows, None)
    # Without a readable row there are no columns to detect the layout from; each row's own problem says more.
    return layout_of("m1") if first is None else detect_layout(chain([first], rows), file_name)


@dataclass(slots=True)
class _Found:
    """What the validation of a file has found so far."""

    file_name: str
    problems: list[str] = field(default_factory=list)
    """The first ones."""
    bad_rows: list[tuple[str, str]] = field(default_factory=list)
    problem_count: int = 0
    questions: int = 0
    characters: int = 0
    ids: set[str] = field(default_factory=set)

    def add_problem(self, row: PlacedRow, problem: RowProblem) -> None:
        self.problem_count += 1
        if self.problem_count <= _SHOWN_PROBLEMS:
            self.problems.append(f"{self.file_name}, {row.where}: {_on_one_line(problem)}")
        if self.problem_count <= MAX_BAD_ROWS:
            reason = _on_one_line(problem)[:MAX_REASON_CHARACTERS]
            self.bad_rows.append((_printable(row.where)[:MAX_PLACE_CHARACTERS], reason))

    def add(self, question: SetQuestion) -> None:
        self.questions += 1
        self.characters += length_of(question)
        if self.questions > MAX_QUESTIONS or self.characters > MAX_FILE_QUESTION_CHARACTERS:
            raise InvalidQuestionSet(
                f"{self.file_name}: found {self.questions:,} questions with {self.characters:,} characters, and "
                f"perhaps more; expected at most {MAX_QUESTIONS:,} questions and {MAX_FILE_QUESTION_CHARACTERS:,} "
                "characters. Split the file."
            )


def _on_one_line(problem: RowProblem) -> str:
    return _printable(" ".join(str(problem).split()))


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _questions(
    rows: Iterator[PlacedRow], layout: Layout, choice: RowChoice, taken: frozenset[bytes] | None
) -> Iterator[tuple[PlacedRow, SetQuestion | RowProblem | None]]:
    """Read the rows that are chosen: each as a question, a problem, or None if its subject is left out."""
    for row in rows:
        if isinstance(row.value, Mapping) and not layout.takes(row.value):
            yield row, None
            continue
        is_listed = choice.ids is None or not choice.ids.isdisjoint(ids_of(row))
        try:
            question = question_of(row.value, layout)
        except RowProblem as exc:
            if is_listed:
                yield row, exc
            continue
        if not is_listed and choice.ids is not None and stem_hash(question) not in choice.ids:
            continue
        if taken is None or lottery_number(_hash(question), choice.seed) in taken:
            yield row, question


def _hash(question: SetQuestion) -> str:
    return content_hash(question.stem, question.options, question.target)


def _validated(table: RowTable, layout: Layout, choice: RowChoice, found: _Found) -> ParsedSet:
    taken = _drawn(table, layout, choice, found.file_name)
    count = left_out = 0
    digest = hashlib.sha256()
    for row, question in _questions(table.rows(found.file_name), layout, choice, taken):
        if question is None:
            left_out += 1
        elif isinstance(question, RowProblem):
            found.add_problem(row, question)
        else:
            found.add(question)
            hashed = _hash(question) + question.reference
            digest.update(f"\n{hashed}".encode() if count else hashed.encode())
            count += 1
            if choice.ids is not None:
                found.ids |= {*ids_of(row), stem_hash(question)} & choice.ids
    name = table.name or set_name(found.file_name)
    return ParsedSet(table, name, layout, choice, taken, count, left_out, digest.hexdigest())


def _drawn(table: RowTable, layout: Layout, choice: RowChoice, file_name: str) -> frozenset[bytes] | None:
    """The lottery numbers of a random part; None if there is no limit."""
    if not choice.limit:
        return None
    questions = _questions(table.rows(file_name), layout, choice, None)
    numbers = (lottery_number(_hash(each), choice.seed) for _, each in questions if isinstance(each, SetQuestion))
    return drawn(numbers, choice.limit)


def _notes_on_ids(ids: frozenset[str], found: set[str]) -> list[str]:
    missing = sorted(ids - found)
    if not missing:
        return []
    shown = ", ".join(repr(_printable(each)[:40]) for each in missing[:_SHOWN_IDS])
    more = ", ..." if len(missing) > _SHOWN_IDS else ""
    return [f"{len(missing):,} of the {len(ids):,} listed ids were not found in the file: {shown}{more}."]


def _report(found: _Found, layout: Layout) -> str:
    lines = [f"{problem}." for problem in found.problems]
    if found.problem_count > _SHOWN_PROBLEMS:
        lines.append(f"... and {found.problem_count - _SHOWN_PROBLEMS:,} more.")
    lines.append(
        f"Nothing was imported (layout {layout.id}). Correct these rows, leave them out, or choose another layout."
    )
    return "\n".join(lines)


def _no_questions(parsed: ParsedSet, file_name: str) -> str:
    layout = parsed.layout.id
    if parsed.left_out:
        return (
            f"{file_name}: found {parsed.left_out:,} questions, none in a subject that layout {layout} includes. "
            f"Layout {layout}-all includes every subject."
        )
    if parsed.choice.ids is not None:
        return (
            f"{file_name}: found no question with one of the {len(parsed.choice.ids):,} listed ids, expected some in a "
            "column such as id, or the SHA-256 of the stem."
        )
    return f"{file_name}: found no question in {parsed.name[:200]!r}, expected at least one."
