"""Question sets, benchmark runs with items and results, and jobs.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _create_benchmark_run() -> None:
    op.create_table(
        "benchmark_run",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.String(16),
            nullable=False,
        ),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.Column("question_sets", sa.JSON(), nullable=False),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.Column("budgets", sa.JSON(), nullable=False),
        sa.Column("force_rounds", sa.JSON(), nullable=False),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("temperature", sa.Double(), nullable=False),
        sa.Column("top_p", sa.Double(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("answer_cap_tokens", sa.Integer(), nullable=False),
        sa.Column("system_prompt", sa.Text(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=True),
        sa.Column("in_flight", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("items_done", sa.Integer(), nullable=False),
        sa.Column("items_failed", sa.Integer(), nullable=False),
        sa.Column("tokens_generated", sa.BigInteger(), nullable=False),
        sa.Column("tokens_if_separate", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benchmark_run")),
    )
    with op.batch_alter_table("benchmark_run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_benchmark_run_created_at_id"), ["created_at", "id"], unique=False)


def _create_job() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column("subject_id", sa.String(32), nullable=False),
        sa.Column("resource", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("executor", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.String(16),
            nullable=False,
        ),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_created_at_id"), ["created_at", "id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_job_state_priority_created_at"), ["state", "priority", "created_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_job_subject_id"), ["subject_id"], unique=False)


def _create_question_set() -> None:
    op.create_table(
        "question_set",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("question_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question_set")),
        sa.UniqueConstraint("name", name=op.f("uq_question_set_name")),
    )


def _create_benchmark_item() -> None:
    op.create_table(
        "benchmark_item",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("set_number", sa.Integer(), nullable=False),
        sa.Column("model_number", sa.Integer(), nullable=False),
        sa.Column("question_id", sa.String(32), nullable=False),
        sa.Column(
            "state",
            sa.String(16),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_benchmark_item_question_id_question")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["benchmark_run.id"], name=op.f("fk_benchmark_item_run_id_benchmark_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benchmark_item")),
    )
    with op.batch_alter_table("benchmark_item", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_benchmark_item_question_id"), ["question_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_benchmark_item_run_id_position"), ["run_id", "position"], unique=True)
        batch_op.create_index(
            batch_op.f("ix_benchmark_item_run_id_state_position"), ["run_id", "state", "position"], unique=False
        )


def _create_question_set_member() -> None:
    op.create_table(
        "question_set_member",
        sa.Column("set_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("question_id", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_question_set_member_question_id_question")
        ),
        sa.ForeignKeyConstraint(
            ["set_id"], ["question_set.id"], name=op.f("fk_question_set_member_set_id_question_set"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("set_id", "position", name=op.f("pk_question_set_member")),
    )
    with op.batch_alter_table("question_set_member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_question_set_member_question_id"), ["question_id"], unique=False)


def _create_benchmark_result() -> None:
    op.create_table(
        "benchmark_result",
        sa.Column("item_id", sa.String(32), nullable=False),
        sa.Column("pass_number", sa.Integer(), nullable=False),
        sa.Column("budget_tokens", sa.Integer(), nullable=False),
        sa.Column("force_rounds", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("set_number", sa.Integer(), nullable=False),
        sa.Column("model_number", sa.Integer(), nullable=False),
        sa.Column("letter", sa.Text(), nullable=True),
        sa.Column("is_correct", sa.Boolean(), nullable=False),
        sa.Column("is_answered", sa.Boolean(), nullable=False),
        sa.Column("m1_letter", sa.Text(), nullable=True),
        sa.Column("m1_is_correct", sa.Boolean(), nullable=False),
        sa.Column("m1_is_answered", sa.Boolean(), nullable=False),
        sa.Column("thinking_tokens", sa.Integer(), nullable=False),
        sa.Column("tokens_if_separate", sa.Integer(), nullable=False),
        sa.Column("checkpoint_id", sa.String(32), nullable=True),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["benchmark_item.id"],
            name=op.f("fk_benchmark_result_item_id_benchmark_item"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "item_id", "pass_number", "budget_tokens", "force_rounds", name=op.f("pk_benchmark_result")
        ),
    )
    with op.batch_alter_table("benchmark_result", schema=None) as batch_op:
        batch_op.create_index(
            "ix_benchmark_result_curves",
            [
                "run_id",
                "model_number",
                "set_number",
                "force_rounds",
                "budget_tokens",
                "is_correct",
                "m1_is_correct",
                "is_answered",
                "m1_is_answered",
                "thinking_tokens",
                "tokens_if_separate",
            ],
            unique=False,
        )


def upgrade() -> None:
    _create_benchmark_run()
    _create_job()
    _create_question_set()
    _create_benchmark_item()
    _create_question_set_member()
    _create_benchmark_result()


def downgrade() -> None:
    for table in ("benchmark_result", "question_set_member", "benchmark_item", "question_set", "job", "benchmark_run"):
        op.drop_table(table)
