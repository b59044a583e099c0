"""Files of reasoning traces, read in a process of their own: `sources` there, its messages here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from m1app.question_sets.batches import BATCH_VALUES
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.file_reading import Line, Message, file_messages
from m1app.question_sets.row_table import MAX_ROWS
from m1app.question_sets.row_values import MAX_OPTIONS
from m1app.training.errors import InvalidTrainingData
from m1app.training.samples import TrainingSample
from m1app.training.sources import MAX_DATA_SET_CHARACTERS, MAX_READ_AS, MAX_SAMPLE_CHARACTERS, SAMPLES, sample_length

_Text = Annotated[str, Field(max_length=MAX_SAMPLE_CHARACTERS)]


class SampleMessage(Message):
    """A sample; fields as in `TrainingSample`."""

    question: _Text
    options: dict[Annotated[str, Field(max_length=10)], _Text] = Field(max_length=MAX_OPTIONS)
    target: Annotated[str, Field(max_length=10)] | None
    reasoning: _Text
    answer: _Text
    domain: _Text
    source: _Text

    def sample(self) -> TrainingSample:
        """The sample itself."""
        return TrainingSample(
            self.question, self.options, self.target, self.reasoning, self.answer, self.domain, self.source
        )


class SamplesMessage(Message):
    """Some samples of a file; or, at its end, what it was read as."""

    samples: list[SampleMessage] = Field([], max_length=BATCH_VALUES)
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = ""
    layout: Annotated[str, Field(max_length=MAX_READ_AS)] = ""
    left_out: dict[Annotated[str, Field(max_length=100)], int] = Field({}, max_length=10)


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A file of samples."""

    samples: tuple[TrainingSample, ...]
    """All of them, in order."""
    sha256: str
    """Of the file (hex)."""
    layout: str
    """What it was read as."""
    left_out: Mapping[str, int]
    """What rows have that their samples do not ("system messages"), with the number of rows."""


async def read_sample_file(
    path: Path, file_name: str = "", *, layout: str = "", room: int = MAX_DATA_SET_CHARACTERS
) -> SampleFile:
    """Return all samples of a file, and what it was read as.

    Args:
        path: the file.
        file_name: for messages, the format and the source of samples that name none; empty uses the path's.
        layout: id of the layout; empty detects it from the columns.
        room: how many characters its samples may have together.

    Raises:
        InvalidTrainingData: the file cannot be read or used, or is too large; the message says why.
    """
    samples: list[TrainingSample] = []
    last = None
    try:
        async with file_messages(path, SAMPLES, Line[SamplesMessage], file_name=file_name, layout=layout) as messages:
            async for message in messages:
                read = [each.sample() for each in message.samples]
                samples += read
                room -= sum(map(sample_length, read))
                if room < 0:
                    raise too_much_text()
                last = message
                if len(samples) > MAX_ROWS:
                    raise InvalidTrainingData(f"{path.name}: found too many rows, expected at most {MAX_ROWS:,}.")
    except InvalidQuestionSet as exc:
        raise InvalidTrainingData(str(exc)) from exc
    if last is None:
        raise InvalidTrainingData(f"{file_name or path.name}: the file could not be read to its end. Try again.")
    return SampleFile(tuple(samples), last.sha256, last.layout, last.left_out)


def too_much_text() -> InvalidTrainingData:
    """The error for sources with more text than a data set may have."""
    return InvalidTrainingData(
        f"The sources have more than {MAX_DATA_SET_CHARACTERS:,} characters in total, which is the limit for a data "
        "set. Leave out a source, or split a file."
    )
