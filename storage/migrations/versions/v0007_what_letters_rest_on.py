"""Answers say what their letter rests on, and which version of the rule `strict` read it.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = ("trace", "checkpoint")
_COLUMNS = {"letter_rule": sa.Text, "letter_start": sa.Integer, "letter_end": sa.Integer, "strict_version": sa.Integer}


def upgrade() -> None:
    for table in _TABLES:
        for name, kind in _COLUMNS.items():
            op.add_column(table, sa.Column(name, kind(), nullable=True))
    # All earlier ones were read by the first version.
    op.add_column("benchmark_run", sa.Column("strict_version", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    with op.batch_alter_table("benchmark_run") as batch:
        batch.drop_column("strict_version")
    for table in _TABLES:
        with op.batch_alter_table(table) as batch:
            for name in _COLUMNS:
                batch.drop_column(name)
