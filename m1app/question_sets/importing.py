"""From a file to a question set: read by its layout, checked, named. All of it is imported, or nothing.

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
            f"{file_name}: found {parsed.left_out:,} questions, none in a subject that layout {parsed.layout} "
            "includes. "
            f"Layout {parsed.layout}-all includes every subject."
        )
    return f"{file_name}: found no question in {parsed.name!r}, expected at least one."


MAX_NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """A set of the file, ready to be stored."""

    parsed: ParsedSet
    name: str
    questions: tuple[SetQuestion, ...]
    """Without repeated ones; the first of equal ones stays."""
    sha256: str

    @property
    def repeated(self) -> int:
        """Questions of the file that stand in it before."""
        return len(self.parsed.questions) - len(self.questions)

    def new_questions(self) -> list[NewQuestion]:
        """The questions as storage takes them."""
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
    """What a parsed set is to be stored as.

    Args:
        parsed: the set.
        name: given by a person; goes before the set's own where the file has several. Empty takes the set's own.
        sets: how many the file has.
        sha256: of what it comes from, hex.
    """
    own = name.strip()
    full = (f"{own} {parsed.name}" if own and sets > 1 else own or parsed.name).strip()
    distinct: dict[str, SetQuestion] = {}
    for each in parsed.questions:
        distinct.setdefault(content_hash(each.stem, each.options, each.target), each)
    return Candidate(parsed, full, tuple(distinct.values()), sha256)


def questions_sha256(parsed: ParsedSet) -> str:
    """SHA-256 (hex) of what a set asks, whatever it was written in."""
    hashes = (content_hash(each.stem, each.options, each.target) for each in parsed.questions)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def check_name(new: Candidate, here: QuestionSet | None) -> None:
    """Refuse a name that cannot be one, or that another set has.

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
    """What a person should know beside the numbers."""
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
