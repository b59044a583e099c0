"""Studies: files of runs and claims, as they were started.

Revision 0024, after 0023.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_NOT_IN_TRASH = sa.text("trash_id IS NULL")
_IN_TRASH = sa.text("trash_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.String(32), nullable=False),
        *[sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("created_at", "updated_at")],
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("name", "text", "started_by")],
        *[sa.Column(name, sa.JSON(), nullable=False) for name in ("models", "sets", "runs", "facts")],
        sa.Column("trash_id", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
    )
    op.create_index(
        "ix_study_name",
        "study",
        ["name"],
        unique=True,
        sqlite_where=_NOT_IN_TRASH,
        postgresql_where=_NOT_IN_TRASH,
    )
    op.create_index("ix_study_trash_id", "study", ["trash_id"], sqlite_where=_IN_TRASH, postgresql_where=_IN_TRASH)


def downgrade() -> None:
    op.drop_table("study")
