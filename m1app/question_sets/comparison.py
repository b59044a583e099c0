"""Compares question sets with each other and with fine-tuning data, in a process with a memory limit.

The texts go through a temporary file in batches, so the app's own memory does not grow with the sets.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from m1app.question_sets.compared_lists import COMPARED_LISTS, OverlapLine, OverlapMessage
from m1app.question_sets.errors import InvalidQuestionSet, no_room
from m1app.question_sets.file_reading import file_messages
from m1app.question_sets.overlap import Text
from m1app.question_sets.row_table import MAX_ROWS
from m1app.question_sets.set_messages import TRAINING_TEXTS, TextsLine
from m1app.question_sets.working_folder import working_folder
from m1app.scratch_folder import UPLOAD
from m1app.wording import counted
from storage.database import Database
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository

_FILE_NAME = "texts.jsonl"
_BATCH_QUESTIONS = 500


@dataclass(frozen=True, slots=True)
class Overlap:
    """Questions of one set that also appear, exactly or nearly, in another set or in fine-tuning data."""

    first: str
    """Name of a set."""
    second: str
    """Name of a set, or of a file of fine-tuning data."""
    pairs: tuple[tuple[str, str, float], ...]
    """Up to 50 of them, the closest first: question, its closest counterpart, share of 8-word runs in common."""
    count: int
    """Number of questions of the first that have a counterpart in the second."""

    @property
    def sentence(self) -> str:
        """What is shared with what, in words."""
        return f"{self.first} shares {counted(self.count, 'question')} with {self.second} (identical or nearly so)"


class Comparison:
    """Finds overlaps of stored sets.

    Its methods raise InvalidQuestionSet if comparing takes too much memory or time, and NoRoom if the temporary file
    cannot be written.
    """

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self._home = home

    async def of_new(self, new: Sequence[QuestionSet], others: Sequence[QuestionSet]) -> tuple[Overlap, ...]:
        """Overlaps of new sets with each other and with the others."""
        async with working_folder(UPLOAD, self._home) as folder:
            path = folder / _FILE_NAME
            await self._write(path, new, is_kept=True)
            await self._write(path, others, is_kept=False)
            return await _compared(path, [each.name for each in (*new, *others)])

    async def of_chosen(self, chosen: Sequence[QuestionSet], training_file: Path | None) -> tuple[Overlap, ...]:
        """Overlaps of sets with a file of fine-tuning data, which come first, and with each other."""
        names = [each.name for each in chosen]
        async with working_folder(UPLOAD, self._home) as folder:
            path = folder / _FILE_NAME
            await self._write(path, chosen, is_kept=True)
            if training_file is None:
                return await _compared(path, names)
            await _write_training_texts(path, training_file)
            found = await _compared(path, [*names, training_file.name])
        return tuple(sorted(found, key=lambda each: each.second != training_file.name))

    async def with_texts(
        self, sets: Sequence[QuestionSet], name: str, texts: Iterable[Sequence[Text]], producer: str
    ) -> tuple[Overlap, ...]:
        """Overlaps of sets with any number of other texts, as passages or questions that were learned.

        Args:
            sets: the sets.
            name: what has the texts, for users.
            texts: in batches; read in a thread.
            producer: of `OverlapLine` lines, as in `file_messages`; the sets are the kept lists of its file.
        """

        def write(file: BinaryIO) -> None:
            _write_line(file, {"is_kept": False})
            for batch in texts:
                _write_texts(batch, file)

        async with working_folder(UPLOAD, self._home) as folder:
            path = folder / _FILE_NAME
            await self._write(path, sets, is_kept=True)
            await _appended(path, write)
            return await _compared(path, [*(each.name for each in sets), name], producer)

    async def _write(self, path: Path, sets: Sequence[QuestionSet], *, is_kept: bool) -> None:
        def write(file: BinaryIO) -> None:
            for each in sets:
                _write_line(file, {"is_kept": is_kept})
                for begin in range(0, each.question_count, _BATCH_QUESTIONS):
                    _write_texts(self._texts(each, begin), file)

        await _appended(path, write)

    def _texts(self, each: QuestionSet, begin: int) -> list[Text]:
        questions = self._database.read_now(
            lambda s: QuestionSetRepository(s).questions(each.id, _BATCH_QUESTIONS, begin)
        )
        return [Text(question.stem, tuple(question.options.values())) for question in questions]


async def _compared(path: Path, names: Sequence[str], producer: str = "") -> tuple[Overlap, ...]:
    try:
        async with file_messages(path, producer or COMPARED_LISTS, OverlapLine) as messages:
            return tuple([_overlap(each, names) async for each in messages if each.count])
    except InvalidQuestionSet as exc:
        raise InvalidQuestionSet(
            "Comparing these question sets takes more memory or time than the app allows. Compare fewer or smaller "
            "sets at once."
        ) from exc


def _overlap(found: OverlapMessage, names: Sequence[str]) -> Overlap:
    pairs = tuple((each.first, each.second, each.share) for each in found.pairs)
    return Overlap(names[found.first], names[found.second], pairs, found.count)


async def _write_training_texts(path: Path, training_file: Path) -> None:
    await _appended(path, lambda file: _write_line(file, {"is_kept": False}))
    count = 0
    async with file_messages(training_file, TRAINING_TEXTS, TextsLine) as messages:
        async for message in messages:
            texts = [Text(each.stem, tuple(each.options)) for each in message.texts]
            count += len(texts)
            if count > MAX_ROWS:
                raise InvalidQuestionSet(
                    f"{training_file.name}: found too many rows, expected at most {MAX_ROWS:,}. Split it."
                )
            await _appended(path, partial(_write_texts, texts))


async def _appended(path: Path, write: Callable[[BinaryIO], None]) -> None:
    def append() -> None:
        try:
            with path.open("ab") as file:
                write(file)
        except OSError as exc:
            raise no_room(exc, path.parent.parent) from exc

    await asyncio.to_thread(append)


def _write_texts(texts: Sequence[Text], file: BinaryIO) -> None:
    for each in texts:
        _write_line(file, [each.stem, each.options])


def _write_line(file: BinaryIO, value: object) -> None:
    file.write(json.dumps(value).encode("ascii") + b"\n")
