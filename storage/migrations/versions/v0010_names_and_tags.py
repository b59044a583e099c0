"""Traces and sweeps have a name and tags, which the search finds.

Revision 0010, after 0009.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_trace_columns()
    op.add_column("sweep", _name())
    op.add_column("sweep", _tags())
    with _search_entry() as batch:
        batch.add_column(sa.Column("sweep_id", sa.String(length=32), nullable=True))
        batch.create_foreign_key("fk_search_entry_sweep_id_sweep", "sweep", ["sweep_id"], ["id"], ondelete="CASCADE")
    op.create_index("ix_search_entry_sweep_id", "search_entry", ["sweep_id"], unique=True)


def downgrade() -> None:
    op.execute("DELETE FROM search_entry WHERE sweep_id IS NOT NULL")
    op.drop_index("ix_search_entry_sweep_id", "search_entry")
    with _search_entry() as batch:
        batch.drop_constraint("fk_search_entry_sweep_id_sweep", type_="foreignkey")
        batch.drop_column("sweep_id")
    for table in ("sweep", "trace"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("tags")
            batch.drop_column("name")


@contextmanager
def _search_entry() -> Iterator[BatchOperations]:
    """Changes the table; SQLite makes it again, and the triggers that keep the full-text index are made again too."""
    connection = op.get_bind()
    triggers: list[str] = []
    if connection.dialect.name == "sqlite":
        of_table = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'search_entry'"
        triggers = [row[0] for row in connection.exec_driver_sql(of_table)]
    with op.batch_alter_table("search_entry") as batch:
        yield batch
    for trigger in triggers:
        connection.exec_driver_sql(trigger)


def _add_trace_columns() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.add_column("trace", _name())
        op.add_column("trace", _tags())
        return
    with op.batch_alter_table("trace", recreate="always") as batch:
        # Before the long columns: they are then found without reading overflow pages.
        batch.add_column(_name(), insert_before="system_prompt")
        batch.add_column(_tags(), insert_before="system_prompt")


def _name() -> sa.Column[str]:
    return sa.Column("name", sa.Text(), nullable=False, server_default="")


def _tags() -> sa.Column[list[str]]:
    return sa.Column("tags", sa.JSON(), nullable=False, server_default="[]")
