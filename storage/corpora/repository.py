"""Corpora: versions of named collections of passages, and their search."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, exists, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from storage.annotations.repository import IS_CORRECTION
from storage.annotations.tables import AnnotationRow
from storage.corpora.records import Corpus, FoundPassage, Kept, NewPassage, Passage, passage_id
from storage.corpora.search import Scope, found_numbers
from storage.corpora.tables import CorpusPassageRow, CorpusRepeatRow, CorpusRow, FactPassageRow, PassageRow
from storage.corpora.terms import telling_terms
from storage.errors import InvalidRecord, RecordNotFound, not_found
from storage.questions.repository import utc_now
from storage.search import words_of
from storage.trash.tables import WITH_TRASH

FACTS = "corrected facts"
"""The name under which corrected facts of annotations are searched; no corpus of a person can have it."""
_FIELDS = [column.name for column in fields(Corpus)]
_IN_TRASH = {WITH_TRASH: True, "synchronize_session": False}
_BATCH = 1000
_INDEX_SQLITE = text("INSERT INTO passage_index (rowid, heading, text) VALUES (:number, :heading, :words)")
_INDEX_POSTGRESQL = text(
    "INSERT INTO passage_index (number, words) VALUES (:number, "
    "setweight(to_tsvector('english', :heading), 'A') || to_tsvector('english', :words)) ON CONFLICT DO NOTHING"
)


class CorpusRepository:
    """Corpora in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def begin(self, name: str, source: str, licence: str) -> Corpus:
        """Begin a new version of a corpus, which nobody sees until `finish`.

        Raises:
            InvalidRecord: name or licence note is blank, or the name is that of the corrected facts.
        """
        if not name.strip() or name.strip().casefold() == FACTS:
            raise InvalidRecord(f"A corpus cannot be named {name.strip()!r}. Enter another name.")
        if not licence.strip():
            raise InvalidRecord('Enter the licence under which the corpus may be used, or "unknown".')
        newest = self._session.scalar(select(func.max(CorpusRow.version)).where(CorpusRow.name == name))
        row = CorpusRow(
            id=uuid4().hex,
            name=name,
            version=(newest or 0) + 1,
            source=source,
            licence=licence,
            sha256="",
            created_at=self._now(),
            passage_count=0,
            duplicate_count=0,
            shared_count=0,
            is_complete=False,
        )
        self._session.add(row)
        self._session.flush()
        return _as_corpus(row)

    def keep(self, corpus_id: str, passages: Sequence[NewPassage], first_position: int) -> Kept:
        """Store passages of a corpus that was begun, at most 1,000; of those that it has already, only the row is kept.

        Args:
            corpus_id: id of the corpus.
            passages: in the order of the file.
            first_position: number of its passages so far.
        """
        keyed = [(passage_id(each.heading, each.text), each) for each in passages]
        given: dict[str, NewPassage] = {}
        for key, each in keyed:
            given.setdefault(key, each)
        stored = len(self._numbers(given))
        numbers = self.numbers_of(given)
        there = self._those_in(corpus_id, numbers.values())
        known = set(there)
        added: list[dict[str, Any]] = []
        repeated: list[dict[str, Any]] = []
        for key, each in keyed:
            place = {
                "corpus_id": corpus_id,
                "position": first_position + len(added),
                "passage_number": numbers[key],
                "source": each.source,
                "key": each.key,
            }
            if numbers[key] not in known:
                known.add(numbers[key])
                added.append(place | {"page": each.page})
            elif each.key:
                repeated.append(place)
        for table, rows in ((CorpusPassageRow, added), (CorpusRepeatRow, repeated)):
            if rows:
                self._session.execute(insert(table), rows)
        return Kept(len(added), len(passages) - len(added), stored - len(there))

    def _those_in(self, corpus_id: str, numbers: Iterable[int]) -> set[int]:
        """Those of some passages that a corpus has."""
        place = CorpusPassageRow
        is_there = place.passage_number.in_(list(numbers)) & (place.corpus_id == corpus_id)
        return set(self._session.scalars(select(place.passage_number).where(is_there)))

    def finish(self, corpus_id: str, sha256: str, total: Kept) -> Corpus:
        """Let everybody see a corpus that was begun.

        Raises:
            InvalidRecord: it has no passage.
        """
        if not total.added:
            raise InvalidRecord("The corpus contains no passages. Add a file with text.")
        row = self._session.get_one(CorpusRow, corpus_id)
        row.sha256, row.is_complete = sha256, True
        row.passage_count, row.duplicate_count, row.shared_count = total.added, total.duplicates, total.shared
        self._session.flush()
        if self._session.get_bind().dialect.name == "postgresql":
            self._session.execute(text("ANALYZE passage_index"))
        return _as_corpus(row)

    def remove_unfinished(self, most: int) -> bool:
        """Remove some of what imports have added that were never finished; False if nothing is left."""
        begun = self._session.scalars(select(CorpusRow.id).where(CorpusRow.is_complete.is_(False))).all()
        if not begun:
            return False
        place = CorpusPassageRow
        of_begun = place.corpus_id.in_(begun)
        numbers = self._session.scalars(select(place.passage_number).where(of_begun).limit(most)).all()
        if numbers:
            self._session.execute(delete(place).where(of_begun, place.passage_number.in_(numbers)))
            delete_unused_passages(self._session, numbers)
        else:
            self._session.execute(delete(CorpusRow).where(CorpusRow.id.in_(begun)))
        return True

    def all(self, *, has_earlier: bool = False) -> tuple[Corpus, ...]:
        """All corpora by name, of each the newest version, or all versions with the newest first."""
        query = select(CorpusRow).where(CorpusRow.is_complete).order_by(CorpusRow.name, CorpusRow.version.desc())
        if not has_earlier:
            later = aliased(CorpusRow)
            is_earlier = exists().where(
                later.name == CorpusRow.name, later.version > CorpusRow.version, later.is_complete
            )
            query = query.where(~is_earlier)
        return tuple(map(_as_corpus, self._session.scalars(query)))

    def by_id(self, corpus_id: str) -> Corpus:
        """Return a corpus of whatever version; raises RecordNotFound."""
        row = self._session.get(CorpusRow, corpus_id) if corpus_id.isalnum() and corpus_id.isascii() else None
        if row is None or not row.is_complete:
            raise not_found("corpus", corpus_id)
        return _as_corpus(row)

    def passages(self, corpus_id: str, limit: int, offset: int = 0) -> tuple[Passage, ...]:
        """Passages of a corpus in the order of its file."""
        place, row = CorpusPassageRow, PassageRow
        query = (
            select(place, row, CorpusRow)
            .join(row, row.number == place.passage_number)
            .join(CorpusRow, CorpusRow.id == place.corpus_id)
            .where(place.corpus_id == corpus_id, CorpusRow.is_complete)
            .order_by(place.position)
        )
        if offset:
            query = query.where(place.position >= offset)  # Positions have no gaps.
        return tuple(
            Passage(**_placed(passage, at, corpus)) for at, passage, corpus in self._session.execute(query.limit(limit))
        )

    def passage(self, passage_id: str, *, has_facts: bool) -> Passage:
        """Return a passage with its place in the newest corpus that has it, also of an earlier version.

        Args:
            passage_id: its id.
            has_facts: whether one that only corrected facts have is returned too.

        Raises:
            RecordNotFound: it is gone, in the trash, or a fact that was withdrawn, disputed or changed.
        """
        is_id = passage_id.isalnum() and passage_id.isascii()
        row = self._session.scalar(select(PassageRow).where(PassageRow.id == passage_id)) if is_id else None
        placed = self._placed_in([row.number], None, has_facts=has_facts) if row is not None else {}
        if row is None or row.number not in placed:
            raise RecordNotFound(
                f"Passage {passage_id[:40]!r} is gone: the corpus or the annotation that it came from was deleted."
            )
        return Passage(**placed[row.number])

    def search(self, asked: str, limit: int, scope: Scope, offset: int = 0) -> tuple[FoundPassage, ...]:
        """The passages that fit a text best, the best first; see `storage.corpora.search`.

        Args:
            asked: words, or a whole question.
            limit: maximum number of passages.
            scope: where to look.
            offset: passages to leave out first.
        """
        terms = telling_terms(self._session, asked)
        return self.found(found_numbers(self._session, terms, scope, limit, offset), scope)

    def found(self, found: Sequence[tuple[int, float]], scope: Scope) -> tuple[FoundPassage, ...]:
        """Passages by number with their scores, in this order, each with its place in the scope.

        Those that are not in the scope are left out.
        """
        placed = self._placed_in([number for number, _ in found], scope, has_facts=scope.has_facts)
        return tuple(FoundPassage(**placed[number], score=score) for number, score in found if number in placed)

    def _placed_in(self, numbers: Sequence[int], scope: Scope | None, *, has_facts: bool) -> dict[int, dict[str, Any]]:
        """By number, the fields of a `Passage`: the place in one of a scope's corpora, else a fact that counts."""
        place, row = CorpusPassageRow, PassageRow
        rows = {each.number: each for each in self._session.scalars(select(row).where(row.number.in_(numbers)))}
        found: dict[int, dict[str, Any]] = {}
        if has_facts:
            facts = (
                select(FactPassageRow)
                .join(AnnotationRow, AnnotationRow.id == FactPassageRow.annotation_id)
                .where(FactPassageRow.passage_number.in_(numbers), IS_CORRECTION)
                .where(AnnotationRow.revision == FactPassageRow.revision)
            )
            for fact in self._session.scalars(facts.order_by(FactPassageRow.annotation_id.desc())):
                found[fact.passage_number] = _as_fact(rows[fact.passage_number], fact)
        places = (
            select(place, CorpusRow)
            .join(CorpusRow, CorpusRow.id == place.corpus_id)
            .where(place.passage_number.in_(numbers), CorpusRow.is_complete)
            # The last one of each passage counts: the newest corpus's.
            .order_by(CorpusRow.created_at, CorpusRow.version, CorpusRow.id)
        )
        if scope is not None:
            places = places.where(place.corpus_id.in_(scope.corpus_ids))
        for at, corpus in self._session.execute(places):
            found[at.passage_number] = _placed(rows[at.passage_number], at, corpus)
        return found

    def numbers_of(self, given: Mapping[str, NewPassage]) -> dict[str, int]:
        """Numbers of passages by id; those that are missing are stored and indexed."""
        numbers = self._numbers(given)
        missing = [key for key in given if key not in numbers]
        if not missing:
            return numbers
        rows = [{"id": key, "heading": given[key].heading, "text": given[key].text} for key in missing]
        is_postgresql = self._session.get_bind().dialect.name == "postgresql"
        statement = (postgresql if is_postgresql else sqlite).insert(PassageRow).on_conflict_do_nothing()
        self._session.connection().execute(statement, rows)
        numbers |= self._numbers(missing)
        self._session.execute(
            _INDEX_POSTGRESQL if is_postgresql else _INDEX_SQLITE,
            [
                {
                    "number": numbers[key],
                    "heading": " ".join(words_of(given[key].heading)),
                    "words": " ".join(words_of(given[key].text)),
                }
                for key in missing
            ],
        )
        return numbers

    def _numbers(self, ids: Iterable[str]) -> dict[str, int]:
        found = select(PassageRow.id, PassageRow.number).where(PassageRow.id.in_(list(ids)))
        return {row.id: row.number for row in self._session.execute(found)}


