"""Stores the passages of a file while it is read: many short transactions, and nothing stays of a failed import."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from m1app.access.audit import record
from m1app.knowledge.errors import InvalidCorpus, KnowledgeError
from m1app.knowledge.passage_messages import PassageMessage, PassagesMessage
from m1app.privacy.identifiers import count_kinds
from m1app.privacy.service import IdentifierCheck
from m1app.privacy.words import kinds_text
from m1app.question_sets.errors import QuestionSetError
from m1app.question_sets.import_lock import open_lock, try_lock, wait_for_lock
from m1app.wording import counted
from storage.corpora.records import Corpus, Kept, NewPassage
from storage.corpora.repository import CorpusRepository
from storage.database import Database, Session
from storage.errors import StorageError

_CHECKED = 2000
"""Passages that are checked for what may identify a person; each takes about a millisecond. Blocking checks all."""
_REMOVED_AT_ONCE = 1000
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class NewCorpus:
    """A corpus to make of a file."""

    name: str
    source: str
    licence: str
    sha256: str


@dataclass(slots=True)
class Progress:
    """How far an import has come."""

    name: str
    passages: int = 0
    """Stored so far."""
    identified: int = 0
    """Of the first passages, those that may identify a person."""


def lock_path(home: Path) -> Path:
    """The file that whoever adds to a corpus of this home has locked."""
    return home / "run" / "corpus-import.lock"


class CorpusStore:
    """Adds corpora to the database."""

    def __init__(self, database: Database, home: Path, identifiers: IdentifierCheck) -> None:
        self._database = database
        self._home = home
        self._identifiers = identifiers

    async def add(
        self, new: NewCorpus, messages: AsyncIterator[PassagesMessage], progress: Progress
    ) -> tuple[Corpus, list[str]]:
        """Store a new version of a corpus; return it with notes for users.

        Raises:
            KnowledgeError: another import takes too long, or the messages fail.
            InvalidCorpus: a passage may identify a person, and M1_IDENTIFIERS blocks that.
            StorageError: the database cannot be written.
        """
        async with _import_lock(self._home):
            await _to_the_end(self._remove_unfinished)
            begun = await self._database.write(lambda s: CorpusRepository(s).begin(new.name, new.source, new.licence))
            try:
                total, notes = await self._keep_all(begun.id, messages, progress)
                corpus = await self._database.write(lambda s: _finish(s, begun.id, new.sha256, total))
            except BaseException:
                # If this fails too, as on a full disk, the next import or start does it.
                with suppress(StorageError):
                    await _to_the_end(self._remove_unfinished)
                raise
        if progress.identified:
            notes.append(_identified_note(progress.identified, min(_CHECKED, total.added + total.duplicates)))
        return corpus, notes

    def remove_leftovers(self) -> None:
        """Remove what an import that was killed has added, unless another one is running; problems are logged."""
        try:
            descriptor = open_lock(lock_path(self._home))
            try:
                if try_lock(descriptor):
                    self._remove_unfinished()
            finally:
                os.close(descriptor)
        except (QuestionSetError, StorageError) as exc:
            _log.warning("what an unfinished import of a corpus added cannot be removed yet: %s", exc)

    async def _keep_all(
        self, corpus_id: str, messages: AsyncIterator[PassagesMessage], progress: Progress
    ) -> tuple[Kept, list[str]]:
        total, notes = Kept(0, 0, 0), list[str]()
        async for message in messages:
            notes += message.notes
            if message.passages:
                kept = await self._keep(corpus_id, message.passages, total, progress)
                total = Kept(total.added + kept.added, total.duplicates + kept.duplicates, total.shared + kept.shared)
                progress.passages = total.added
        return total, notes

    async def _keep(self, corpus_id: str, given: list[PassageMessage], total: Kept, progress: Progress) -> Kept:
        def keep() -> Kept:
            self._check(given, total.added + total.duplicates, progress)
            passages = [NewPassage(**each.model_dump()) for each in given]
            return self._database.write_now(lambda s: CorpusRepository(s).keep(corpus_id, passages, total.added))

        return await _to_the_end(keep)

    def _check(self, given: list[PassageMessage], before: int, progress: Progress) -> None:
        for number, each in enumerate(given, before + 1):
            if found := self._identifiers.blocked((each.heading, each.text)):
                raise InvalidCorpus(
                    f"Passage {number:,} may identify a person ({kinds_text(count_kinds(found))}). Nothing was added. "
                    "Remove this from the file. M1_IDENTIFIERS=block does not allow it to be stored."
                )
            if number <= _CHECKED:
                progress.identified += bool(self._identifiers.findings((each.heading, each.text)))

    def _remove_unfinished(self) -> None:
        while self._database.write_now(lambda s: CorpusRepository(s).remove_unfinished(_REMOVED_AT_ONCE)):
            pass


def _finish(session: Session, corpus_id: str, sha256: str, total: Kept) -> Corpus:
    if not total.added:
        raise KnowledgeError("The file contains no passages. Add a file with text.")
    corpus = CorpusRepository(session).finish(corpus_id, sha256, total)
    record(session, "corpus.add", corpus.id, passages=corpus.passage_count, version=corpus.version)
    return corpus


def _identified_note(count: int, checked: int) -> str:
    return (
        f"{counted(count, 'passage')} of the first {checked:,} may identify a person. Check them before you use the "
        "corpus; if they do, delete it."
    )


async def _to_the_end(work: Callable[[], _T]) -> _T:
    """Run `work` in a thread; a cancellation waits for its end, so that nothing is written after the clean-up."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


@asynccontextmanager
async def _import_lock(home: Path) -> AsyncIterator[None]:
    """Wait until nobody else adds to a corpus; raises KnowledgeError after ten minutes."""
    descriptor = await asyncio.to_thread(open_lock, lock_path(home))
    try:
        await _wait(descriptor)
        yield
    finally:
        os.close(descriptor)


async def _wait(descriptor: int) -> None:
    try:
        await wait_for_lock(descriptor)
    except TimeoutError:
        raise KnowledgeError(
            "Another file is still being added to a corpus. Wait until that has finished, then add this one again."
        ) from None
