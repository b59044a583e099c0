"""Which import is storing questions, so that nothing of it stays if its process is killed.

Questions are stored in many short transactions before the sets that refer to them. `M1_HOME/run/import.json` says how
to find those that were added. The import that has the lock on it is the only one; a file with content that can be
locked is from an import that was killed.
"""

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from m1app.question_sets.errors import InvalidQuestionSet, QuestionSetError, no_room
from m1app.question_sets.import_lock import open_lock, try_lock, wait_for_lock

_MAX_BYTES = 1 << 20
_log = logging.getLogger(__name__)


class Unfinished(BaseModel):
    """What an import adds, until its sets are stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    added_at: AwareDatetime
    """`created_at` of each question that it adds."""
    sources: tuple[str, ...]
    """Their sources: the names of the new sets."""


@dataclass(frozen=True, slots=True)
class ImportJournal:
    """The journal while this process has its lock."""

    path: Path
    descriptor: int

    def read(self) -> Unfinished | None:
        """What a killed import was adding; None if there is nothing, or nothing readable."""
        content = os.pread(self.descriptor, _MAX_BYTES, 0)
        if not content:
            return None
        try:
            return Unfinished.model_validate_json(content)
        except ValidationError:
            # Cut off by a full disk or a power cut, hence before anything was stored.
            _log.warning("%s is incomplete and is ignored", self.path)
            return None

    def write(self, adding: Unfinished) -> None:
        """Say what is going to be added; on the disk when this returns. Raises NoRoom."""
        content = adding.model_dump_json().encode()
        try:
            if os.pwrite(self.descriptor, content, 0) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self.descriptor)
        except OSError as exc:
            self.clear()
            raise no_room(exc, self.path.parent) from exc

    def clear(self) -> None:
        """Say that nothing is being added."""
        os.ftruncate(self.descriptor, 0)


def open_journal(home: Path) -> ImportJournal:
    """Open the journal of a home without its lock; the caller closes its descriptor. Raises NoRoom."""
    path = home / "run" / "import.json"
    return ImportJournal(path, open_lock(path))


@asynccontextmanager
async def locked_journal(home: Path) -> AsyncIterator[ImportJournal]:
    """Wait until no other import of this home is storing, and keep others waiting.

    Raises:
        InvalidQuestionSet: another one takes longer than ten minutes.
        NoRoom: the journal cannot be written.
    """
    journal = await asyncio.to_thread(open_journal, home)
    try:
        await _locked(journal)
        yield journal
    finally:
        os.close(journal.descriptor)


@asynccontextmanager
async def no_import_storing(home: Path) -> AsyncIterator[None]:
    """Keep imports of this home waiting, in any process.

    Raises:
        QuestionSetError: one is storing its questions.
        NoRoom: the journal cannot be opened.
    """
    journal = await asyncio.to_thread(open_journal, home)
    try:
        if not try_lock(journal.descriptor):
            raise QuestionSetError(
                "An import is storing questions that this set may share, so the set cannot be removed for good now. "
                "Try again when the import has finished."
            )
        yield
    finally:
        os.close(journal.descriptor)


async def _locked(journal: ImportJournal) -> None:
    try:
        await wait_for_lock(journal.descriptor)
    except TimeoutError:
        raise InvalidQuestionSet(
            "Another import is still storing its questions. Wait until it has finished, then import this file again."
        ) from None