def count_passages_only_in(session: Session, name: str) -> int:
    """Passages that nothing else than the versions of a corpus has, not even in the trash."""
    place, other = CorpusPassageRow, aliased(CorpusPassageRow)
    own = select(CorpusRow.id).where(CorpusRow.name == name)
    elsewhere = exists().where(other.passage_number == place.passage_number, other.corpus_id.not_in(own))
    is_fact = exists().where(FactPassageRow.passage_number == place.passage_number)
    found = select(func.count(place.passage_number.distinct())).where(place.corpus_id.in_(own), ~elsewhere, ~is_fact)
    return session.scalar(found) or 0


def delete_unused_passages(session: Session, numbers: Sequence[int]) -> None:
    """Delete those of the passages that no corpus, not even in the trash, and no annotation has any more."""
    used = exists().where(CorpusPassageRow.passage_number == PassageRow.number)
    is_fact = exists().where(FactPassageRow.passage_number == PassageRow.number)
    for begin in range(0, len(numbers), _BATCH):
        some = PassageRow.number.in_(numbers[begin : begin + _BATCH])
        session.execute(delete(PassageRow).where(some, ~used, ~is_fact), execution_options=_IN_TRASH)


def _as_corpus(row: CorpusRow) -> Corpus:
    return Corpus(**{name: getattr(row, name) for name in _FIELDS})


def _placed(row: PassageRow, at: CorpusPassageRow, corpus: CorpusRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "text": row.text,
        "heading": row.heading,
        "source": at.source or corpus.source,
        "page": at.page,
        "key": at.key,
        "corpus_id": corpus.id,
        "corpus": corpus.name,
        "version": corpus.version,
    }


def _as_fact(row: PassageRow, fact: FactPassageRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "text": row.text,
        "heading": row.heading,
        "source": "corrected fact of an annotation",
        "page": "",
        "key": fact.annotation_id,
        "corpus_id": "",
        "corpus": FACTS,
        "version": 0,
    }
