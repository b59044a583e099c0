"""Annotations with labels and history, and assessments.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _create_annotation() -> None:
    op.create_table(
        "annotation",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("checkpoint_id", sa.String(32), nullable=True),
        sa.Column("annotator", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("is_upheld", sa.Boolean(), nullable=True),
        sa.Column("agreed_by", sa.JSON(), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("taxonomy_version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(16), nullable=False),
        sa.Column("start", sa.Integer(), nullable=True),
        sa.Column("end", sa.Integer(), nullable=True),
        sa.Column("text_sha256", sa.String(64), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("confidence", sa.String(16), nullable=True),
        sa.Column("is_omission", sa.Boolean(), nullable=False),
        sa.Column("changed_answer", sa.Boolean(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("thinking_budget_tokens", sa.Integer(), nullable=False),
        sa.Column("force_rounds", sa.Integer(), nullable=False),
        sa.Column("is_correct", sa.Boolean(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("exact", sa.Text(), nullable=True),
        sa.Column("prefix", sa.Text(), nullable=True),
        sa.Column("suffix", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("corrected_fact", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoint.id"], name="fk_annotation_checkpoint_id_checkpoint", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["trace_id"], ["trace.id"], name="fk_annotation_trace_id_trace", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_annotation"),
    )
    op.create_index("ix_annotation_annotator", "annotation", ["annotator"])
    op.create_index("ix_annotation_case_id_annotator", "annotation", ["case_id", "annotator"])
    op.create_index("ix_annotation_checkpoint_id", "annotation", ["checkpoint_id"])
    op.create_index("ix_annotation_state_case_id", "annotation", ["state", "case_id"])
    op.create_index("ix_annotation_trace_id", "annotation", ["trace_id"])


def _create_assessment() -> None:
    op.create_table(
        "assessment",
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("annotator", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("checkpoint_id", sa.String(32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_submitted", sa.Boolean(), nullable=False),
        sa.Column("seconds_spent", sa.Double(), nullable=False),
        sa.Column("rejected", sa.JSON(), nullable=False),
        sa.Column("draft", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoint.id"], name="fk_assessment_checkpoint_id_checkpoint", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["trace_id"], ["trace.id"], name="fk_assessment_trace_id_trace", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_id", "annotator", name="pk_assessment"),
    )
    op.create_index("ix_assessment_checkpoint_id", "assessment", ["checkpoint_id"])
    op.create_index("ix_assessment_trace_id", "assessment", ["trace_id"])


def _create_annotation_label() -> None:
    op.create_table(
        "annotation_label",
        sa.Column("annotation_id", sa.String(32), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotation_id"],
            ["annotation.id"],
            name="fk_annotation_label_annotation_id_annotation",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("annotation_id", "label", name="pk_annotation_label"),
    )
    op.create_index("ix_annotation_label_label", "annotation_label", ["label"])


def _create_annotation_revision() -> None:
    op.create_table(
        "annotation_revision",
        sa.Column("annotation_id", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotation_id"],
            ["annotation.id"],
            name="fk_annotation_revision_annotation_id_annotation",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("annotation_id", "revision", name="pk_annotation_revision"),
    )


def upgrade() -> None:
    _create_annotation()
    _create_assessment()
    _create_annotation_label()
    _create_annotation_revision()


def downgrade() -> None:
    for table in ("annotation_revision", "annotation_label", "assessment", "annotation"):
        op.drop_table(table)
