"""Questions, traces with segments and checkpoints, sweeps, and their search index.

Revision 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE_INDEX = (
    # Words are prepared by `search.words_of`: the ascii tokenizer splits only at the spaces between them. Without
    # positions (detail=none) the index is a fraction of the size; phrases are not searched.
    """CREATE VIRTUAL TABLE search_index USING fts5(
        words, content='search_entry', content_rowid='number', tokenize='ascii', detail=none, prefix='2 3')""",
    """CREATE TRIGGER search_index_insert AFTER INSERT ON search_entry BEGIN
        INSERT INTO search_index (rowid, words) VALUES (new.number, new.words);
    END""",
    """CREATE TRIGGER search_index_delete AFTER DELETE ON search_entry BEGIN
        INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words);
    END""",
    """CREATE TRIGGER search_index_update AFTER UPDATE ON search_entry BEGIN
        INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words);
        INSERT INTO search_index (rowid, words) VALUES (new.number, new.words);
    END""",
)
_POSTGRESQL_INDEX = (
    # The cost makes the planner use the index: it considers the built-in functions cheap and would convert every stored
    # text to a vector instead (2.4 s for 5,000 traces). In plpgsql, because SQL functions are inlined.
    """CREATE FUNCTION search_vector(words text) RETURNS tsvector
        LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 100000
        AS 'BEGIN RETURN array_to_tsvector(string_to_array(words, '' '')); END'""",
    "CREATE INDEX search_index ON search_entry USING gin (search_vector(words))",
)


def _create_question() -> None:
    op.create_table(
        "question",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("stem", sa.Text(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_question"),
        sa.UniqueConstraint("content_hash", name="uq_question_content_hash"),
    )
    op.create_index("ix_question_created_at", "question", ["created_at"])


def _create_sweep() -> None:
    op.create_table(
        "sweep",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("question_id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("budgets", sa.JSON(), nullable=False),
        sa.Column("force_rounds", sa.JSON(), nullable=False),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.Column("passes", sa.Integer(), nullable=False),
        sa.Column("temperature", sa.Double(), nullable=False),
        sa.Column("top_p", sa.Double(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("answer_cap_tokens", sa.Integer(), nullable=False),
        sa.Column("system_prompt", sa.Text(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("tokens_generated", sa.Integer(), nullable=False),
        sa.Column("tokens_if_separate", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name="fk_sweep_question_id_question"),
        sa.PrimaryKeyConstraint("id", name="pk_sweep"),
    )
    op.create_index("ix_sweep_created_at_id", "sweep", ["created_at", "id"])
    op.create_index("ix_sweep_question_id", "sweep", ["question_id"])
    op.create_index("ix_sweep_state_updated_at", "sweep", ["state", "updated_at"])


def _create_trace() -> None:
    op.create_table(
        "trace",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("question_id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("thinking_budget_tokens", sa.Integer(), nullable=False),
        sa.Column("force_rounds", sa.Integer(), nullable=False),
        sa.Column("temperature", sa.Double(), nullable=False),
        sa.Column("top_p", sa.Double(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("answer_cap_tokens", sa.Integer(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("profile_is_guess", sa.Boolean(), nullable=False),
        sa.Column("engine_kind", sa.Text(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("engine_name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("thinking_finish_reason", sa.String(16), nullable=True),
        sa.Column("answer_letter", sa.Text(), nullable=True),
        sa.Column("is_correct", sa.Boolean(), nullable=True),
        sa.Column("thinking_tokens", sa.Integer(), nullable=False),
        sa.Column("tokens_generated", sa.Integer(), nullable=False),
        sa.Column("time_to_first_token_seconds", sa.Double(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("tokens_per_second", sa.Double(), nullable=True),
        sa.Column("option_probabilities", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("prompt_sha256", sa.String(64), nullable=False),
        sa.Column("sweep_id", sa.String(32), nullable=True),
        sa.Column("pass_number", sa.Integer(), nullable=False),
        sa.Column("system_prompt", sa.Text(), nullable=False),
        sa.Column("prompt_text", sa.Text(), nullable=False),
        sa.Column("prompt_token_ids", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name="fk_trace_question_id_question"),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name="fk_trace_sweep_id_sweep", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_trace"),
    )
    op.create_index("ix_trace_created_at_id", "trace", ["created_at", "id"])
    op.create_index("ix_trace_model", "trace", ["model"])
    op.create_index("ix_trace_question_id", "trace", ["question_id"])
    op.create_index("ix_trace_sweep_id", "trace", ["sweep_id"])
    op.create_index("ix_trace_state_updated_at", "trace", ["state", "updated_at"])


def _create_checkpoint() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cells", sa.JSON(), nullable=False),
        sa.Column("cut_tokens", sa.Integer(), nullable=False),
        sa.Column("cut_characters", sa.Integer(), nullable=False),
        sa.Column("thinking_finish_reason", sa.String(16), nullable=False),
        sa.Column("forced_rounds", sa.Integer(), nullable=False),
        sa.Column("letter", sa.Text(), nullable=True),
        sa.Column("option_probabilities", sa.JSON(), nullable=True),
        sa.Column("is_correct", sa.Boolean(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=True),
        sa.Column("token_count", sa.Integer(), nullable=False),
        sa.Column("tokens_generated", sa.Integer(), nullable=False),
        sa.Column("tokens_if_separate", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["trace_id"], ["trace.id"], name="fk_checkpoint_trace_id_trace", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoint"),
    )
    op.create_index("ix_checkpoint_trace_id", "checkpoint", ["trace_id"])


def _create_search_entry() -> None:
    op.create_table(
        "search_entry",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("question_id", sa.String(32), nullable=True),
        sa.Column("trace_id", sa.String(32), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name="fk_search_entry_question_id_question", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["trace_id"], ["trace.id"], name="fk_search_entry_trace_id_trace", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="pk_search_entry"),
        sa.UniqueConstraint("question_id", name="uq_search_entry_question_id"),
        sa.UniqueConstraint("trace_id", name="uq_search_entry_trace_id"),
    )


def _create_segment() -> None:
    op.create_table(
        "segment",
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("token_count", sa.Integer(), nullable=False),
        sa.Column("character_count", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("token_ids", sa.LargeBinary(), nullable=False),
        sa.Column("delimiter_ids", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["trace_id"], ["trace.id"], name="fk_segment_trace_id_trace", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trace_id", "position", name="pk_segment"),
    )


def upgrade() -> None:
    _create_question()
    _create_sweep()
    _create_trace()
    _create_checkpoint()
    _create_search_entry()
    _create_segment()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE_INDEX if is_sqlite else _POSTGRESQL_INDEX:
        op.execute(statement)


def downgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        op.execute("DROP TABLE search_index")
    for table in ("search_entry", "checkpoint", "segment", "trace", "sweep", "question"):
        op.drop_table(table)
    if not is_sqlite:
        op.execute("DROP FUNCTION search_vector")
