"""Benchmark runs that were made elsewhere: the files that they come from, and their answers.

Revision 0025, after 0024.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "benchmark_import",
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        *[sa.Column(name, sa.String(64), nullable=False) for name in ("sha256", "beside_sha256")],
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("tool_version", sa.Text(), nullable=False),
        sa.Column("stated", sa.JSON(), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["benchmark_run.id"], name="fk_benchmark_import_run_id_benchmark_run", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_benchmark_import"),
    )
    op.create_index("ix_benchmark_import_sha256", "benchmark_import", ["sha256"])
    cell = ("pass_number", "budget_tokens", "force_rounds")
    op.create_table(
        "benchmark_imported_answer",
        sa.Column("item_id", sa.String(32), nullable=False),
        *[sa.Column(name, sa.Integer(), nullable=False) for name in cell],
        sa.Column("own_is_correct", sa.Boolean(), nullable=True),
        sa.Column("own_letter", sa.Text(), nullable=True),
        sa.Column("own_rule", sa.Text(), nullable=False),
        *[sa.Column(name, sa.Integer(), nullable=True) for name in ("generated_tokens", "thinking_tokens")],
        sa.Column("letter_rule", sa.Text(), nullable=True),
        *[sa.Column(name, sa.Integer(), nullable=True) for name in ("letter_start", "letter_end")],
        sa.Column("thinking", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["benchmark_item.id"],
            name="fk_benchmark_imported_answer_item_id_benchmark_item",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("item_id", *cell, name="pk_benchmark_imported_answer"),
    )


def downgrade() -> None:
    # Without its files, nothing would tell an imported run from one that this app has made.
    imported = sa.text("SELECT id FROM benchmark_run WHERE state = 'imported'")
    ids = [row.id for row in op.get_bind().execute(imported)]
    for table, column in (("benchmark_result", "run_id"), ("benchmark_item", "run_id"), ("benchmark_run", "id")):
        for run_id in ids:
            op.get_bind().execute(sa.text(f"DELETE FROM {table} WHERE {column} = :run_id"), {"run_id": run_id})
    op.drop_table("benchmark_imported_answer")
    op.drop_index("ix_benchmark_import_sha256", "benchmark_import")
    op.drop_table("benchmark_import")
