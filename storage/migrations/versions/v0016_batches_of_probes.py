"""Batches of probes are kept until they are over; the queue of cases reads the last answers of passes from an index.

Revision 0016, after 0015.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_LAST = "ix_checkpoint_last"


def upgrade() -> None:
    op.create_table(
        "probe_batch",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("allows_identifiers", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_probe_batch"),
    )
    op.create_index("ix_probe_batch_asked_by", "probe_batch", ["asked_by"])
    op.create_table(
        "probe_batch_item",
        sa.Column("batch_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("question_id", sa.String(32), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["probe_batch.id"], name="fk_probe_batch_item_batch_id_probe_batch", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name="fk_probe_batch_item_question_id_question", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "position", name="pk_probe_batch_item"),
    )
    op.create_index("ix_probe_batch_item_question_id", "probe_batch_item", ["question_id"])
    _index_last("trace_id", "letter", "id")


def downgrade() -> None:
    _index_last("trace_id", "letter")
    op.drop_table("probe_batch_item")
    op.drop_table("probe_batch")


def _index_last(*columns: str) -> None:
    """Make the index of the last answers of passes anew, with these columns."""
    op.drop_index(_LAST, "checkpoint")
    op.create_index(
        _LAST,
        "checkpoint",
        list(columns),
        sqlite_where=sa.text("is_last = 1"),
        postgresql_where=sa.text("is_last"),
    )
