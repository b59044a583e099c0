"""Vectors of a corpus's passages, for the search by meaning; and what engines say of their prefix cache.

Revision 0022, after 0021.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_REPORTED = ("prompt_reported", "cached_reported")


def upgrade() -> None:
    op.create_table(
        "corpus_embedding",
        _corpus_id(),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("passage_count", sa.Integer(), nullable=False),
        sa.Column("sample", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        _key("corpus_embedding", "corpus"),
        sa.PrimaryKeyConstraint("corpus_id", name="pk_corpus_embedding"),
    )
    op.create_table(
        "corpus_vectors",
        _corpus_id(),
        sa.Column("first_position", sa.Integer(), nullable=False),
        sa.Column("vectors", sa.LargeBinary(), nullable=False),
        _key("corpus_vectors", "corpus_embedding"),
        sa.PrimaryKeyConstraint("corpus_id", "first_position", name="pk_corpus_vectors"),
    )
    with op.batch_alter_table("strategy_request") as batch:
        for name in _REPORTED:
            batch.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("strategy_request") as batch:
        for name in _REPORTED:
            batch.alter_column(name, server_default=None)


def downgrade() -> None:
    op.drop_table("corpus_vectors")
    op.drop_table("corpus_embedding")
    with op.batch_alter_table("strategy_request") as batch:
        for name in _REPORTED:
            batch.drop_column(name)


def _corpus_id() -> sa.Column[str]:
    return sa.Column("corpus_id", sa.String(32), nullable=False)


def _key(table: str, to: str) -> sa.ForeignKeyConstraint:
    column = "id" if to == "corpus" else "corpus_id"
    return sa.ForeignKeyConstraint(
        ["corpus_id"], [f"{to}.{column}"], name=f"fk_{table}_corpus_id_{to}", ondelete="CASCADE"
    )
