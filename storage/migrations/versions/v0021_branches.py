"""Branches: which trace goes on from which, where, and with what written into it; and sentences that were resampled.

Revision 0021, after 0020.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_KEYS = {
    "trace_id": ("trace", "CASCADE"),
    "parent_id": ("trace", "SET NULL"),
    "checkpoint_id": ("checkpoint", "SET NULL"),
}


def upgrade() -> None:
    op.create_table(
        "branch",
        *[sa.Column(name, sa.String(32), nullable=name != "trace_id") for name in _KEYS],
        *[
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("kept_tokens", "kept_characters", "inserted_tokens")
        ],
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("replaced", "written")],
        *[
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_branch_{column}_{table}", ondelete=what)
            for column, (table, what) in _KEYS.items()
        ],
        sa.PrimaryKeyConstraint("trace_id", name="pk_branch"),
    )
    for column in ("parent_id", "checkpoint_id"):
        op.create_index(f"ix_branch_{column}", "branch", [column])
    _create_resampling()


def _create_resampling() -> None:
    keys = {"run_id": "strategy_run", "trace_id": "trace", "checkpoint_id": "checkpoint"}
    op.create_table(
        "resampling",
        *[sa.Column(name, sa.String(32), nullable=name == "checkpoint_id") for name in keys],
        *[sa.Column(name, sa.Integer(), nullable=False) for name in ("start", "end")],
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("sentence", "letter")],
        sa.Column("seeds", sa.Integer(), nullable=False),
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("before_text", "after_text")],
        *[sa.Column(name, sa.Integer(), nullable=False) for name in ("before_rounds", "after_rounds")],
        *[sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("before_ids", "after_ids")],
        *[
            sa.ForeignKeyConstraint(
                [column], [f"{table}.id"], name=f"fk_resampling_{column}_{table}", ondelete="CASCADE"
            )
            for column, table in keys.items()
        ],
        sa.PrimaryKeyConstraint("run_id", name="pk_resampling"),
    )
    for column in ("trace_id", "checkpoint_id"):
        op.create_index(f"ix_resampling_{column}", "resampling", [column])


def downgrade() -> None:
    op.drop_table("resampling")
    op.drop_table("branch")
