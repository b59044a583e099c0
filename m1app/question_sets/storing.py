"""Stores the sets of a file while it is read: many short transactions, and nothing that stays of a failed import.

The same for results of others (`m1app.benchmark.imports`), which come with questions of their own.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from m1app.access.audit import record
from m1app.privacy.service import IdentifierCheck
from m1app.privacy.words import blocked_row_text
from m1app.question_sets.errors import InvalidQuestionSet, QuestionSetError
from m1app.question_sets.import_journal import ImportJournal, Unfinished, locked_journal, open_journal
from m1app.question_sets.import_lock import try_lock
from m1app.question_sets.set_messages import SetHeader, SetQuestionMessage, SetsMessage
from storage.benchmarks.imports import remove_unfinished
from storage.database import Database
from storage.errors import StorageError
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository, utc_now

MAX_NAME_CHARACTERS = 200
_BATCH_QUESTIONS = 1000
_BATCH_ITEMS = 100
"""With all their answers."""
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A set of a file, ready to be stored."""

    name: str
    header: SetHeader
    sha256: str
    """Hex digest of its source."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The sets of a file after an import."""

    sets: tuple[QuestionSet, ...]
    """In the order of the file."""
    new_ids: frozenset[str]
    """Ids of those that were not there before."""


class SetStore:
    """Adds sets to the database; one import at a time for each home."""

    def __init__(self, database: Database, home: Path, identifiers: IdentifierCheck) -> None:
        self._database = database
        self._home = home
        self._identifiers = identifiers

    async def add(self, given: Sequence[Candidate], messages: AsyncIterator[SetsMessage], source: str) -> Stored:
        """Store the sets that are not there yet, all or none.

        Args:
            given: the sets of the file, in order.
            messages: their questions.
            source: the file or hub address.

        Raises:
            InvalidQuestionSet: a name is invalid or taken, the messages fail or do not match `given`, or a question may
                identify a person and M1_IDENTIFIERS blocks that.
            NoRoom: the disk of M1_HOME is full.
            StorageError: the database cannot be written.
        """
        async with self._alone() as journal:
            here = await self._database.read(lambda s: {each.name: each for each in QuestionSetRepository(s).all()})
            for each in given:
                check_name(each, here.get(each.name))
            new = {index: each for index, each in enumerate(given) if each.name not in here}
            made = await self._add_new(journal, given, new, messages, source) if new else {}
        sets = tuple(made.get(index) or here[each.name] for index, each in enumerate(given))
        return Stored(sets, frozenset(each.id for each in made.values()))

    @asynccontextmanager
    async def adding(self, sources: Sequence[str]) -> AsyncIterator[datetime]:
        """Keep other imports waiting while the block stores questions, and benchmark runs that were made elsewhere.

        If the block fails, they are removed, unless a set or a run that is complete has them.

        Args:
            sources: of all questions that it stores.

        Yields:
            When they are to be created.

        Raises:
            InvalidQuestionSet: another import takes longer than ten minutes.
            NoRoom: the disk of M1_HOME is full.
        """
        async with self._alone() as journal, self._unfinished(journal, sources) as added_at:
            yield added_at

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[ImportJournal]:
        async with locked_journal(self._home) as journal:
            await to_the_end(lambda: self._sweep(journal))
            yield journal

    @asynccontextmanager
    async def _unfinished(self, journal: ImportJournal, sources: Sequence[str]) -> AsyncIterator[datetime]:
        adding = Unfinished(added_at=utc_now(), sources=tuple(sources))
        await to_the_end(lambda: journal.write(adding))
        try:
            yield adding.added_at
        except BaseException:
            # If this fails too, as on a full disk, the next import or start does it.
            with suppress(StorageError):
                await to_the_end(lambda: self._sweep(journal))
            raise
        await to_the_end(journal.clear)

    def remove_leftovers(self) -> None:
        """Remove what an import that was killed has added, unless another one is running; problems are logged."""
        try:
            journal = open_journal(self._home)
            try:
                if try_lock(journal.descriptor):
                    self._sweep(journal)
            finally:
                os.close(journal.descriptor)
        except (QuestionSetError, StorageError) as exc:
            _log.warning("what an unfinished import added cannot be removed yet: %s", exc)

    async def _add_new(
        self,
        journal: ImportJournal,
        given: Sequence[Candidate],
        new: Mapping[int, Candidate],
        messages: AsyncIterator[SetsMessage],
        source: str,
    ) -> dict[int, QuestionSet]:
        async with self._unfinished(journal, [each.name for each in new.values()]) as added_at:
            ids = await self._keep_questions(given, new, messages, added_at)
            return await to_the_end(lambda: self._add_sets(new, ids, source))

    async def _keep_questions(
        self,
        given: Sequence[Candidate],
        new: Mapping[int, Candidate],
        messages: AsyncIterator[SetsMessage],
        added_at: datetime,
    ) -> dict[int, list[str]]:
        """Store the questions in short transactions first: a long one would block running benchmarks from writing."""
        ids: dict[int, list[str]] = {index: [] for index in new}
        counts = [0] * len(given)
        async for message in messages:
            _count(counts, message, given)
            if each := new.get(message.index):
                before = len(ids[message.index])
                ids[message.index] += await self._keep(each.name, message.questions, before, added_at)
        if counts != [each.header.count for each in given]:
            raise _changed()
        return ids

    async def _keep(
        self, name: str, questions: Sequence[SetQuestionMessage], before: int, added_at: datetime
    ) -> Sequence[str]:
        """Store questions of a set, after as many that are stored already; returns their ids."""

        def keep() -> Sequence[str]:
            for number, each in enumerate(questions, before + 1):
                if found := self._identifiers.blocked((each.stem, *each.options.values(), each.reference)):
                    raise InvalidQuestionSet(blocked_row_text(name, number, found))
            return self._database.write_now(lambda s: _stored(QuestionRepository(s, lambda: added_at), name, questions))

        return await to_the_end(keep)

    def _add_sets(
        self, new: Mapping[int, Candidate], ids: Mapping[int, Sequence[str]], source: str
    ) -> dict[int, QuestionSet]:
        with self._database.session() as session:
            repository = QuestionSetRepository(session)
            made = {
                index: repository.add_kept(each.name, source, each.header.layout, each.sha256, ids[index])
                for index, each in new.items()
            }
            for each in made.values():
                record(session, "question_set.import", each.id, questions=each.question_count)
            return made

    def _sweep(self, journal: ImportJournal) -> None:
        # First: their questions are in use as long as they are there.
        while self._database.write_now(lambda s: remove_unfinished(s, _BATCH_ITEMS)):
            pass
        left = journal.read()
        if left is not None:
            removed = self._remove(left)
            _log.info("removed %s questions of an unfinished import", f"{removed:,}")
        journal.clear()

    def _remove(self, left: Unfinished) -> int:
        total = 0
        while removed := self._database.write_now(
            lambda s: QuestionSetRepository(s).delete_unused(left.added_at, left.sources, _BATCH_QUESTIONS)
        ):
            total += removed
        return total


