"""Question sets: named lists of stored questions."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import ColumnElement, Text, cast, delete, exists, func, insert, or_, select
from sqlalchemy.orm import Session, aliased

from storage.benchmarks.tables import BenchmarkItemRow
from storage.errors import InvalidRecord, RecordNotFound, not_found
from storage.probe_batches.tables import ProbeBatchItemRow
from storage.question_sets.records import QuestionSet
from storage.question_sets.tables import QuestionSetMemberRow, QuestionSetRow
from storage.questions.records import NewQuestion, Question
from storage.questions.repository import QuestionRepository, as_question, utc_now
from storage.questions.tables import QuestionRow
from storage.search import question_matches
from storage.strategies.tables import StrategyRunRow
from storage.sweeps.tables import SweepRow
from storage.traces.tables import TraceRow
from storage.trash.tables import WITH_TRASH

_BATCH_QUESTIONS = 1000


class QuestionSetRepository:
    """Question sets in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, name: str, source: str, layout: str, sha256: str, questions: Sequence[NewQuestion]) -> QuestionSet:
        """Store a set; questions already stored, or repeated in the set, are stored once.

        Args:
            name: unique.
            source: the file or hub address it comes from.
            layout: id of the layout it was read with.
            sha256: hex digest of the file; empty if there was none.
            questions: the questions, in order.

        Raises:
            InvalidRecord: the name is blank or taken, or a text cannot be stored; nothing is stored then.
        """
        self._check_name(name)
        kept = QuestionRepository(self._session, self._now).upsert_all(questions)
        return self.add_kept(name, source, layout, sha256, kept)

    def add_kept(self, name: str, source: str, layout: str, sha256: str, question_ids: Sequence[str]) -> QuestionSet:
        """Store a set of questions that are already stored; duplicate ids count once.

        Raises:
            InvalidRecord: the name is blank or taken, or an id is unknown.
        """
        self._check_name(name)
        members = tuple(dict.fromkeys(question_ids))
        row = QuestionSetRow(
            id=uuid4().hex,
            name=name,
            source=source,
            layout=layout,
            sha256=sha256,
            created_at=self._now(),
            question_count=len(members),
        )
        self._session.add(row)
        self._session.flush()
        for begin in range(0, len(members), _BATCH_QUESTIONS):
            places = [
                {"set_id": row.id, "position": begin + position, "question_id": question_id}
                for position, question_id in enumerate(members[begin : begin + _BATCH_QUESTIONS])
            ]
            self._session.execute(insert(QuestionSetMemberRow), places)
        return _as_set(row)

    def _check_name(self, name: str) -> None:
        if not name.strip():
            raise InvalidRecord("The question set has no name. Enter one.")
        if self.find(name) is not None:
            raise InvalidRecord(f"A question set named {name!r} already exists. Give this one another name.")

    def all(self) -> tuple[QuestionSet, ...]:
        """All sets, by name."""
        return tuple(map(_as_set, self._session.scalars(select(QuestionSetRow).order_by(QuestionSetRow.name))))

    def find(self, name: str) -> QuestionSet | None:
        """Return the set with this name, or None."""
        if not name.isprintable():
            return None
        row = self._session.scalars(select(QuestionSetRow).where(QuestionSetRow.name == name)).one_or_none()
        return None if row is None else _as_set(row)

    def get(self, name: str) -> QuestionSet:
        """Return the set with this name.

        Raises:
            RecordNotFound: no record has that id.
        """
        found = self.find(name)
        if found is None:
            raise RecordNotFound(f"Question set {name[:80]!r} not found. Import it, or choose another.")
        return found

    def by_id(self, set_id: str) -> QuestionSet:
        """Return the set with this id.

        Raises:
            RecordNotFound: no record has that id.
        """
        row = self._session.get(QuestionSetRow, set_id) if set_id.isalnum() and set_id.isascii() else None
        if row is None:
            raise not_found("question set", set_id)
        return _as_set(row)

    def questions(self, set_id: str, limit: int | None = None, offset: int = 0, text: str = "") -> tuple[Question, ...]:
        """Questions of a set in order; empty for an unknown set.

        Args:
            set_id: id of the set.
            limit: maximum number of questions; None for all.
            offset: number of questions to skip.
            text: words to find in stem and options, the last one as a prefix; blank matches everything.
        """
        member = QuestionSetMemberRow
        query = (
            select(QuestionRow)
            .join(member, member.question_id == QuestionRow.id)
            .where(member.set_id == set_id)
            .order_by(member.position)
        )
        if text.strip():
            query = query.where(question_matches(self._session, text))
        rows = self._session.scalars(query.limit(limit).offset(max(0, offset)))
        return tuple(map(as_question, rows))

    def content_hashes(self, set_id: str) -> tuple[str, ...]:
        """Content hashes of a set's questions, sorted; empty for an unknown set."""
        member = QuestionSetMemberRow
        query = select(QuestionRow.content_hash).join(member, member.question_id == QuestionRow.id)
        return tuple(self._session.scalars(query.where(member.set_id == set_id).order_by(QuestionRow.content_hash)))

    def has_all(self, set_id: str, question_ids: Collection[str]) -> bool:
        """Whether a set has all of these questions."""
        member = QuestionSetMemberRow
        there = self._session.scalars(select(member.question_id).where(member.set_id == set_id))
        return frozenset(question_ids) <= frozenset(there)

    def has_open_questions(self, names: Sequence[str]) -> bool:
        """Whether any of these sets has a question with a reference answer in place of options."""
        member = QuestionSetMemberRow
        query = (
            select(member.question_id)
            .join(QuestionSetRow, QuestionSetRow.id == member.set_id)
            .join(QuestionRow, QuestionRow.id == member.question_id)
            .where(
                QuestionSetRow.name.in_([name for name in names if name.isprintable()]),
                QuestionRow.reference.is_not(None),
            )
        )
        return self._session.scalar(query.limit(1)) is not None

    def count_open(self, set_id: str, limit: int | None = None) -> int:
        """Number of questions without options among the first `limit` of a set, all for None; 0 for an unknown set."""
        member = QuestionSetMemberRow
        first = (
            select(cast(QuestionRow.options, Text).label("options"))
            .join(member, member.question_id == QuestionRow.id)
            .where(member.set_id == set_id)
            .order_by(member.position)
            .limit(limit)
            .subquery()
        )
        return self._session.scalar(select(func.count()).select_from(first).where(first.c.options == "{}")) or 0

    def names_with(self, question_id: str) -> tuple[str, ...]:
        """Names of the sets that have a question, sorted."""
        rows = self._session.scalars(
            select(QuestionSetRow.name)
            .join(QuestionSetMemberRow, QuestionSetMemberRow.set_id == QuestionSetRow.id)
            .where(QuestionSetMemberRow.question_id == question_id, QuestionSetRow.trash_id.is_(None))
            .order_by(QuestionSetRow.name)
        )
        return tuple(rows)

    def delete_unused(self, created_at: datetime, sources: Sequence[str], limit: int) -> int:
        """Delete questions that no set, run, sweep or trace refers to; return how many.

        Args:
            created_at: when they were added, exactly.
            sources: where they came from, one of these.
            limit: maximum number to delete.
        """
        added = (QuestionRow.created_at == created_at) & QuestionRow.source.in_(sources)
        unused_ids = select(QuestionRow.id).where(added & ~_is_in_use()).limit(limit)
        # What is in the trash may come back.
        ids = self._session.scalars(unused_ids, execution_options={WITH_TRASH: True}).all()
        if ids:
            unused = QuestionRow.id.in_(ids)
            self._session.execute(delete(QuestionRow).where(unused).execution_options(synchronize_session=False))
        return len(ids)


