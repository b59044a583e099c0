"""Benchmark runs ask open questions, which no rule scores and a judge does, and say whether tokens were guessed.

Revision 0018, after 0017.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("benchmark_run") as batch:
        batch.add_column(sa.Column("judge", sa.Text(), nullable=False, server_default=""))
        batch.add_column(sa.Column("speculation", sa.Text(), nullable=True))
    with op.batch_alter_table("benchmark_run") as batch:
        batch.alter_column("judge", server_default=None)
    with op.batch_alter_table("benchmark_result") as batch:
        batch.alter_column("is_correct", existing_type=sa.Boolean(), nullable=True)


def downgrade() -> None:
    op.execute("UPDATE benchmark_result SET is_correct = FALSE WHERE is_correct IS NULL")
    with op.batch_alter_table("benchmark_result") as batch:
        batch.alter_column("is_correct", existing_type=sa.Boolean(), nullable=False)
    with op.batch_alter_table("benchmark_run") as batch:
        batch.drop_column("speculation")
        batch.drop_column("judge")
