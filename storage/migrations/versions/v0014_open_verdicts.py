"""Questions can have a reference answer, and answers to open questions verdicts of models and persons.

Revision 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("question", sa.Column("reference", sa.Text(), nullable=True))
    op.create_table(
        "open_verdict",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("checkpoint_id", sa.String(32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("judgement", sa.String(16), nullable=False),
        sa.Column("is_person", sa.Boolean(), nullable=False),
        sa.Column("judged_by", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["trace_id"], ["trace.id"], name="fk_open_verdict_trace_id_trace", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoint.id"], name="fk_open_verdict_checkpoint_id_checkpoint", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_open_verdict"),
    )
    op.create_index("ix_open_verdict_trace_id", "open_verdict", ["trace_id"])
    op.create_index("ix_open_verdict_checkpoint_id", "open_verdict", ["checkpoint_id"])


def downgrade() -> None:
    op.drop_table("open_verdict")
    with op.batch_alter_table("question") as batch:
        batch.drop_column("reference")
