"""From a file to question sets: read with a layout, validated, named. Imports are all or nothing.

Storing is done by `service`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.layouts import LAYOUTS, Layout, detect_layout, layout_of
from m1app.question_sets.row_values import RowProblem, SetQuestion, unexpected
from m1app.question_sets.rows import RowTable, read_tables
from storage.question_sets.records import QuestionSet
from storage.questions.records import NewQuestion, content_hash

KNOWN_LAYOUTS = tuple((layout.id, layout.label) for layout in LAYOUTS)
"""(id, user-visible label) of every layout."""

_SHOWN_PROBLEMS = 10
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ParsedSet:
    """A question set in a file."""

    name: str
    """Its name in the file, else the file's name without extension."""
    layout: str
    """Id of the layout it was read with."""
    questions: tuple[SetQuestion, ...]
    """In file order, including duplicates; all have targets."""
    left_out: int = 0
    """Number of rows with subjects that the layout skips."""


def parse_question_sets(content: bytes, file_name: str, layout: str = "") -> tuple[ParsedSet, ...]:
    """Parse all question sets of a file.

    Args:
        content: the whole file.
        file_name: its name; determines the format, and starts error messages.
        layout: id of the layout; empty detects it from the columns.

    Raises:
        InvalidQuestionSet: the file cannot be read, or has invalid rows: up to ten are listed with their lines.
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
    # Without a readable row there are no columns to detect the layout from; each row's own problem says more.
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
            f"{file_name}: found {parsed.left_out:,} questions, none in a subject that layout {parsed.layout} "
            "includes. "
            f"Layout {parsed.layout}-all includes every subject."
        )
    return f"{file_name}: found no question in {parsed.name!r}, expected at least one."


MAX_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """A parsed set, ready to be stored."""

    parsed: ParsedSet
    name: str
    questions: tuple[SetQuestion, ...]
    """Without duplicates; the first of equal ones is kept."""
    sha256: str

    @property
    def repeated(self) -> int:
        """Number of duplicate questions in the file."""
        return len(self.parsed.questions) - len(self.questions)

    def new_questions(self) -> list[NewQuestion]:
        """The questions in storage's format."""
        return [
            NewQuestion(
                stem=each.stem,
                options=each.options,
                target=each.target,
                source=self.name,
                title=each.title,
                tags=each.tags,
            )
            for each in self.questions
        ]


def candidate(parsed: ParsedSet, name: str, sets: int, sha256: str) -> Candidate:
    """Return the candidate for a parsed set.

    Args:
        parsed: the set.
        name: given by the user; prefixes the set's own if the file has several. Empty uses the set's own.
        sets: number of sets in the file.
        sha256: hex digest of its source.
    """
    own = name.strip()
    full = (f"{own} {parsed.name}" if own and sets > 1 else own or parsed.name).strip()
    distinct: dict[str, SetQuestion] = {}
    for each in parsed.questions:
        distinct.setdefault(content_hash(each.stem, each.options, each.target), each)
    return Candidate(parsed, full, tuple(distinct.values()), sha256)


def questions_sha256(parsed: ParsedSet) -> str:
    """SHA-256 (hex) of a set's questions, independent of the file format."""
    hashes = (content_hash(each.stem, each.options, each.target) for each in parsed.questions)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def check_name(new: Candidate, here: QuestionSet | None) -> None:
    """Reject invalid or taken names.

    Raises:
        InvalidQuestionSet: the message asks for another name.
    """
    name = new.name
    if not name or not name.isprintable() or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidQuestionSet(
            f"found {name[:40]!r} as a set's name, expected up to {MAX_NAME_CHARACTERS} printable characters. "
            "Give the import another name."
        )
    if here and (here.sha256, here.layout) != (new.sha256, new.parsed.layout):
        raise InvalidQuestionSet(
            f"A question set named {name!r} already exists with different content (from {here.source}, layout "
            f"{here.layout}, imported {here.created_at:%Y-%m-%d}). Give this import another name, or delete that set "
            "first. Nothing was imported."
        )


def notes_of(given: Candidate, kept: QuestionSet, is_new: bool) -> list[str]:
    """Notes for the user besides the numbers."""
    notes = []
    if not is_new:
        notes.append(
            f"{kept.name} already exists, imported {kept.created_at:%Y-%m-%d} from {kept.source}; nothing was added."
        )
    if given.parsed.left_out:
        layout = given.parsed.layout
        notes.append(
            f"{kept.name}: {given.parsed.left_out:,} questions in other subjects were left out; "
            f"layout {layout}-all includes them."
        )
    return notes