def check_name(new: Candidate, here: QuestionSet | None) -> None:
    """Reject invalid or taken names.

    Raises:
        InvalidQuestionSet: the message asks for another name.
    """
    name = new.name
    if not name or not name.isprintable() or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidQuestionSet(
            f"found {name[:40]!r} as the set's name, expected up to {MAX_NAME_CHARACTERS} printable characters. "
            "Choose another name."
        )
    if here and (here.sha256, here.layout) != (new.sha256, new.header.layout):
        raise InvalidQuestionSet(
            f"A question set named {name!r} already exists with different content (from {here.source}, layout "
            f"{here.layout}, imported {here.created_at:%Y-%m-%d}). Nothing was imported. Choose another name, or "
            "delete that set first."
        )


def _count(counts: list[int], message: SetsMessage, given: Sequence[Candidate]) -> None:
    """Count a message's questions; raises InvalidQuestionSet if the file announced fewer."""
    if message.sets or message.index >= len(given):
        raise _changed()
    counts[message.index] += len(message.questions)
    if counts[message.index] > given[message.index].header.count:
        raise _changed()


def _changed() -> InvalidQuestionSet:
    return InvalidQuestionSet(
        "The file changed while it was being read, or its reader failed. Nothing was imported; import it again."
    )


def _stored(repository: QuestionRepository, source: str, questions: Sequence[SetQuestionMessage]) -> Sequence[str]:
    """Store questions with their reference answers; one that is known keeps the reference answer that it has."""
    ids = repository.upsert_all([_new_question(each, source) for each in questions])
    for question_id, each in zip(ids, questions, strict=True):
        if each.reference and not repository.get(question_id).reference:
            repository.set_reference(question_id, each.reference)
    return ids


def _new_question(given: SetQuestionMessage, source: str) -> NewQuestion:
    return NewQuestion(
        stem=given.stem,
        options=given.options,
        target=given.target,
        source=source,
        title=given.title,
        tags=tuple(given.tags),
    )


async def to_the_end(work: Callable[[], _T]) -> _T:
    """Run `work` in a thread; a cancellation waits for its end, so that nothing is written after the clean-up."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
