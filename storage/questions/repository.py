"""Questions: each stored once, however often it is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.columns import check_storable
from storage.errors import InvalidRecord, not_found
from storage.questions.records import NewQuestion, Question, content_hash
from storage.questions.tables import QuestionRow
from storage.search import index_question, index_questions, question_matches

_BATCH_QUESTIONS = 1000
_COLUMNS = [column.name for column in fields(Question)]


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def as_question(row: QuestionRow) -> Question:
    """Convert a row to its record."""
    values = {name: getattr(row, name) for name in _COLUMNS}
    return Question(**values | {"tags": tuple(row.tags)})


class QuestionRepository:
    """Questions in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def upsert(self, question: NewQuestion) -> Question:
        """Return the stored question with the same content, storing this one if there is none.

        An existing question is left unchanged: it keeps its first source, title and tags.

        Raises:
            InvalidRecord: a text holds NUL or a lone surrogate, or the stem is blank.
        """
        _check(question)
        values = self._values(question)
        made_id = self._session.scalar(self._insert().values(values).on_conflict_do_nothing().returning(QuestionRow.id))
        if made_id is not None:
            index_question(self._session, made_id, (question.stem, *question.options.values()))
        found = select(QuestionRow).where(QuestionRow.content_hash == values["content_hash"])
        return as_question(self._session.scalars(found).one())

    def upsert_all(self, questions: Sequence[NewQuestion]) -> tuple[str, ...]:
        """Bulk version of `upsert`: return the ids of the stored questions, in order.

        Raises:
            InvalidRecord: a text holds NUL or a lone surrogate, or a stem is blank; nothing is stored then.
        """
        made: dict[str, dict[str, Any]] = {}
        hashes = []
        for question in questions:
            _check(question)
            values = self._values(question)
            hashes.append(values["content_hash"])
            made.setdefault(values["content_hash"], values)
        kept: dict[str, str] = {}
        for begin in range(0, len(made), _BATCH_QUESTIONS):
            kept |= self._keep(list(made.values())[begin : begin + _BATCH_QUESTIONS])
        return tuple(kept[each] for each in hashes)

    def _keep(self, batch: list[dict[str, Any]]) -> dict[str, str]:
        """Return ids by content hash; new questions are inserted and indexed for search."""
        ids = self._ids(batch)
        missing = [values for values in batch if values["content_hash"] not in ids]
        if not missing:
            return ids
        self._session.connection().execute(self._insert().on_conflict_do_nothing(), missing)
        # Another transaction may have stored the same question meanwhile, under a different id.
        ids |= self._ids(missing)
        new = (values for values in missing if ids[values["content_hash"]] == values["id"])
        index_questions(self._session, {each["id"]: (each["stem"], *each["options"].values()) for each in new})
        return ids

    def _ids(self, batch: list[dict[str, Any]]) -> dict[str, str]:
        hashes = [values["content_hash"] for values in batch]
        found = select(QuestionRow.content_hash, QuestionRow.id).where(QuestionRow.content_hash.in_(hashes))
        return {row.content_hash: row.id for row in self._session.execute(found)}

    def _values(self, question: NewQuestion) -> dict[str, Any]:
        given = {column.name: getattr(question, column.name) for column in fields(NewQuestion)}
        return given | {
            "id": uuid4().hex,
            "options": dict(question.options),
            "tags": list(question.tags),
            "content_hash": content_hash(question.stem, question.options, question.target),
            "created_at": self._now(),
        }

    def _insert(self) -> sqlite.Insert | postgresql.Insert:
        is_postgresql = self._session.get_bind().dialect.name == "postgresql"
        return postgresql.insert(QuestionRow) if is_postgresql else sqlite.insert(QuestionRow)

    def get(self, question_id: str) -> Question:
        """Return the question with this id.

        Raises:
            RecordNotFound: no record has that id.
        """
        # Our ids are hexadecimal; the database may reject anything else.
        row = self._session.get(QuestionRow, question_id) if question_id.isalnum() else None
        if row is None:
            raise not_found("question", question_id)
        return as_question(row)

    def set_reference(self, question_id: str, reference: str) -> None:
        """Say what a right answer to an open question says.

        Raises:
            RecordNotFound: no record has that id.
            InvalidRecord: the text holds NUL or a lone surrogate.
        """
        self.get(question_id)
        self._session.execute(update(QuestionRow).where(QuestionRow.id == question_id).values(reference=reference))

    def put_tags(self, tags: Mapping[str, Sequence[str]]) -> None:
        """Give questions other tags.

        Args:
            tags: all tags of a question, by its id; ids of questions that are gone are left out.

        Raises:
            InvalidRecord: a tag holds NUL or a lone surrogate; nothing is stored then.
        """
        _check_texts([("A tag", tag) for each in tags.values() for tag in each])
        for question_id, each in tags.items():
            row = update(QuestionRow).where(QuestionRow.id == question_id)
            self._session.execute(row.values(tags=list(dict.fromkeys(each))))

    def recent(self, limit: int = 50, text: str = "") -> Sequence[Question]:
        """Questions, newest first.

        Args:
            limit: maximum number of results.
            text: words to find in stem and options, the last one as a prefix; blank matches everything.
        """
        query = select(QuestionRow).order_by(QuestionRow.created_at.desc(), QuestionRow.id.desc())
        if text.strip():
            query = query.where(question_matches(self._session, text))
        return tuple(as_question(row) for row in self._session.scalars(query.limit(max(1, limit))))


def _check(question: NewQuestion) -> None:
    if not question.stem.strip():
        raise InvalidRecord("The question is empty. Enter one.")
    texts = [("The question", question.stem), ("The target", question.target or "")]
    for letter, text in question.options.items():
        texts += [("An option's letter", letter), (f"Option {letter}", text)]
    texts += [("A tag", tag) for tag in question.tags]
    _check_texts(texts)


def _check_texts(texts: Sequence[tuple[str, str]]) -> None:
    """Reject texts that cannot be stored, given with what they are."""
    try:
        for name, text in texts:
            check_storable(text, name)
    except ValueError as exc:
        raise InvalidRecord(f"{exc}.") from exc
