"""Runs of strategies, with the ledger of each; traces can be passes of one.

Revision 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_STATE = sa.String(16)


def upgrade() -> None:
    _create_run()
    _create_result()
    _add_trace_column()
    _create_request()


def downgrade() -> None:
    op.drop_table("strategy_request")
    op.execute("DELETE FROM trace WHERE strategy_run_id IS NOT NULL")
    op.drop_index("ix_trace_strategy_run_id", "trace")
    with op.batch_alter_table("trace") as batch:
        batch.drop_constraint("fk_trace_strategy_run_id_strategy_run", type_="foreignkey")
        batch.drop_column("strategy_run_id")
    op.drop_table("strategy_result")
    op.drop_table("strategy_run")


def _id(name: str, *, is_nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(32), nullable=is_nullable)


def _text(name: str, *, is_nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=is_nullable)


def _whole(name: str, *, is_nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=is_nullable)


def _number(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), nullable=False)


def _costs() -> list[sa.Column[int]]:
    return [_whole(name) for name in ("generated", "injected", "prompt_new", "prompt_cached", "wasted")]


def _create_run() -> None:
    op.create_table(
        "strategy_run",
        _id("id"),
        _id("question_id"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", _STATE, nullable=False),
        _text("error"),
        _number("seconds"),
        sa.Column("choices", sa.JSON(), nullable=False),
        _text("model"),
        _text("profile"),
        _text("system_prompt", is_nullable=True),
        _whole("budget_tokens"),
        _whole("thinking_tokens", is_nullable=True),
        _whole("force_rounds"),
        _number("temperature"),
        _number("top_p"),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        _whole("answer_cap_tokens"),
        _text("engine_kind"),
        _text("engine_version"),
        _text("engine_name"),
        sa.Column("prompt_sha256", sa.String(64), nullable=False),
        _text("owner"),
        _text("asked_by"),
        _id("trash_id", is_nullable=True),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name="fk_strategy_run_question_id_question"),
        sa.PrimaryKeyConstraint("id", name="pk_strategy_run"),
    )
    op.create_index("ix_strategy_run_question_id", "strategy_run", ["question_id"])
    op.create_index("ix_strategy_run_created_at_id", "strategy_run", ["created_at", "id"])
    op.create_index("ix_strategy_run_state_updated_at", "strategy_run", ["state", "updated_at"])
    is_in_trash = sa.text("trash_id IS NOT NULL")
    op.create_index(
        "ix_strategy_run_trash_id",
        "strategy_run",
        ["trash_id"],
        sqlite_where=is_in_trash,
        postgresql_where=is_in_trash,
    )


def _create_result() -> None:
    op.create_table(
        "strategy_result",
        _id("run_id"),
        _whole("position"),
        _text("choice"),
        sa.Column("state", _STATE, nullable=False),
        _text("letter", is_nullable=True),
        _text("answer"),
        sa.Column("is_correct", sa.Boolean(), nullable=True),
        _text("why"),
        _text("of_key"),
        _text("error"),
        *_costs(),
        _number("seconds"),
        sa.Column("picture", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["strategy_run.id"], name="fk_strategy_result_run_id_strategy_run", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_strategy_result"),
    )


def _create_request() -> None:
    op.create_table(
        "strategy_request",
        _id("run_id"),
        _whole("result_position"),
        _whole("position"),
        _text("key"),
        _whole("attempt"),
        _text("purpose"),
        _text("model"),
        _text("state"),
        *_costs(),
        _number("seconds"),
        _id("trace_id", is_nullable=True),
        _text("letter", is_nullable=True),
        _whole("tokens"),
        _text("finish"),
        _whole("forced_rounds"),
        sa.Column("stops", sa.JSON(), nullable=False),
        sa.Column("probabilities", sa.JSON(), nullable=True),
        _text("error"),
        _text("prompt"),
        _text("text"),
        sa.Column("token_ids", sa.LargeBinary(), nullable=False),
        sa.Column("prompt_ids", sa.LargeBinary(), nullable=False),
        sa.Column("confidences", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["strategy_run.id"], name="fk_strategy_request_run_id_strategy_run", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["trace_id"], ["trace.id"], name="fk_strategy_request_trace_id_trace", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("run_id", "result_position", "position", name="pk_strategy_request"),
    )
    op.create_index("ix_strategy_request_trace_id", "strategy_request", ["trace_id"])


def _add_trace_column() -> None:
    name, key = "strategy_run_id", "fk_trace_strategy_run_id_strategy_run"
    if op.get_bind().dialect.name == "postgresql":
        op.add_column("trace", _id(name, is_nullable=True))
        op.create_foreign_key(key, "trace", "strategy_run", [name], ["id"], ondelete="CASCADE")
    else:
        with op.batch_alter_table("trace", recreate="always") as batch:
            # Before the long columns: it is then found without reading overflow pages.
            batch.add_column(_id(name, is_nullable=True), insert_before="system_prompt")
            batch.create_foreign_key(key, "strategy_run", [name], ["id"], ondelete="CASCADE")
    op.create_index("ix_trace_strategy_run_id", "trace", ["strategy_run_id"])
