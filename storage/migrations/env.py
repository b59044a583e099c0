"""Alembic's environment; the connection, and with it the transaction, comes from the caller."""

from typing import Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from storage.migrations import is_compared
from storage.tables import metadata


def plain_type(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Write a column type from `columns.py` as its plain type, so that a step outlives changes to the class."""
    return f"sa.{item.impl_instance!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=is_compared,
    render_item=plain_type,
    # SQLite cannot alter most things: Alembic rebuilds the table.
    render_as_batch=True,
    # SQLite's schema changes are transactional too after BEGIN, but Alembic assumes otherwise.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
