"""Files of reasoning traces, read in a process of their own: `sources` there, its messages here."""

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
from m1app.training.sources import MAX_DATA_SET_CHARACTERS, MAX_SAMPLE_CHARACTERS, SAMPLES, sample_length

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
    """Some samples of a file; or, at its end, the file's SHA-256."""

    samples: list[SampleMessage] = Field([], max_length=BATCH_VALUES)
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = ""


async def read_sample_file(
    path: Path, file_name: str = "", *, room: int = MAX_DATA_SET_CHARACTERS
) -> tuple[tuple[TrainingSample, ...], str]:
    """Return all samples of a file, in order, and the file's SHA-256 (hex).

    Args:
        path: the file.
        file_name: for messages, the format and the source of samples that name none; empty uses the path's.
        room: how many characters its samples may have together.

    Raises:
        InvalidTrainingData: the file cannot be read or used, or is too large; the message says why.
    """
    samples: list[TrainingSample] = []
    sha256 = ""
    try:
        async with file_messages(path, SAMPLES, Line[SamplesMessage], file_name=file_name) as messages:
            async for message in messages:
                read = [each.sample() for each in message.samples]
                samples += read
                room -= sum(map(sample_length, read))
                if room < 0:
                    raise too_much_text()
                sha256 = message.sha256
                if len(samples) > MAX_ROWS:
                    raise InvalidTrainingData(f"{path.name}: found too many rows, expected at most {MAX_ROWS:,}.")
    except InvalidQuestionSet as exc:
        raise InvalidTrainingData(str(exc)) from exc
    return tuple(samples), sha256


def too_much_text() -> InvalidTrainingData:
    """The error for sources with more text than a data set may have."""
    return InvalidTrainingData(
        f"The sources have more than {MAX_DATA_SET_CHARACTERS:,} characters together, the most that a data set may "
        "have. Leave out a source, or split a file."
    )
