"""Rows of a corpus's file that repeat its passages; SQLite's index of passages has the words that are searched for.

It had their raw text, which SQLite splits otherwise than `storage.search.words_of` splits a query: words with
ligatures, with the marks of many scripts, or with letters such as sharp s were not found. PostgreSQL's had the words.

Revision 0023, after 0022.
"""

import sqlalchemy as sa
from alembic import op

from storage.search import words_of

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


_BATCH = 1000
"""Passages that are in memory at once."""
_WORDS = (
    "DROP TRIGGER passage_index_insert",
    "DROP TRIGGER passage_index_delete",
    "DROP TABLE passage_index",
    # The words have no ASCII but lower-case letters and digits, with spaces between them. The index keeps them: to take
    # a passage out of it, it has to know them as they were split.
    "CREATE VIRTUAL TABLE passage_index USING fts5(heading, text, tokenize='porter ascii')",
    """CREATE TRIGGER passage_index_delete AFTER DELETE ON passage BEGIN
        DELETE FROM passage_index WHERE rowid = old.number;
    END""",
)
_RAW_TEXT = (
    "DROP TRIGGER passage_index_delete",
    "DROP TABLE passage_index",
    """CREATE VIRTUAL TABLE passage_index USING fts5(
        heading, text, content='passage', content_rowid='number', tokenize='porter unicode61 remove_diacritics 2')""",
    """CREATE TRIGGER passage_index_insert AFTER INSERT ON passage BEGIN
        INSERT INTO passage_index (rowid, heading, text) VALUES (new.number, new.heading, new.text);
    END""",
    """CREATE TRIGGER passage_index_delete AFTER DELETE ON passage BEGIN
        INSERT INTO passage_index (passage_index, rowid, heading, text)
        VALUES ('delete', old.number, old.heading, old.text);
    END""",
    "INSERT INTO passage_index (passage_index) VALUES ('rebuild')",
)
_SOME_PASSAGES = sa.text("SELECT number, heading, text FROM passage WHERE number > :after ORDER BY number LIMIT :most")
_INDEX = sa.text("INSERT INTO passage_index (rowid, heading, text) VALUES (:number, :heading, :text)")


def upgrade() -> None:
    _create_repeats()
    if op.get_bind().dialect.name == "sqlite":
        for statement in _WORDS:
            op.execute(statement)
        _index_all()


def downgrade() -> None:
    op.drop_table("corpus_repeat")
    if op.get_bind().dialect.name == "sqlite":
        for statement in _RAW_TEXT:
            op.execute(statement)


def _index_all() -> None:
    connection, last = op.get_bind(), -1
    while rows := connection.execute(_SOME_PASSAGES, {"after": last, "most": _BATCH}).all():
        words = [
            {"number": each.number, "heading": " ".join(words_of(each.heading)), "text": " ".join(words_of(each.text))}
            for each in rows
        ]
        connection.execute(_INDEX, words)
        last = rows[-1].number


def _create_repeats() -> None:
    op.create_table(
        "corpus_repeat",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("corpus_id", sa.String(32), nullable=False),
        *[sa.Column(name, sa.Integer(), nullable=False) for name in ("position", "passage_number")],
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("source", "key")],
        sa.ForeignKeyConstraint(
            ["corpus_id"], ["corpus.id"], name="fk_corpus_repeat_corpus_id_corpus", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["passage_number"], ["passage.number"], name="fk_corpus_repeat_passage_number_passage", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_corpus_repeat"),
    )
    op.create_index("ix_corpus_repeat_corpus_id_position", "corpus_repeat", ["corpus_id", "position"])
    op.create_index("ix_corpus_repeat_passage_number", "corpus_repeat", ["passage_number"])
