"""Sweeps and benchmark runs say whether option probabilities are asked for.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = ("benchmark_run", "sweep")


def upgrade() -> None:
    for table in _TABLES:
        # All earlier ones did.
        op.add_column(table, sa.Column("asks_probabilities", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade() -> None:
    for table in _TABLES:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("asks_probabilities")
