"""The tables of corpora. A passage is stored once, however many corpora have it.

The full-text index `passage_index` exists only in the migrations, because it differs by dialect: an FTS5 table in
SQLite, a table of tsvectors in PostgreSQL.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, Discardable, Id, trash_index
from storage.columns import PersonText

_IS_KEPT = text("trash_id IS NULL")


class CorpusRow(Discardable, Base):
    """One version of a corpus without its passages."""

    __tablename__ = "corpus"
    __table_args__ = (
        trash_index("corpus"),
        # A name is free again once its corpus is in the trash.
        Index(None, "name", "version", unique=True, sqlite_where=_IS_KEPT, postgresql_where=_IS_KEPT),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(PersonText("the corpus's name"))
    version: Mapped[int]
    source: Mapped[str]
    licence: Mapped[str] = mapped_column(PersonText("the licence note"))
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    passage_count: Mapped[int]
    duplicate_count: Mapped[int]
    shared_count: Mapped[int]
    is_complete: Mapped[bool]
    """False while its passages are being stored; then nobody sees it."""


class PassageRow(Base):
    """A passage."""

    __tablename__ = "passage"

    number: Mapped[int] = mapped_column(primary_key=True)
    """Also the row id in the full-text index."""
    id: Mapped[str] = mapped_column(Id, unique=True)
    heading: Mapped[str]
    text: Mapped[str]


class CorpusPassageRow(Base):
    """A place in a corpus that a passage comes from."""

    __tablename__ = "corpus_passage"
    __table_args__ = (Index(None, "passage_number", "corpus_id"),)

    corpus_id: Mapped[str] = mapped_column(Id, ForeignKey("corpus.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    passage_number: Mapped[int] = mapped_column(ForeignKey("passage.number"))
    source: Mapped[str]
    page: Mapped[str]
    key: Mapped[str]


class CorpusEmbeddingRow(Base):
    """Which model has made the vectors of a corpus, and how many of its passages have one: the first ones."""

    __tablename__ = "corpus_embedding"

    corpus_id: Mapped[str] = mapped_column(Id, ForeignKey("corpus.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(PersonText("the embedding model"))
    passage_count: Mapped[int]
    sample: Mapped[bytes]
    """The model's vector of a text that is always the same: another model's differs."""
    made_at: Mapped[datetime]


class CorpusVectorsRow(Base):
    """The vectors of passages that follow each other in a corpus, as little-endian 32-bit floats.

    Many in a row: a search reads all of them, and one row for each passage takes six times as long (ADR 0029). None is
    of a corrected fact, so that nothing of an annotation is here.
    """

    __tablename__ = "corpus_vectors"

    corpus_id: Mapped[str] = mapped_column(
        Id, ForeignKey("corpus_embedding.corpus_id", ondelete="CASCADE"), primary_key=True
    )
    first_position: Mapped[int] = mapped_column(primary_key=True)
    vectors: Mapped[bytes]


class CorpusRepeatRow(Base):
    """Another row of a corpus's file that has a passage which the corpus has already."""

    __tablename__ = "corpus_repeat"
    __table_args__ = (Index(None, "corpus_id", "position"),)

    number: Mapped[int] = mapped_column(primary_key=True)
    corpus_id: Mapped[str] = mapped_column(Id, ForeignKey("corpus.id", ondelete="CASCADE"))
    position: Mapped[int]
    """Of the next passage that the corpus did not have yet."""
    passage_number: Mapped[int] = mapped_column(ForeignKey("passage.number", ondelete="CASCADE"), index=True)
    source: Mapped[str]
    key: Mapped[str]
    """Never empty: only rows are told apart by what else they have."""


class FactPassageRow(Base):
    """The passage made of an annotation's corrected fact."""

    __tablename__ = "fact_passage"

    annotation_id: Mapped[str] = mapped_column(Id, ForeignKey("annotation.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int]
    """The annotation's, of which this is the fact."""
    question_id: Mapped[str] = mapped_column(Id, index=True)
    """The question on which the annotation was made."""
    passage_number: Mapped[int] = mapped_column(ForeignKey("passage.number"), index=True)
