"""Questions that come from no file, as a set that can be stored like that of one: pasted ones, and the library."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import date

from m1app.question.library import load_library
from m1app.question_sets.batches import batches
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.layouts import layout_of
from m1app.question_sets.question_rows import length_of, question_of
from m1app.question_sets.row_values import RowProblem, SetQuestion
from m1app.question_sets.set_messages import SetHeader, SetsMessage
from m1app.targets import is_target
from m1app.wording import counted
from storage.questions.records import NewQuestion, content_hash

TYPED = "typed"
"""Their layout, which no file has."""
TYPED_SOURCE = "pasted questions"
LIBRARY = "library"
"""Layout and name of the set of the questions that come with the app."""
LIBRARY_SOURCE = "question library"
_NAME_CHARACTERS = 60
_SHOWN_NUMBERS = 10


def proposed_name(first_words: str, today: date) -> str:
    """A name for a set: the date, and the first words of its first question."""
    words = "".join(letter for letter in first_words if letter.isprintable())
    return f"{today:%Y-%m-%d} {words[:_NAME_CHARACTERS].rstrip(' .?!:;,…')}".rstrip()


def why_not_a_set(questions: Sequence[NewQuestion]) -> str:
    """Why questions cannot be stored as a set, for people; empty if they can."""
    lacking = {
        "options": [i for i, each in enumerate(questions, 1) if len(each.options) < 2],
        "a target": [
            i for i, each in enumerate(questions, 1) if each.options and not is_target(each.target, each.options)
        ],
    }
    for what, numbers in lacking.items():
        if numbers:
            return (
                f"{_named(numbers)} no {what.removeprefix('a ')}. A set needs it to be scored: add it to the text, "
                "or ask the questions without storing them."
            )
    return ""


def _named(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN_NUMBERS]))
    more = f" and {len(numbers) - _SHOWN_NUMBERS} more" if len(numbers) > _SHOWN_NUMBERS else ""
    return f"Question {shown} has" if len(numbers) == 1 else f"Questions {shown}{more} have"


def set_questions(questions: Sequence[NewQuestion]) -> list[SetQuestion]:
    """The questions as those of a set.

    Raises:
        InvalidQuestionSet: one of them lacks options or target, or cannot be stored.
    """
    if not questions:
        raise InvalidQuestionSet("Found no questions. Enter at least one.")
    if problem := why_not_a_set(questions):
        raise InvalidQuestionSet(problem)
    return [_set_question(number, each) for number, each in enumerate(questions, 1)]


def _set_question(number: int, given: NewQuestion) -> SetQuestion:
    row = {"question": given.stem, "options": dict(given.options), "answer_idx": given.target}
    try:
        return question_of(row, layout_of("m1"))
    except RowProblem as exc:
        raise InvalidQuestionSet(f"Question {number}: {exc}. Nothing was stored.") from exc


def library_questions() -> list[SetQuestion]:
    """The library's questions with options; specialty, difficulty and tags become tags."""
    return [
        SetQuestion(
            each.question,
            each.options,
            each.target,
            tuple(dict.fromkeys((each.specialty, each.difficulty, *each.tags))),
            each.title,
        )
        for each in load_library()
        if not each.is_open
    ]


def header_of(questions: Sequence[SetQuestion], name: str, layout: str = TYPED) -> SetHeader:
    """What describes the set; its hash is of its questions."""
    hashes = (content_hash(each.stem, each.options, each.target) for each in questions)
    sha256 = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return SetHeader(name=name, layout=layout, count=len(questions), left_out=0, sha256=sha256)


async def messages_of(questions: Sequence[SetQuestion]) -> AsyncIterator[SetsMessage]:
    """The questions in batches, as they come from a file."""
    for batch in batches(questions, length_of):
        yield SetsMessage.model_validate({"questions": [asdict(each) | {"tags": list(each.tags)} for each in batch]})


def first_message(header: SetHeader) -> SetsMessage:
    """What comes before them from a file."""
    return SetsMessage.model_validate({"sha256": header.sha256, "sets": [header]})


def stored_text(name: str, count: int) -> str:
    """What a page says once a set is stored."""
    return f"Stored as question set “{name}” with {counted(count, 'question')}."
