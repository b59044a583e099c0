"""Strategies of a benchmark run, and what each came to on each question; requests may be taken from stored passes.

Revision 0015, after 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("benchmark_run") as batch:
        batch.add_column(sa.Column("strategies", sa.JSON(), nullable=False, server_default="[]"))
        batch.add_column(sa.Column("strategy_budget_tokens", sa.Integer(), nullable=True))
    with op.batch_alter_table("benchmark_run") as batch:
        batch.alter_column("strategies", server_default=None)
    with op.batch_alter_table("strategy_request") as batch:
        batch.add_column(sa.Column("is_shared", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("strategy_request") as batch:
        batch.alter_column("is_shared", server_default=None)
    op.create_table(
        "benchmark_strategy_result",
        sa.Column("item_id", sa.String(32), nullable=False),
        _text("choice"),
        sa.Column("run_id", sa.String(32), nullable=False),
        _whole("set_number"),
        _whole("model_number"),
        sa.Column("letter", sa.Text(), nullable=True),
        sa.Column("is_correct", sa.Boolean(), nullable=True),
        *[_whole(name) for name in ("generated", "injected", "prompt_new", "prompt_cached", "wasted", "shared")],
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("is_from_pool", sa.Boolean(), nullable=False),
        _text("error"),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["benchmark_item.id"],
            name="fk_benchmark_strategy_result_item_id_benchmark_item",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("item_id", "choice", name="pk_benchmark_strategy_result"),
    )
    op.create_index(
        "ix_benchmark_strategy_result_run_id_model_number_set_number",
        "benchmark_strategy_result",
        ["run_id", "model_number", "set_number"],
    )


def downgrade() -> None:
    op.drop_table("benchmark_strategy_result")
    with op.batch_alter_table("strategy_request") as batch:
        batch.drop_column("is_shared")
    with op.batch_alter_table("benchmark_run") as batch:
        batch.drop_column("strategy_budget_tokens")
        batch.drop_column("strategies")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)
