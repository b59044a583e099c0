"""Corpora: added from files, listed, searched, compared with question sets, deleted."""

import asyncio
import hashlib
import logging
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from m1app.access.discarding import discard
from m1app.access.person import Permission, needs
from m1app.knowledge.errors import InvalidCorpus, KnowledgeError
from m1app.knowledge.guard import AskedQuestion, may_read_facts, same_questions
from m1app.knowledge.meaning import POOL, Findings, MeaningSearch
from m1app.knowledge.passage_messages import PASSAGES, PassagesLine, check_size
from m1app.knowledge.recall import RANKS, Needed, Recall, rank_of, rank_of_fact
from m1app.knowledge.set_overlap import SET_OVERLAPS
from m1app.knowledge.storing import CorpusStore, NewCorpus, Progress
from m1app.knowledge.vectors import CorpusVectors
from m1app.privacy.service import IdentifierCheck
from m1app.question_sets.comparison import Comparison, Overlap
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.file_reading import file_messages
from m1app.question_sets.overlap import Text
from m1app.settings import Settings
from m1app.wording import counted
from storage.corpora.facts import FactRepository
from storage.corpora.records import Corpus, Passage
from storage.corpora.repository import FACTS, CorpusRepository
from storage.corpora.rows import whole_rows
from storage.corpora.search import Scope
from storage.database import Database, Session
from storage.errors import StorageError
from storage.question_sets.repository import QuestionSetRepository
from storage.trash.records import Deletion, TrashKind

MAX_NAME_CHARACTERS = 120
MAX_LICENCE_CHARACTERS = 2000
MAX_QUERY_CHARACTERS = 50_000
MAX_PASSAGES = 1000
"""Of one search."""
_OVERLAP_BATCH = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AddReport:
    """Result of adding a file."""

    corpus: Corpus
    is_new: bool
    """False if the newest version was made of this very file, and nothing was stored."""
    notes: tuple[str, ...]
    """For users: duplicates, what was left out, the version that it follows."""


