"""Corpora, their passages and the full-text index of these.

Revision 0019, after 0018.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_SQLITE_INDEX = (
    # With positions: without them, bm25() would read and split each text that is found.
    """CREATE VIRTUAL TABLE passage_index USING fts5(
        heading, text, content='passage', content_rowid='number', tokenize='porter unicode61 remove_diacritics 2')""",
    """CREATE TRIGGER passage_index_insert AFTER INSERT ON passage BEGIN
        INSERT INTO passage_index (rowid, heading, text) VALUES (new.number, new.heading, new.text);
    END""",
    """CREATE TRIGGER passage_index_delete AFTER DELETE ON passage BEGIN
        INSERT INTO passage_index (passage_index, rowid, heading, text)
        VALUES ('delete', old.number, old.heading, old.text);
    END""",
)
_POSTGRESQL_INDEX = (
    # A table of its own: a scan of the passages themselves does not read the vectors.
    """CREATE TABLE passage_index (
        number integer PRIMARY KEY REFERENCES passage (number) ON DELETE CASCADE, words tsvector NOT NULL)""",
    "CREATE INDEX passage_index_words ON passage_index USING gin (words)",
    # How often the 3,000 most common words occur decides which words of a question are searched for.
    "ALTER TABLE passage_index ALTER COLUMN words SET STATISTICS 300",
)


def upgrade() -> None:
    _create_corpus()
    op.create_table(
        "passage",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        _text("heading"),
        _text("text"),
        sa.PrimaryKeyConstraint("number", name="pk_passage"),
        sa.UniqueConstraint("id", name="uq_passage_id"),
    )
    _create_corpus_passage()
    _create_fact_passage()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE_INDEX if is_sqlite else _POSTGRESQL_INDEX:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("passage_index")
    for table in ("fact_passage", "corpus_passage", "passage", "corpus"):
        op.drop_table(table)


def _create_corpus() -> None:
    op.create_table(
        "corpus",
        sa.Column("id", sa.String(32), nullable=False),
        _text("name"),
        _whole("version"),
        _text("source"),
        _text("licence"),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *map(_whole, ("passage_count", "duplicate_count", "shared_count")),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("trash_id", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_corpus"),
    )
    kept, in_trash = sa.text("trash_id IS NULL"), sa.text("trash_id IS NOT NULL")
    op.create_index(
        "ix_corpus_name_version",
        "corpus",
        ["name", "version"],
        unique=True,
        sqlite_where=kept,
        postgresql_where=kept,
    )
    op.create_index("ix_corpus_trash_id", "corpus", ["trash_id"], sqlite_where=in_trash, postgresql_where=in_trash)


def _create_corpus_passage() -> None:
    op.create_table(
        "corpus_passage",
        sa.Column("corpus_id", sa.String(32), nullable=False),
        _whole("position"),
        _whole("passage_number"),
        *map(_text, ("source", "page", "key")),
        sa.ForeignKeyConstraint(
            ["corpus_id"], ["corpus.id"], name="fk_corpus_passage_corpus_id_corpus", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["passage_number"], ["passage.number"], name="fk_corpus_passage_passage_number_passage"
        ),
        sa.PrimaryKeyConstraint("corpus_id", "position", name="pk_corpus_passage"),
    )
    op.create_index("ix_corpus_passage_passage_number_corpus_id", "corpus_passage", ["passage_number", "corpus_id"])


def _create_fact_passage() -> None:
    op.create_table(
        "fact_passage",
        sa.Column("annotation_id", sa.String(32), nullable=False),
        _whole("revision"),
        sa.Column("question_id", sa.String(32), nullable=False),
        _whole("passage_number"),
        sa.ForeignKeyConstraint(
            ["annotation_id"], ["annotation.id"], name="fk_fact_passage_annotation_id_annotation", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["passage_number"], ["passage.number"], name="fk_fact_passage_passage_number_passage"),
        sa.PrimaryKeyConstraint("annotation_id", name="pk_fact_passage"),
    )
    op.create_index("ix_fact_passage_question_id", "fact_passage", ["question_id"])
    op.create_index("ix_fact_passage_passage_number", "fact_passage", ["passage_number"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)
