"""What the process that reads question sets sends: the sets of a file, then their questions in batches."""

from typing import Annotated

from pydantic import Field, model_validator

from m1app.question_sets.batches import BATCH_VALUES
from m1app.question_sets.file_reading import Line, Message
from m1app.question_sets.importing import (
    MAX_BAD_ROWS,
    MAX_PLACE_CHARACTERS,
    MAX_QUESTIONS,
    MAX_REASON_CHARACTERS,
)
from m1app.question_sets.open_rows import MAX_REFERENCE_CHARACTERS
from m1app.question_sets.question_rows import MAX_QUESTION_CHARACTERS
from m1app.question_sets.row_table import MAX_ROWS, MAX_SETS
from m1app.question_sets.row_values import MAX_OPTIONS

QUESTIONS = "m1app.question_sets.importing:question_set_messages"
"""The producer of `SetsMessage` lines; takes `layout`, and the optional arguments of the function."""
TRAINING_TEXTS = "m1app.question_sets.overlap:training_text_messages"
"""The producer of `TextsMessage` lines."""

_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Text = Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS)]


class SetHeader(Message):
    """A question set, without its questions."""

    name: str
    layout: str = Field(max_length=100)
    count: int = Field(ge=1, le=MAX_QUESTIONS)
    """Number of questions, including duplicates."""
    left_out: int = Field(ge=0, le=MAX_ROWS)
    """Number of rows with subjects that the layout skips."""
    sha256: _Sha256
    """Of the questions."""


class SetQuestionMessage(Message):
    """A question; fields as in `SetQuestion`."""

    stem: _Text
    options: dict[Annotated[str, Field(pattern="^[A-Z]$")], _Text] = Field(max_length=MAX_OPTIONS)
    target: str | None
    tags: list[_Text] = Field(max_length=20)
    title: _Text
    reference: Annotated[str, Field(max_length=MAX_REFERENCE_CHARACTERS)] = ""


class BadRowMessage(Message):
    """A row that was left out because it cannot be used."""

    where: str = Field(max_length=MAX_PLACE_CHARACTERS)
    reason: str = Field(max_length=MAX_REASON_CHARACTERS)


class SetsMessage(Message):
    """The sets of the file, which come first; or some questions of one of them."""

    sha256: _Sha256 | None = None
    """Of the file."""
    sets: list[SetHeader] = Field([], max_length=MAX_SETS)
    notes: list[Annotated[str, Field(max_length=2000)]] = Field([], max_length=2 * MAX_SETS)
    """For users."""
    bad_rows: list[BadRowMessage] = Field([], max_length=MAX_BAD_ROWS)
    """The first ones of `bad_row_count`."""
    bad_row_count: int = Field(0, ge=0, le=MAX_ROWS * MAX_SETS)
    index: int = Field(0, ge=0, lt=MAX_SETS)
    questions: list[SetQuestionMessage] = Field([], max_length=BATCH_VALUES)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "SetsMessage":
        if bool(self.sets) == bool(self.questions) or (self.sha256 is None) == bool(self.sets):
            raise ValueError("expected sets with the file's hash, or questions")
        return self


class TextMessage(Message):
    """A question of fine-tuning data."""

    stem: str
    options: list[str] = Field(max_length=MAX_OPTIONS)


class TextsMessage(Message):
    """Some questions of fine-tuning data."""

    texts: list[TextMessage] = Field(max_length=BATCH_VALUES)


SetsLine = Line[SetsMessage]
TextsLine = Line[TextsMessage]