class CorpusService:
    """Manages corpora. Every method may raise `storage.errors.StorageError`."""

    def __init__(self, database: Database, settings: Settings, vectors: CorpusVectors | None = None) -> None:
        """Args:
        database: stores the corpora.
        settings: the app's settings.
        vectors: of the corpora; None for those of this service alone.
        """
        self._database = database
        self._meaning = MeaningSearch(database, (vectors or CorpusVectors(database, settings)).embedder)
        self._store = CorpusStore(database, settings.home, IdentifierCheck(settings.identifiers))
        self._comparison = Comparison(database, settings.home)
        self._running: list[Progress] = []

    @needs(Permission.MANAGE)
    async def add(self, path: Path, *, licence: str, name: str = "") -> AddReport:
        """Add a file, all or nothing; under the name of a corpus that exists, as its next version.

        Args:
            path: text, Markdown, PDF, JSON lines or CSV, or a ZIP archive of these; see docs/knowledge.md.
            licence: under which licence the file may be used, or "unknown".
            name: name of the corpus; empty uses the file's.

        Raises:
            InvalidCorpus: the file cannot be used, a passage of it may not be stored, or name or licence are invalid.
            KnowledgeError: another file is being added for too long.
        """
        source = path.name.encode(errors="backslashreplace").decode()
        shown = _checked_name(name.strip() or PurePath(source.removesuffix(".gz")).stem)
        new = NewCorpus(shown, source, _checked_licence(licence), await asyncio.to_thread(_sha256, path))
        newest = next((each for each in await self.all() if each.name == shown), None)
        if newest is not None and newest.sha256 == new.sha256:
            return AddReport(newest, False, (f"{shown} was already made from this file. Nothing was added.",))
        progress = Progress(shown)
        self._running.append(progress)
        try:
            async with file_messages(path, PASSAGES, PassagesLine, file_name=source) as messages:
                corpus, notes = await self._store.add(new, messages, progress)
        except InvalidQuestionSet as exc:
            raise InvalidCorpus(str(exc)) from exc
        finally:
            self._running.remove(progress)
        return AddReport(corpus, True, (*notes, *_count_notes(corpus)))

    @needs(Permission.READ)
    def running(self) -> tuple[Progress, ...]:
        """The imports of this process that are under way."""
        return tuple(self._running)

    @needs(Permission.READ)
    async def all(self, *, has_earlier: bool = False) -> tuple[Corpus, ...]:
        """All corpora by name: the newest version of each, or all versions, the newest first."""
        return await self._database.read(lambda s: CorpusRepository(s).all(has_earlier=has_earlier))

    @needs(Permission.READ)
    async def fact_count(self) -> int:
        """Number of submitted annotations whose corrected fact can be found."""
        return await self._database.read(lambda s: FactRepository(s).count())

    @needs(Permission.READ)
    async def preview(self, corpus_id: str, *, limit: int = 50, offset: int = 0, text: str = "") -> tuple[Passage, ...]:
        """Passages of a version of a corpus: in the order of its file, or those that fit `text`, the best first.

        Raises:
            RecordNotFound: no corpus has that id.
        """

        def read(session: Session) -> tuple[Passage, ...]:
            corpora = CorpusRepository(session)
            chosen = corpora.by_id(corpus_id).id
            if text.strip():
                return corpora.search(text, limit, Scope((chosen,)), offset)
            return corpora.passages(chosen, limit, offset)

        return await self._database.read(read)

    @needs(Permission.READ)
    async def passage(self, passage_id: str) -> Passage:
        """Return a passage, also of an earlier version.

        Raises:
            RecordNotFound: it is gone, or a corrected fact that the person may not read.
        """
        has_facts = may_read_facts()
        return await self._database.read(lambda s: CorpusRepository(s).passage(passage_id, has_facts=has_facts))

    @needs(Permission.READ)
    async def search(
        self,
        text: str,
        k: int,
        *,
        corpora: Sequence[str] | None,
        excluding_question: AskedQuestion | None,
        is_by_words: bool = False,
    ) -> Findings:
        """Find the passages that fit a text best: by words, and by meaning too if there is an embedding model.

        Args:
            text: words, or a whole question; its first 50,000 characters are used.
            k: maximum number of passages, 1 to 1,000.
            corpora: names, for their newest versions, or ids of versions; "corrected facts" is a name too. None
                searches all newest versions and the corrected facts.
            excluding_question: the question that is asked: corrected facts that somebody wrote on it, or on nearly the
                same one, are not found. None only if nobody is asked.
            is_by_words: whether words decide alone in any case.

        Raises:
            KnowledgeError: there is no such corpus.
        """
        chosen, scope = await self._scope(corpora)
        if scope.has_facts:
            scope = await self._with_facts(scope, excluding_question)
        most, words = min(max(1, k), MAX_PASSAGES), text[:MAX_QUERY_CHARACTERS]
        is_fused = self._meaning.is_set and not is_by_words
        wanted = max(most, POOL) if is_fused else most
        by_words = await self._database.read(lambda s: CorpusRepository(s).search(words, wanted, scope))
        return await self._meaning.fused(words, by_words, scope, chosen, most) if is_fused else Findings(by_words)

    @needs(Permission.READ)
    async def asked_again(self, asked: AskedQuestion, found: Sequence[Passage]) -> frozenset[str]:
        """Ids of those passages that are from a row with the asked question, or nearly; else from its text.

        A long row is several passages, and the one that solves the question need not repeat it, so a row counts as a
        whole. A passage of several rows is from each of them.
        """
        rows = await self._database.read(lambda s: whole_rows(s, [each.id for each in found]))
        texts = {each.id: rows.get(each.id) or f"{each.heading}\n{each.text}" for each in found}
        return frozenset(await asyncio.to_thread(same_questions, asked, texts))

    @needs(Permission.READ)
    async def recall(
        self, corpus: str, asked: Sequence[tuple[Needed, str]], most: int = max(RANKS), *, is_by_words: bool = False
    ) -> Recall:
        """Search for each question as a strategy would, and see where the passage that it needs comes.

        Args:
            corpus: name.
            asked: what each question needs, and its stem.
            most: passages that are looked at.
            is_by_words: see `search`.

        Raises:
            KnowledgeError: there is no such corpus.
        """
        ranks, notes = [], list[str]()
        for needed, stem in asked:
            found = await self._asked_in(corpus, stem, most, is_by_words=is_by_words)
            ranks.append(rank_of(needed, found.passages))
            notes.append(found.note)
        return Recall(tuple(ranks), tuple(dict.fromkeys(filter(None, notes))))

    @needs(Permission.REVIEW)
    async def recall_of_facts(self, corpus: str, most: int = max(RANKS), *, is_by_words: bool = False) -> Recall:
        """See where the passages come that fit the corrected facts best, if their questions are searched for.

        Which passage fits a fact best, its words decide in any case, so that both kinds of search look for the same.

        Args:
            corpus: name.
            most: passages that are looked at.
            is_by_words: see `search`.

        Raises:
            KnowledgeError: there is no such corpus, or no corrected fact.
        """
        facts = await self._database.read(lambda s: FactRepository(s).written())
        if not facts:
            raise KnowledgeError("There are no corrected facts in submitted annotations yet.")
        ranks, notes = [], list[str]()
        for each in facts:
            fitting = await self.search(each.text, 1, corpora=[corpus], excluding_question=None, is_by_words=True)
            found = await self._asked_in(corpus, each.stem, most, is_by_words=is_by_words)
            ranks.append(rank_of_fact(each.annotation_id, fitting.passages, found.passages))
            notes.append(found.note)
        return Recall(tuple(ranks), tuple(dict.fromkeys(filter(None, notes))))

    @needs(Permission.READ)
    async def overlaps(self, corpus_id: str) -> tuple[Overlap, ...]:
        """Find question sets whose questions are, or nearly are, in a corpus.

        Raises:
            RecordNotFound: no corpus has that id.
            InvalidQuestionSet: comparing takes too much memory or time.
            NoRoom: the disk of M1_HOME is full.
        """
        corpus = await self._database.read(lambda s: CorpusRepository(s).by_id(corpus_id))
        sets = await self._database.read(lambda s: QuestionSetRepository(s).all())
        if not sets:
            return ()
        passages = ([Text(each) for each in batch] for batch in self._texts(corpus))
        return await self._comparison.with_texts(sets, corpus.name, passages, SET_OVERLAPS)

    @needs(Permission.MANAGE)
    async def delete(self, corpus_id: str) -> Deletion:
        """Move a corpus with all its versions to the trash; raises RecordNotFound."""
        return await self._database.write(lambda s: discard(s, TrashKind.CORPUS, corpus_id))

    def remove_leftovers(self) -> None:
        """Remove what an import that was killed has added; blocks. Problems are logged."""
        self._store.remove_leftovers()

    async def _asked_in(self, corpus: str, stem: str, most: int, *, is_by_words: bool) -> Findings:
        return await self.search(
            stem, most, corpora=[corpus], excluding_question=AskedQuestion(stem), is_by_words=is_by_words
        )

    async def _scope(self, corpora: Sequence[str] | None) -> tuple[tuple[Corpus, ...], Scope]:
        """The corpora that are searched, and the scope."""
        known = await self._database.read(lambda s: CorpusRepository(s).all(has_earlier=True))
        newest: dict[str, str] = {}
        for each in known:
            newest.setdefault(each.name, each.id)
        if corpora is None:
            return tuple(each for each in known if each.id in newest.values()), Scope(tuple(newest.values()), True)
        by_name_or_id = {each.id: each.id for each in known} | newest
        unknown = [each for each in corpora if each != FACTS and each not in by_name_or_id]
        if unknown:
            there = ", ".join([*newest, FACTS])
            raise KnowledgeError(f"Corpus {unknown[0][:80]!r} not found. Available: {there}.")
        ids = dict.fromkeys(by_name_or_id[each] for each in corpora if each != FACTS)
        return tuple(each for each in known if each.id in ids), Scope(tuple(ids), FACTS in corpora)

    async def _with_facts(self, scope: Scope, asked: AskedQuestion | None) -> Scope:
        """The scope with up-to-date facts, without those on the question that is asked."""
        if await self._database.read(lambda s: bool(FactRepository(s).changes())):
            try:
                await self._database.write(lambda s: FactRepository(s).bring_up_to_date())
            except StorageError as exc:
                # Facts withdrawn meanwhile are not found either way.
                _log.warning("corrected facts cannot be indexed now: %s", exc)
        if asked is None:
            return scope
        stems = await self._database.read(lambda s: FactRepository(s).asked())
        same = await asyncio.to_thread(same_questions, asked, stems)
        return Scope(scope.corpus_ids, scope.has_facts, same)

    def _texts(self, corpus: Corpus) -> Iterator[Sequence[str]]:
        for begin in range(0, corpus.passage_count, _OVERLAP_BATCH):
            passages = self._database.read_now(
                lambda s, at=begin: CorpusRepository(s).passages(corpus.id, _OVERLAP_BATCH, at)  # type: ignore[misc]
            )
            yield [each.text for each in passages]


