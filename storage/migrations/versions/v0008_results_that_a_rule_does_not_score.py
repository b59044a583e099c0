"""A result may say that the published scorer does not score it: its question has several right options.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("benchmark_result") as batch:
        batch.alter_column("m1_is_correct", existing_type=sa.Boolean(), nullable=True)


def downgrade() -> None:
    op.execute("UPDATE benchmark_result SET m1_is_correct = false WHERE m1_is_correct IS NULL")
    with op.batch_alter_table("benchmark_result") as batch:
        batch.alter_column("m1_is_correct", existing_type=sa.Boolean(), nullable=False)
