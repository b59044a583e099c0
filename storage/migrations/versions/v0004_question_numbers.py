"""Benchmark items also store their question's number in the search index.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEX = "ix_benchmark_item_found"


def upgrade() -> None:
    op.add_column("benchmark_item", sa.Column("question_number", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE benchmark_item SET question_number = "
        "(SELECT number FROM search_entry WHERE search_entry.question_id = benchmark_item.question_id)"
    )
    with op.batch_alter_table("benchmark_item", schema=None) as batch_op:
        batch_op.alter_column("question_number", existing_type=sa.Integer(), nullable=False)
        batch_op.create_index(_INDEX, ["run_id", "question_number", "model_number", "set_number"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("benchmark_item", schema=None) as batch_op:
        batch_op.drop_index(_INDEX)
        batch_op.drop_column("question_number")
