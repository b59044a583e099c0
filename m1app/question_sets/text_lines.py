"""An open text file, read line by line as often as needed."""

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from m1app.question_sets.row_table import MAX_ROW_CHARACTERS, too_long


@dataclass(frozen=True, slots=True)
class TextFile:
    """An open file and its encoding."""

    file: BinaryIO
    codec: str
    """Python's name of the encoding; it drops a byte order mark."""

    @contextmanager
    def opened(self, newline: str) -> Iterator[io.TextIOWrapper]:
        """The text from its start; `newline` as in `open`. Only one reading at a time."""
        self.file.seek(0)
        text = io.TextIOWrapper(self.file, encoding=self.codec, newline=newline)
        try:
            yield text
        finally:
            text.detach()

    def lines(self, newline: str, file_name: str) -> Generator[str, None, None]:
        """The lines with their ends; raises InvalidQuestionSet at one that is too long."""
        with self.opened(newline) as text:
            number = 1
            while line := text.readline(MAX_ROW_CHARACTERS + 1):
                if len(line) > MAX_ROW_CHARACTERS:
                    raise too_long(file_name, f"line {number:,}")
                yield line
                number += 1
