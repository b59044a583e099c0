"""Checkpoints know where their pass turned, so that the queue of cases stays fast; assessments know whether their
annotator has seen others' marks, after which a submission stays.

Revision 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SEEN = """
    UPDATE assessment SET has_seen_others = true WHERE is_submitted AND EXISTS (
        SELECT 1 FROM assessment other
        WHERE other.case_id = assessment.case_id AND other.annotator <> assessment.annotator AND other.is_submitted
    )
"""

_FLAGS = ("is_after_right", "is_flip", "is_last")
_EARLIER = """
    SELECT {what} FROM checkpoint earlier WHERE earlier.trace_id = checkpoint.trace_id AND earlier.error = ''
    AND earlier.cut_tokens < checkpoint.cut_tokens
"""
_TURNS = (
    f"""
    UPDATE checkpoint SET is_after_right = true WHERE error = '' AND is_correct = false
    AND EXISTS ({_EARLIER.format(what="1")} AND earlier.is_correct = true)
    """,
    f"""
    UPDATE checkpoint SET is_flip = true WHERE is_after_right AND EXISTS (
        SELECT 1 FROM checkpoint just WHERE just.trace_id = checkpoint.trace_id AND just.error = ''
        AND just.is_correct = true AND just.cut_tokens = ({_EARLIER.format(what="max(earlier.cut_tokens)")})
    )
    """,
    """
    UPDATE checkpoint SET is_last = true WHERE error = '' AND NOT EXISTS (
        SELECT 1 FROM checkpoint later WHERE later.trace_id = checkpoint.trace_id AND later.error = ''
        AND later.cut_tokens > checkpoint.cut_tokens
    )
    """,
)
_INDEX, _LAST = "ix_checkpoint_case", "ix_checkpoint_last"
_INDEXED = ("trace_id", "cut_tokens", "is_correct", *_FLAGS, "id")


def upgrade() -> None:
    for name in _FLAGS:
        op.add_column("checkpoint", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    for statement in _TURNS:
        op.execute(statement)
    has_answer = sa.text("error = ''")
    op.create_index(_INDEX, "checkpoint", list(_INDEXED), sqlite_where=has_answer, postgresql_where=has_answer)
    op.create_index(
        _LAST,
        "checkpoint",
        ["trace_id", "letter"],
        sqlite_where=sa.text("is_last = 1"),
        postgresql_where=sa.text("is_last"),
    )
    op.add_column("assessment", sa.Column("has_seen_others", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Whoever has submitted a case that others have submitted too may have looked at it since.
    op.execute(_SEEN)


def downgrade() -> None:
    op.drop_index(_LAST, "checkpoint")
    op.drop_index(_INDEX, "checkpoint")
    with op.batch_alter_table("checkpoint") as batch:
        for name in _FLAGS:
            batch.drop_column(name)
    with op.batch_alter_table("assessment") as batch:
        batch.drop_column("has_seen_others")
