"""Finds statements that would see what is in the trash."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, Table, TextClause, event

from storage.base import Base, Discardable
from storage.trash.tables import WITH_TRASH

TABLES: dict[str, Table] = {
    each.class_.__tablename__: each.local_table  # type: ignore[misc]
    for each in Base.registry.mappers
    if issubclass(each.class_, Discardable)
}
_NAMES = "|".join(sorted(TABLES))
_USE = re.compile(rf"(?:\bFROM|\bJOIN|\bUPDATE|,) ({_NAMES})\b(?: AS (\w+))?(?! *\()")
_OF_LOADED_ROW = re.compile(rf"(?:UPDATE|SELECT)\b.* WHERE (?:{_NAMES})\.id = \S+$", re.DOTALL)


def seen_in(statement: str) -> set[str]:
    """Discardable tables (or their aliases) that a statement reads, changes or deletes from without the condition."""
    used = {found.group(2) or found.group(1) for found in _USE.finditer(statement)}
    return {name for name in used if not re.search(rf"\b{name}\.trash_id IS (?:NULL|NOT NULL)", statement)}


@contextmanager
def statements_checked() -> Iterator[None]:
    """Fail statements that were built by SQLAlchemy, lack the condition, and do not ask for the trash."""

    def check(_connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        options = context.execution_options if context is not None else {}
        compiled = context.compiled if context is not None else None
        is_built = compiled is not None and not isinstance(compiled.statement, TextClause)
        if not is_built or context.isinsert or options.get(WITH_TRASH):
            return
        # What was loaded by a statement with the condition is written, or read again, by its key.
        if not _OF_LOADED_ROW.match(statement):
            assert seen_in(statement) == set(), statement

    event.listen(Engine, "before_cursor_execute", check)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", check)