def count_questions_only_in(session: Session, set_id: str) -> int:
    """Questions that were imported with a set and that nothing else refers to, not even in the trash."""
    member, row, other = QuestionSetMemberRow, QuestionSetRow, aliased(QuestionSetMemberRow)
    elsewhere = exists().where(other.question_id == QuestionRow.id, other.set_id != set_id)
    query = select(func.count()).select_from(member).join(QuestionRow, QuestionRow.id == member.question_id)
    query = query.join(row, (row.id == member.set_id) & (row.name == QuestionRow.source))
    found = query.where(member.set_id == set_id, ~elsewhere, ~_is_asked())
    return session.scalar(found, execution_options={WITH_TRASH: True}) or 0


def delete_unused_questions(session: Session, question_ids: Sequence[str], source: str) -> None:
    """Delete those of the questions that were imported with a set and that nothing refers to any more.

    Args:
        session: the transaction.
        question_ids: the questions.
        source: the set's name.
    """
    options = {"synchronize_session": False, WITH_TRASH: True}
    for begin in range(0, len(question_ids), _BATCH_QUESTIONS):
        ids = question_ids[begin : begin + _BATCH_QUESTIONS]
        unused = QuestionRow.id.in_(ids) & (QuestionRow.source == source) & ~_is_in_use()
        session.execute(delete(QuestionRow).where(unused), execution_options=options)


def _is_in_use() -> ColumnElement[bool]:
    return _is_asked() | exists().where(QuestionSetMemberRow.question_id == QuestionRow.id)


def _is_asked() -> ColumnElement[bool]:
    users = (BenchmarkItemRow, ProbeBatchItemRow, SweepRow, StrategyRunRow, TraceRow)
    return or_(*(exists().where(user.question_id == QuestionRow.id) for user in users))


def _as_set(row: QuestionSetRow) -> QuestionSet:
    return QuestionSet(
        id=row.id,
        name=row.name,
        source=row.source,
        layout=row.layout,
        sha256=row.sha256,
        created_at=row.created_at,
        question_count=row.question_count,
    )
