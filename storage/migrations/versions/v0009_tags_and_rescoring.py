"""Results are counted by tag from the index of curves, and answers keep what earlier versions of the rule read.

Revision 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_CURVES = "ix_benchmark_result_curves"
_COLUMNS = (
    *("run_id", "model_number", "set_number", "force_rounds", "budget_tokens", "is_correct", "m1_is_correct"),
    *("is_answered", "m1_is_answered", "thinking_tokens", "tokens_if_separate"),
)


def upgrade() -> None:
    op.drop_index(_CURVES, "benchmark_result")
    op.create_index(_CURVES, "benchmark_result", [*_COLUMNS, "item_id"])
    op.create_table(
        "earlier_reading",
        sa.Column("checkpoint_id", sa.String(32), nullable=False),
        sa.Column("strict_version", sa.Integer(), nullable=False),
        sa.Column("letter", sa.Text(), nullable=True),
        sa.Column("is_correct", sa.Boolean(), nullable=True),
        sa.Column("letter_rule", sa.Text(), nullable=True),
        sa.Column("letter_start", sa.Integer(), nullable=True),
        sa.Column("letter_end", sa.Integer(), nullable=True),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"],
            ["checkpoint.id"],
            name="fk_earlier_reading_checkpoint_id_checkpoint",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("checkpoint_id", "strict_version", name="pk_earlier_reading"),
    )


def downgrade() -> None:
    op.drop_table("earlier_reading")
    op.drop_index(_CURVES, "benchmark_result")
    op.create_index(_CURVES, "benchmark_result", list(_COLUMNS))
