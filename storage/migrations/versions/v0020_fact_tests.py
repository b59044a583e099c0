"""Fact tests: which fact was tested where on a thinking that was wrong.

Revision 0020, after 0019.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_GOES_WITH = {
    "run_id": ("strategy_run", "CASCADE"),
    "trace_id": ("trace", "CASCADE"),
    "checkpoint_id": ("checkpoint", "CASCADE"),
    "annotation_id": ("annotation", "SET NULL"),
}


def upgrade() -> None:
    op.create_table(
        "fact_test",
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("checkpoint_id", sa.String(32), nullable=True),
        sa.Column("annotation_id", sa.String(32), nullable=True),
        *[_whole(name) for name in ("mark_start", "mark_end")],
        _text("names_target"),
        _whole("seeds"),
        sa.Column("first_letter", sa.Text(), nullable=True),
        *[_text(name) for name in ("fact", "wrong_fact", "unrelated_fact", "marked", "prompt")],
        _whole("kept_characters"),
        _text("text_before"),
        sa.Column("insertions", sa.JSON(), nullable=False),
        sa.Column("kept_ids", sa.LargeBinary(), nullable=False),
        *[
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_fact_test_{column}_{table}", ondelete=what)
            for column, (table, what) in _GOES_WITH.items()
        ],
        sa.PrimaryKeyConstraint("run_id", name="pk_fact_test"),
    )
    for column in ("trace_id", "checkpoint_id", "annotation_id"):
        op.create_index(f"ix_fact_test_{column}", "fact_test", [column])


def downgrade() -> None:
    op.drop_table("fact_test")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)
