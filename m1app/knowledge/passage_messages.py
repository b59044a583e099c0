"""What the process that reads a corpus's file sends: its passages in batches, then what was left out."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import PurePath
from typing import Annotated, Any, BinaryIO

from pydantic import Field

from m1app.knowledge.archive_files import archive_blocks, blocks_of
from m1app.knowledge.blocks import MAX_HEADING_CHARACTERS, MAX_LABEL_CHARACTERS
from m1app.knowledge.errors import InvalidCorpus
from m1app.knowledge.splitting import MOST_WORDS, PassageText, split
from m1app.question_sets.batches import BATCH_VALUES, batches
from m1app.question_sets.file_reading import Line, Message
from m1app.wording import size

PASSAGES = "m1app.knowledge.passage_messages:passage_messages"
"""The producer of `PassagesLine` lines."""
MAX_FILE_BYTES = 1 << 30
_MAX_CHARACTERS = MOST_WORDS * 40
_Label = Annotated[str, Field(max_length=MAX_LABEL_CHARACTERS)]


class PassageMessage(Message):
    """A passage; fields as in `PassageText`."""

    text: str = Field(min_length=1, max_length=_MAX_CHARACTERS)
    heading: str = Field(max_length=MAX_HEADING_CHARACTERS)
    source: _Label
    page: _Label
    key: _Label


class PassagesMessage(Message):
    """Some passages, or at the end what users should know."""

    passages: list[PassageMessage] = Field([], max_length=BATCH_VALUES)
    notes: list[Annotated[str, Field(max_length=2000)]] = Field([], max_length=20)


PassagesLine = Line[PassagesMessage]


def passage_messages(file: BinaryIO, file_name: str) -> Iterator[dict[str, Any]]:
    """Read the passages of an open file.

    Yields:
        `PassagesMessage` as dicts.

    Raises:
        InvalidCorpus: the file is too large, of an unknown kind, or has no text.
        InvalidQuestionSet: it cannot be read.
    """
    check_size(os.fstat(file.fileno()).st_size, file_name)
    notes: list[str] = []
    count = 0
    is_archive = PurePath(file_name).suffix.lower() == ".zip"
    blocks = archive_blocks(file, file_name, notes.append) if is_archive else blocks_of(file, file_name, notes.append)
    for batch in batches(split(blocks), _length):
        count += len(batch)
        yield {"passages": [asdict(each) for each in batch]}
    if not count:
        raise InvalidCorpus(f"{file_name}: found no text in the file.")
    yield {"notes": [each[:2000] for each in notes[:20]]}


def check_size(found: int, file_name: str) -> None:
    """Raise InvalidCorpus for a file of more than MAX_FILE_BYTES, before any of it is read."""
    if found > MAX_FILE_BYTES:
        raise InvalidCorpus(
            f"{file_name}: found {size(found)}, expected at most {size(MAX_FILE_BYTES)}. Split it into several files "
            "and add them under different names."
        )


def _length(passage: PassageText) -> int:
    return len(passage.text) + len(passage.heading)
