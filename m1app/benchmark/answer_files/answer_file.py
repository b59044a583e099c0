"""Answers of a file, read in a process of their own: `reading` there, its messages here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from m1app.benchmark.answer_files.fields import ChosenFields
from m1app.benchmark.answer_files.given_answer import MAX_ANSWER_CHARACTERS, MAX_TAGS, GivenAnswer
from m1app.benchmark.answer_files.reading import ANSWERS
from m1app.question.errors import InvalidAnswers
from m1app.question.question_text import MAX_OPTIONS
from m1app.question_sets.batches import BATCH_VALUES
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.file_reading import Line, Message, file_messages

_Text = Annotated[str, Field(max_length=MAX_ANSWER_CHARACTERS)]
_Letter = Annotated[str, Field(max_length=1)]
_Letters = Annotated[str, Field(pattern=r"^[A-Z](, [A-Z]){0,25}$")]
_Short = Annotated[str, Field(max_length=400)]


class AnswerMessage(Message):
    """An answer; fields as in `GivenAnswer`."""

    where: _Short
    text: _Text
    options: dict[_Letter, _Text] = Field(max_length=MAX_OPTIONS)
    target: _Letters | None
    question: _Text
    question_key: _Short
    tags: list[_Short] = Field(max_length=MAX_TAGS)

    def answer(self) -> GivenAnswer:
        """The answer itself."""
        return GivenAnswer(**{**dict(self), "tags": tuple(self.tags)})


class AnswersMessage(Message):
    """What the file is, first; then some of its answers."""

    layout: _Short = ""
    left_out: int = 0
    answers: list[AnswerMessage] = Field([], max_length=BATCH_VALUES)


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """An open file of answers."""

    layout: str
    """What it was read as."""
    left_out: int
    """Rows that repeat an answer, see `reading`."""
    answers: AsyncIterator[GivenAnswer]


@asynccontextmanager
async def open_answers(
    path: Path, chosen: ChosenFields, first: int | None = None, *, file_name: str = ""
) -> AsyncIterator[AnswerFile]:
    """Read the answers of a file, after all of them were checked.

    Args:
        path: a regular file.
        chosen: columns that a person named.
        first: the number of option A, if targets are numbers; None if the file tells.
        file_name: for messages, and to determine the format; empty uses the path's.

    Raises:
        InvalidAnswers: the file cannot be read or used, or takes too much memory or time.
    """
    try:
        async with file_messages(
            path,
            ANSWERS,
            Line[AnswersMessage],
            file_name=file_name,
            text=chosen.text,
            options=chosen.options,
            target=chosen.target,
            first="" if first is None else str(first),
        ) as messages:
            head = await anext(messages)
            yield AnswerFile(head.layout, head.left_out, _answers(messages))
    except InvalidQuestionSet as exc:
        raise InvalidAnswers(str(exc)) from exc


async def _answers(messages: AsyncIterator[AnswersMessage]) -> AsyncIterator[GivenAnswer]:
    async for message in messages:
        for each in message.answers:
            yield each.answer()
