"""Full-text search that gives the same results on SQLite and PostgreSQL.

The databases' own tokenizers disagree about accents, hyphens, numbers and newer scripts. So texts are split into words
here, and the databases index these words: SQLite in an FTS5 table, PostgreSQL in a GIN index over a tsvector. Queries
go through the same function, so no character of theirs can reach the query syntax.

A text matches if it has every word of the query, the last one as a prefix, in any order. Case, accents and
compatibility forms do not matter, nor does whether a word of medicine is spelled in the British or the American way
(`spellings.py`). Not supported: phrases, word stems, and matches inside a run of text without spaces (Chinese,
Japanese, Thai), which counts as one word.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    Text,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, aliased, mapped_column

from storage.base import Base, Id
from storage.questions.tables import QuestionRow
from storage.spellings import Spelling, spellings_of, spellings_of_beginning
from storage.sweeps.tables import SweepRow
from storage.traces.tables import TraceRow

MAX_WORD_CHARACTERS = 64
"""Longer words are truncated, in texts and queries alike."""
MAX_QUERY_WORDS = 32
"""Further words of a query are ignored, except the last."""
MAX_ENTRY_BYTES = 500_000
"""Maximum distinct words indexed per entry; PostgreSQL limits a tsvector to 1 MB. A trace has about 20 KB."""

_WORD = re.compile(r"[^\W_]+")
_INVISIBLE = frozenset({"Mn", "Mc", "Me", "Cf"})

_SQLITE_INDEX = table("search_index", column("rowid"), column("search_index"))


class SearchEntryRow(Base):
    """The searchable words of one question, of one trace that has ended or has a name, or of one sweep with a name."""

    __tablename__ = "search_entry"
    __table_args__ = (Index(None, "sweep_id", unique=True),)

    number: Mapped[int] = mapped_column(primary_key=True)
    """Also the row id in SQLite's full-text index."""
    question_id: Mapped[str | None] = mapped_column(Id, ForeignKey("question.id", ondelete="CASCADE"), unique=True)
    trace_id: Mapped[str | None] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), unique=True)
    sweep_id: Mapped[str | None] = mapped_column(Id, ForeignKey("sweep.id", ondelete="CASCADE"))
    words: Mapped[str]
    """Distinct words from `search.words_of`, separated by single spaces."""


def words_of(text: str) -> list[str]:
    """Words of `text` in order: lower case, without accents, letters and digits only."""
    return [word[:MAX_WORD_CHARACTERS] for word in _WORD.findall(plainly_spelled(text).casefold())]


def plainly_spelled(text: str) -> str:
    """A text without accents, invisible characters and compatibility forms; the case stays."""
    if text.isascii():
        return text
    spelled = unicodedata.normalize("NFKD", text)
    return "".join(char for char in spelled if unicodedata.category(char) not in _INVISIBLE)


def index_question(session: Session, question_id: str, texts: Iterable[str]) -> None:
    """Index `texts` for a question that has no entry yet."""
    session.add(SearchEntryRow(question_id=question_id, words=_entry_words(texts)))
    session.flush()


def index_questions(session: Session, texts: Mapping[str, Sequence[str]]) -> None:
    """Bulk version of `index_question`, by question id."""
    entries = [{"question_id": question_id, "words": _entry_words(each)} for question_id, each in texts.items()]
    if entries:
        session.execute(insert(SearchEntryRow), entries)


def index_trace(session: Session, trace_id: str, texts: Iterable[str]) -> None:
    """Index `texts` for a trace, replacing its previous entry."""
    session.execute(delete(SearchEntryRow).where(SearchEntryRow.trace_id == trace_id))
    session.add(SearchEntryRow(trace_id=trace_id, words=_entry_words(texts)))
    session.flush()


def index_sweep(session: Session, sweep_id: str, texts: Iterable[str]) -> None:
    """Index `texts` for a sweep, replacing its previous entry; a sweep without one is found by its question."""
    session.execute(delete(SearchEntryRow).where(SearchEntryRow.sweep_id == sweep_id))
    session.add(SearchEntryRow(sweep_id=sweep_id, words=_entry_words(texts)))
    session.flush()


