"""When a strategy was told of each request, so that a run that goes on after a kill is told in the same order.

Revision 0017, after 0016.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    empty = sa.text("''") if op.get_bind().dialect.name != "sqlite" else sa.text("(x'')")
    with op.batch_alter_table("strategy_request") as batch:
        batch.add_column(sa.Column("told", sa.LargeBinary(), nullable=False, server_default=empty))
        batch.add_column(sa.Column("rest", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("strategy_request") as batch:
        batch.alter_column("told", server_default=None)
        batch.alter_column("rest", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("strategy_request") as batch:
        batch.drop_column("told")
        batch.drop_column("rest")
