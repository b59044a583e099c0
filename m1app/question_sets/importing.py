"""A set of a file on its way into the database: its name, its distinct questions, and what a person is told."""

import hashlib
from dataclasses import dataclass

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.files import ParsedSet, SetQuestion
from storage.question_sets.records import QuestionSet
from storage.questions.records import NewQuestion, content_hash

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
            "Give the import a name of its own."
        )
    if here and (here.sha256, here.layout) != (new.sha256, new.parsed.layout):
        raise InvalidQuestionSet(
            f"There is a question set named {name!r} already, with other content (from {here.source}, layout "
            f"{here.layout}, imported {here.created_at:%Y-%m-%d}). Give this import another name, or delete that set "
            "first. Nothing was imported."
        )


def notes_of(given: Candidate, kept: QuestionSet, is_new: bool) -> list[str]:
    """What a person should know beside the numbers."""
    notes = []
    if not is_new:
        notes.append(
            f"{kept.name} is here already, imported {kept.created_at:%Y-%m-%d} from {kept.source}; nothing was added."
        )
    if given.parsed.left_out:
        layout = given.parsed.layout
        notes.append(
            f"{kept.name}: {given.parsed.left_out:,} questions of other subjects were left out; "
            f"layout {layout}-all takes them."
        )
    return notes
