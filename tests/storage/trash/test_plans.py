"""The condition that hides the trash does not change how SQLite finds the rows of a list."""

from typing import Any

import pytest
from sqlalchemy import event

from storage.annotations.queue import QueueRepository
from storage.annotations.records import CaseFilter
from storage.database import Database
from storage.traces.listing import TraceFilter
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from tests.storage.samples import discard
from tests.storage.test_search import fill


@pytest.fixture
def large(sqlite_url: str) -> Database:
    """20,000 traces, ten of them in the trash, of which SQLite has counted the values."""
    database = Database(sqlite_url)
    fill(database, 20_000)
    for number in range(100, 110):
        discard(database, TrashKind.TRACE, f"{number:032x}")
    with database.session() as session:
        session.connection().exec_driver_sql("ANALYZE")
    return database


def plans(database: Database, ask: Any) -> str:
    """How SQLite carries out the statements of `ask`."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with database.session(is_read_only=True) as session:
        event.listen(database._engine, "before_cursor_execute", note)
        ask(session)
        event.remove(database._engine, "before_cursor_execute", note)
        steps = [
            row[3]
            for statement, parameters in asked
            if statement.startswith("SELECT")
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    return "\n".join(steps)


def test_lists_of_traces_are_read_in_their_order_and_not_through_the_index_of_the_trash(large: Database) -> None:
    with large.session(is_read_only=True) as session:
        cursor = TraceRepository(session).list().next_cursor
    history = plans(large, lambda session: TraceRepository(session).list())
    further = plans(large, lambda session: TraceRepository(session).list(cursor=cursor))
    for plan in (history, further):
        assert "trace USING INDEX ix_trace_created_at_id" in plan
        assert "TEMP B-TREE" not in plan
    others = [
        plans(large, lambda session: TraceRepository(session).count()),
        plans(large, lambda session: TraceRepository(session).list(TraceFilter(text="rhythm"))),
        plans(large, lambda session: TraceRepository(session).list(TraceFilter(is_correct=True))),
        plans(large, lambda session: TraceRepository(session).models()),
    ]
    queue = plans(large, lambda session: QueueRepository(session, CaseFilter()).page("Ada", 50, None))
    # Only the number of answers in the trash, which is subtracted from that of all.
    assert queue.count("trash_id") == 2 * queue.count("ix_trace_trash_id (trash_id>?)") == 2
    assert "trash_id" not in "\n".join([history, further, *others])
