"""Lists of traces: filters, pages, counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storage.database import Database
from storage.errors import InvalidRecord
from storage.questions.records import NewQuestion
from storage.traces.listing import STEM_CHARACTERS, TraceFilter, beginning
from storage.traces.records import Trace, TraceState
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from tests.storage.samples import (
    COMPLETED,
    QUESTION,
    a_trace,
    answer,
    begin,
    discard,
    finish,
    purge,
    save_question,
    think,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add_at(database: Database, moment: datetime) -> Trace:
    question = save_question(database)
    with database.session() as session:
        return TraceRepository(session, now=lambda: moment).add(a_trace(question.id))


def ids(database: Database, **wanted: object) -> set[str]:
    with database.session(is_read_only=True) as session:
        traces = TraceRepository(session)
        where = TraceFilter(**wanted)  # type: ignore[arg-type]
        items = traces.list(where, limit=500).items
        assert traces.count(where) == len(items)
    return {item.id for item in items}


def test_a_question_that_lists_show_in_part_says_so() -> None:
    whole = "é" * STEM_CHARACTERS
    assert beginning(whole) == whole
    assert beginning("word " * 100) == f"{'word ' * 31}word…"


def test_a_summary_shows_what_a_history_list_needs(database: Database) -> None:
    trace = begin(database, replace(QUESTION, stem="é" * 200))
    finish(database, trace, think("one two"), answer("B"))
    with database.session(is_read_only=True) as session:
        page = TraceRepository(session).list()
    (item,) = page.items
    assert page.next_cursor is None
    assert (item.id, item.created_at, item.question_id) == (trace.id, trace.created_at, trace.question_id)
    assert item.stem == "é" * 160 + "…"
    assert (item.model, item.thinking_budget_tokens, item.force_rounds) == ("smollm2-135m", 1024, 1)
    assert (item.state, item.answer_letter, item.target, item.is_correct) == (TraceState.COMPLETED, "B", "B", True)
    assert (item.thinking_tokens, item.seconds) == (2, 12.5)


def test_filters_hold_exactly_the_traces_they_name(database: Database) -> None:
    right, wrong, unscored, running = (
        begin(database),
        begin(database, model="m1-7b"),
        begin(database, NewQuestion(stem="An open question")),
        begin(database),
    )
    finish(database, right, think("sinus rhythm"))
    finish(database, wrong, think("rhythm"), outcome=replace(COMPLETED, is_correct=False))
    finish(database, unscored, outcome=replace(COMPLETED, state=TraceState.STOPPED, is_correct=None))
    assert ids(database) == {right.id, wrong.id, unscored.id, running.id}
    assert ids(database, is_correct=True) == {right.id}
    assert ids(database, is_correct=False) == {wrong.id}
    assert ids(database, has_target=False) == {unscored.id}
    assert ids(database, has_target=True) == {right.id, wrong.id, running.id}
    assert ids(database, is_scored=True) == {right.id, wrong.id}
    assert ids(database, is_scored=False) == {unscored.id, running.id}
    assert ids(database, model="m1-7b") == {wrong.id}
    assert ids(database, model="nul\x00") == set()
    assert ids(database, state=TraceState.STOPPED) == {unscored.id}
    assert ids(database, text="rhythm", is_correct=True, model="smollm2-135m") == {right.id}


def test_since_is_inclusive_and_until_is_not(database: Database) -> None:
    first, second = add_at(database, NOON), add_at(database, NOON + timedelta(hours=1))
    assert ids(database, since=NOON) == {first.id, second.id}
    assert ids(database, since=NOON + timedelta(microseconds=1)) == {second.id}
    assert ids(database, until=NOON + timedelta(hours=1)) == {first.id}
    assert ids(database, until=NOON) == set()


@pytest.mark.parametrize("is_same_moment", [True, False])
def test_pages_neither_repeat_nor_skip_while_traces_come_and_go(database: Database, is_same_moment: bool) -> None:
    step = timedelta(0) if is_same_moment else timedelta(seconds=1)
    made = [add_at(database, NOON + number * step).id for number in range(23)]
    seen: list[str] = []
    cursor = None
    while True:
        with database.session() as session:
            page = TraceRepository(session).list(limit=5, cursor=cursor)
        seen += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        add_at(database, NOON + timedelta(days=1))
        deletion = discard(database, TrashKind.TRACE, seen[-1])
        if len(seen) % 2:
            purge(database, deletion)
    assert seen == (sorted(made, reverse=True) if is_same_moment else made[::-1])


def test_a_list_that_fits_exactly_has_no_next_page(database: Database) -> None:
    for _ in range(4):
        begin(database)
    with database.session() as session:
        traces = TraceRepository(session)
        assert traces.list(limit=4).next_cursor is None
        assert traces.list(limit=3).next_cursor is not None
        assert len(traces.list(limit=0).items) == 1


@pytest.mark.parametrize(
    "cursor", ["", "x", "|", "2026-01-01T00:00:00|abc", "2026-01-01T00:00:00+00:00|\x00", "\ud800|a"]
)
def test_a_cursor_that_no_page_gave_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidRecord, match="first page"), database.session() as session:
        TraceRepository(session).list(cursor=cursor)