def _entry_words(texts: Iterable[str]) -> str:
    distinct = dict.fromkeys(word for text in texts for word in words_of(text))
    words = " ".join(distinct)
    if len(words.encode()) <= MAX_ENTRY_BYTES:
        return words
    kept = words.encode()[:MAX_ENTRY_BYTES].decode(errors="ignore")
    return kept.rpartition(" ")[0]


def trace_matches(session: Session, text: str) -> ColumnElement[bool]:
    """Condition on `TraceRow`: the trace or its question has the words of `text`."""
    entry = SearchEntryRow
    hits = (
        select(entry.trace_id, entry.question_id).where(entry.number.in_(_found(session, words_of(text)))).cte("hits")
    )
    by_trace = select(hits.c.trace_id).where(hits.c.trace_id.is_not(None))
    by_question = select(hits.c.question_id).where(hits.c.question_id.is_not(None))
    return TraceRow.id.in_(by_trace) | TraceRow.question_id.in_(by_question)


def sweep_matches(session: Session, text: str) -> ColumnElement[bool]:
    """Condition on `SweepRow`: the sweep or its question has the words of `text`."""
    numbers = SearchEntryRow.number.in_(_found(session, words_of(text)))
    by_sweep = select(SearchEntryRow.sweep_id).where(numbers, SearchEntryRow.sweep_id.is_not(None))
    return SweepRow.id.in_(by_sweep) | SweepRow.question_id.in_(
        select(SearchEntryRow.question_id).where(numbers, SearchEntryRow.question_id.is_not(None))
    )


def question_matches(session: Session, text: str) -> ColumnElement[bool]:
    """Condition on `QuestionRow`: the question has the words of `text`."""
    entry = SearchEntryRow
    numbers = entry.number.in_(_found(session, words_of(text)))
    return QuestionRow.id.in_(select(entry.question_id).where(numbers, entry.question_id.is_not(None)))


def number_matches(session: Session, text: str, number: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Condition on a column of question entry numbers: the question has the words of `text`."""
    return number.in_(_found(session, words_of(text)))


def entry_numbers(session: Session, question_ids: Collection[str]) -> Mapping[str, int]:
    """Entry numbers by question id."""
    entry = SearchEntryRow
    found = session.execute(select(entry.question_id, entry.number).where(entry.question_id.in_(question_ids)))
    return {each.question_id: each.number for each in found}


def _found(session: Session, words: list[str]) -> Select[int]:
    """Numbers of the entries with these words; a query without words (only punctuation, say) matches nothing."""
    entry = aliased(SearchEntryRow)
    if not words:
        return select(entry.number).where(literal(False))
    whole, beginning = list(dict.fromkeys(words[:-1]))[: MAX_QUERY_WORDS - 1], words[-1]
    wanted = [*map(spellings_of, whole), spellings_of_beginning(beginning)]
    if session.get_bind().dialect.name == "postgresql":
        has_words = func.search_vector(entry.words).op("@@", is_comparison=True)
        return select(entry.number).where(has_words(cast(literal(_postgresql_query(wanted), Text), TSQUERY)))
    return select(_SQLITE_INDEX.c.rowid).where(_SQLITE_INDEX.c.search_index.op("MATCH")(_sqlite_query(wanted)))


def _postgresql_query(wanted: Sequence[Sequence[Spelling]]) -> str:
    """A tsquery: one of the spellings of each word. The words have letters and digits only."""
    groups = (" | ".join(f"'{each.text}'{':*' * each.is_beginning}" for each in group) for group in wanted)
    return " & ".join(f"({group})" for group in groups)


def _sqlite_query(wanted: Sequence[Sequence[Spelling]]) -> str:
    """The same for FTS5."""
    groups = (" OR ".join(f'"{each.text}"{" *" * each.is_beginning}' for each in group) for group in wanted)
    return " AND ".join(f"({group})" for group in groups)
