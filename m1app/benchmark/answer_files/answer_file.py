"""Answers of a file, read in a process of their own: `reading` there, its messages here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from m1app.benchmark.answer_files.companions import FACTS, VERDICTS
from m1app.benchmark.answer_files.fields import ChosenFields
from m1app.benchmark.answer_files.given_answer import (
    MAX_ANSWER_CHARACTERS,
    MAX_TAGS,
    Details,
    FileFacts,
    GivenAnswer,
)
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


_Count = Annotated[int, Field(ge=0, lt=2**31)]


class DetailsMessage(Message):
    """Fields as in `Details`."""

    source: _Short
    stem: _Text
    thinking: _Text | None
    pass_number: _Count
    own_is_correct: bool | None
    own_letter: _Short | None
    own_rule: _Short
    generated_tokens: _Count | None
    thinking_tokens: _Count | None
    budget_tokens: _Count | None
    force_rounds: _Count | None


class FactsMessage(Message):
    """Fields as in `FileFacts`."""

    tool_version: _Short = ""
    model: _Short = ""
    budget_tokens: _Count | None = None
    force_rounds: _Count | None = None
    stated: dict[_Short, _Short] = Field(default_factory=dict, max_length=50)

    def facts(self) -> FileFacts:
        """The facts themselves."""
        return FileFacts(**dict(self))


class _VerdictMessage(Message):
    digest: str = Field(pattern=r"^[0-9a-f]{16}$")
    is_correct: bool | None


class VerdictsMessage(Message):
    """Verdicts of a file beside the answers, in order."""

    verdicts: list[_VerdictMessage] = Field(max_length=BATCH_VALUES)


class AnswerMessage(Message):
    """An answer; fields as in `GivenAnswer`."""

    where: _Short
    text: _Text
    options: dict[_Letter, _Text] = Field(max_length=MAX_OPTIONS)
    target: _Letters | None
    question: _Text
    question_key: _Short
    tags: list[_Short] = Field(max_length=MAX_TAGS)
    details: DetailsMessage

    def answer(self) -> GivenAnswer:
        """The answer itself."""
        return GivenAnswer(**{**dict(self), "tags": tuple(self.tags), "details": Details(**dict(self.details))})


class AnswersMessage(Message):
    """What the file is, first; then some of its answers."""

    layout: _Short = ""
    left_out: int = 0
    filters: list[_Short] = Field([], max_length=20)
    facts: FactsMessage = FactsMessage()
    answers: list[AnswerMessage] = Field([], max_length=BATCH_VALUES)


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """An open file of answers."""

    layout: str
    """What it was read as."""
    left_out: int
    """Rows that repeat an answer, see `reading`."""
    filters: tuple[str, ...]
    """The filters of lm-evaluation-harness; the answers' own verdicts are by the first."""
    facts: FileFacts
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
            yield AnswerFile(head.layout, head.left_out, tuple(head.filters), head.facts.facts(), _answers(messages))
    except InvalidQuestionSet as exc:
        raise InvalidAnswers(str(exc)) from exc


async def read_facts(path: Path) -> FileFacts:
    """What a file beside the answers says of them; raises InvalidAnswers."""
    try:
        async with file_messages(path, FACTS, Line[FactsMessage]) as messages:
            return (await anext(messages)).facts()
    except InvalidQuestionSet as exc:
        raise InvalidAnswers(str(exc)) from exc


async def read_verdicts(path: Path) -> list[tuple[str, bool | None]]:
    """The verdicts of a file beside the answers, in order, with digests of their questions; raises InvalidAnswers."""
    try:
        async with file_messages(path, VERDICTS, Line[VerdictsMessage]) as messages:
            return [(each.digest, each.is_correct) async for message in messages for each in message.verdicts]
    except InvalidQuestionSet as exc:
        raise InvalidAnswers(str(exc)) from exc


async def _answers(messages: AsyncIterator[AnswersMessage]) -> AsyncIterator[GivenAnswer]:
    async for message in messages:
        for each in message.answers:
            yield each.answer()