def _checked_name(name: str) -> str:
    if not name or not name.isprintable() or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidCorpus(
            f"{name[:40]!r} is not a valid corpus name. Use up to {MAX_NAME_CHARACTERS} printable characters."
        )
    return name


def _checked_licence(licence: str) -> str:
    found = licence.strip()
    if not found or len(found) > MAX_LICENCE_CHARACTERS:
        raise InvalidCorpus(
            f"Enter the licence under which the file may be used, in up to {MAX_LICENCE_CHARACTERS:,} characters, or "
            '"unknown".'
        )
    return found


def _sha256(path: Path) -> str:
    """Of a file that is small enough; empty for what is no file, which the reading process refuses."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return ""
        check_size(found.st_size, path.name)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise InvalidCorpus(f"{path.name}: the file cannot be read ({exc.strerror}). Check its name.") from exc


def _count_notes(corpus: Corpus) -> Iterator[str]:
    if corpus.duplicate_count:
        were = "was" if corpus.duplicate_count == 1 else "were"
        yield f"{counted(corpus.duplicate_count, 'passage')} {were} repeated in the file and stored once."
    if corpus.shared_count:
        are = "is" if corpus.shared_count == 1 else "are"
        yield f"{counted(corpus.shared_count, 'passage')} {are} in another corpus or version too, and stored once."
    if corpus.version > 1:
        yield (
            f"This is version {corpus.version} of {corpus.name}. Searches use it from now on; passages of earlier "
            "versions can still be read where a run quotes them."
        )
