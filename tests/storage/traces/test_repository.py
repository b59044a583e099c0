"""The life of a trace: begun, saved while it streams, closed or left behind, deleted."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from storage.database import Database, Session
from storage.errors import InvalidRecord, RecordNotFound
from storage.search import SearchEntryRow
from storage.traces.records import (
    COUNTED_AS_THINKING,
    MeasuredLength,
    MeasuredRate,
    NewTrace,
    Progress,
    Segment,
    SegmentKind,
    ThinkingFinishReason,
    TraceOutcome,
    TraceState,
)
from storage.traces.repository import TraceRepository
from storage.traces.tables import CheckpointRow, SegmentRow
from storage.trash.records import TrashKind
from storage.trash.repository import TrashRepository
from tests.storage.samples import (
    COMPLETED,
    a_checkpoint,
    a_trace,
    answer,
    begin,
    delete_for_good,
    discard,
    finish,
    progress,
    read,
    think,
)

WAIT = Segment(kind=SegmentKind.WAIT, text="Wait", token_ids=(14,), token_count=1, finish_reason="injected")


CLOSE = Segment(kind=SegmentKind.CLOSE, text="</think>", token_ids=(15,), token_count=1, finish_reason="injected")


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def save(database: Database, trace_id: str, *segments: Segment, tokens: int = 0, now: datetime | None = None) -> None:
    with database.session() as session:
        traces = TraceRepository(session, now=at(now)) if now else TraceRepository(session)
        assert traces.save_all(progress(trace_id, *segments, tokens=tokens)) == {trace_id}


def test_a_new_trace_runs_and_has_what_it_was_given(database: Database) -> None:
    trace = begin(database)
    assert trace == read(database, trace.id)
    given = a_trace(trace.question_id)
    assert {name: getattr(trace, name) for name in NewTrace.__dataclass_fields__} == {
        name: getattr(given, name) for name in NewTrace.__dataclass_fields__
    }
    assert (trace.state, trace.segments, trace.tokens_generated) == (TraceState.RUNNING, (), 0)
    assert trace.prompt_sha256 == hashlib.sha256(trace.prompt_text.encode()).hexdigest()
    assert trace.question.target == "B"
    assert trace.created_at == trace.updated_at
    assert trace.is_correct is None


def test_a_trace_of_a_question_that_is_not_kept_is_refused(database: Database) -> None:
    with pytest.raises(RecordNotFound, match="Save the question"), database.session() as session:
        TraceRepository(session).add(a_trace("f" * 32))


def test_saved_progress_is_read_back_segment_by_segment(database: Database) -> None:
    trace = begin(database)
    segments = (think("The pain is", seconds=1.5, finish_reason="stop"), WAIT, think(" crushing"))
    save(database, trace.id, *segments, tokens=5)
    found = read(database, trace.id)
    assert found.segments == segments
    assert (found.thinking_text, found.answer_text) == ("The pain isWait crushing", "")
    assert (found.thinking_tokens, found.tokens_generated) == (5, 5)
    assert found.updated_at > trace.updated_at


def test_each_save_writes_only_the_segments_that_changed(database: Database) -> None:
    trace = begin(database)
    first = think("long " * 1000, finish_reason="stop")
    save(database, trace.id, first, WAIT, think("a"))
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.lstrip().upper().startswith(("INSERT INTO SEGMENT", "UPDATE SEGMENT", "DELETE FROM SEGMENT")):
            written.append(statement.split()[0].upper())

    with database.session() as session:
        event.listen(session.get_bind(), "before_cursor_execute", note)
        traces = TraceRepository(session)
        traces.save_all(progress(trace.id, first, WAIT, think("a b"), tokens=1004))
        assert written == ["INSERT"]
        traces.save_all(progress(trace.id, first, WAIT, think("a b"), tokens=1004))
        assert written == ["INSERT"]
        ended = think("a b", finish_reason="stop")
        traces.save_all(progress(trace.id, first, WAIT, ended, CLOSE, tokens=1005))
        assert written == ["INSERT", "DELETE", "UPDATE", "INSERT"]
        event.remove(session.get_bind(), "before_cursor_execute", note)
    assert [part.text for part in read(database, trace.id).segments] == [first.text, "Wait", "a b", "</think>"]


def test_text_that_grows_without_a_token_is_saved_too(database: Database) -> None:
    trace = begin(database)
    save(database, trace.id, think("abc", token_count=2))
    save(database, trace.id, think("abc\u00e9", token_count=2))
    assert read(database, trace.id).thinking_text == "abc\u00e9"


def test_the_time_to_the_first_token_is_kept(database: Database) -> None:
    trace = begin(database)
    with database.session() as session:
        TraceRepository(session).save_all(progress(trace.id, think("a"), tokens=1, first_token=0.5))
    assert read(database, trace.id).time_to_first_token_seconds == 0.5


def test_many_traces_are_saved_together_and_the_closed_and_deleted_ones_passed_over(database: Database) -> None:
    running, closed, deleted = begin(database), begin(database), begin(database)
    save(database, running.id, think("one"))
    finish(database, closed, think("done"))
    discard(database, TrashKind.TRACE, deleted.id)
    removed = begin(database)
    delete_for_good(database, TrashKind.TRACE, removed.id)
    with database.session() as session:
        saved = TraceRepository(session).save_all(
            [
                Progress(running.id, [think("one"), WAIT, think("two")], 7, 0.25),
                Progress(closed.id, [think("overwritten")], 9, None),
                Progress(deleted.id, [think("gone")], 9, None),
                Progress(removed.id, [think("gone")], 9, None),
                Progress("no such id", [think("x")], 9, None),
            ]
        )
    assert saved == {running.id}
    kept = read(database, running.id)
    assert (kept.thinking_text, kept.tokens_generated, kept.time_to_first_token_seconds) == (
        "one" + WAIT.text + "two",
        7,
        0.25,
    )
    assert read(database, closed.id).thinking_text == "done"


def test_segments_that_are_taken_back_disappear(database: Database) -> None:
    trace = begin(database)
    save(database, trace.id, think("one"), CLOSE, answer("B"))
    save(database, trace.id, think("one"))
    assert read(database, trace.id).segments == (think("one"),)


def test_a_closed_trace_has_its_outcome_and_refuses_to_change(database: Database) -> None:
    trace = begin(database)
    finish(database, trace, think("one two"), CLOSE, answer("B"))
    found = read(database, trace.id)
    for name in TraceOutcome.__dataclass_fields__:
        assert getattr(found, name) == getattr(COMPLETED, name), name
    assert (found.thinking_tokens, found.answer_text) == (2, "B")
    with database.session() as session:
        assert TraceRepository(session).save_all(progress(trace.id, think("more"), tokens=9)) == set()
    with pytest.raises(InvalidRecord, match=r"is closed \(completed\)"):
        finish(database, trace)
    assert read(database, trace.id) == found


def test_closing_without_segments_keeps_those_saved_last(database: Database) -> None:
    trace = begin(database)
    save(database, trace.id, think("one two three"))
    with database.session() as session:
        TraceRepository(session).close(trace.id, TraceOutcome(state=TraceState.FAILED, error="engine\x00 gone"))
    found = read(database, trace.id)
    assert (found.thinking_text, found.thinking_tokens) == ("one two three", 3)
    assert (found.state, found.error) == (TraceState.FAILED, "engine\ufffd gone")


def test_a_trace_cannot_be_closed_as_running(database: Database) -> None:
    trace = begin(database)
    with pytest.raises(InvalidRecord, match="cannot be closed as running"):
        finish(database, trace, outcome=TraceOutcome(state=TraceState.RUNNING))


@pytest.mark.parametrize("missing", ["0" * 32, "", "\x00", "' OR 1=1", "\udfff"])
def test_a_trace_that_is_not_there_is_not_found_by_any_call(database: Database, missing: str) -> None:
    calls: list[Callable[[Session], object]] = [
        lambda session: TraceRepository(session).get(missing),
        lambda session: TrashRepository(session).discard(TrashKind.TRACE, missing, "ada"),
        lambda session: TraceRepository(session).close(missing, COMPLETED),
        lambda session: TraceRepository(session).add_checkpoint(a_checkpoint(missing)),
    ]
    for call in calls:
        with pytest.raises(RecordNotFound, match=r"Trace .* not found"), database.session() as session:
            call(session)
    with database.session() as session:
        assert TraceRepository(session).list_checkpoints(missing) == ()
        assert TraceRepository(session).save_all(progress(missing, tokens=0)) == set()


def test_deleting_a_trace_takes_its_segments_checkpoints_and_index_along(database: Database) -> None:
    trace, other = begin(database), begin(database)
    finish(database, trace, think("pericarditis"))
    finish(database, other, think("pericarditis"))
    with database.session() as session:
        TraceRepository(session).add_checkpoint(a_checkpoint(trace.id))
    delete_for_good(database, TrashKind.TRACE, trace.id)
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(SegmentRow)) == 1
        assert session.scalar(select(func.count()).select_from(CheckpointRow)) == 0
        assert session.scalar(select(func.count()).where(SearchEntryRow.trace_id == trace.id)) == 0
    with pytest.raises(RecordNotFound):
        read(database, trace.id)
    assert read(database, other.id).question == trace.question


def test_only_abandoned_traces_are_marked_interrupted(database: Database) -> None:
    fresh, stale, orphan, done = (begin(database, owner=owner) for owner in ("a:1", "a:1", "b:2", "b:2"))
    save(database, fresh.id, think("fresh"), now=NOON)
    save(database, stale.id, think("stale but kept"), now=NOON - timedelta(seconds=61))
    save(database, orphan.id, think("orphan"), now=NOON)
    finish(database, done, think("done"))
    asked: list[str] = []

    def is_alive(owner: str) -> bool:
        asked.append(owner)
        return owner == "a:1"

    with database.session() as session:
        assert TraceRepository(session, now=at(NOON)).mark_interrupted(is_alive, stale_after_seconds=60) == 2
    assert sorted(asked) == ["a:1", "b:2"]
    states = [read(database, trace.id).state.value for trace in (fresh, stale, orphan, done)]
    assert states == ["running", "interrupted", "interrupted", "completed"]
    kept = read(database, stale.id)
    assert (kept.thinking_text, kept.updated_at) == ("stale but kept", NOON - timedelta(seconds=61))
    with database.session() as session:
        assert TraceRepository(session, now=at(NOON)).mark_interrupted(is_alive, stale_after_seconds=60) == 0


def test_a_process_that_was_only_asleep_goes_on_with_its_trace(database: Database) -> None:
    trace = begin(database)
    with database.session() as session:
        TraceRepository(session).mark_interrupted(lambda _owner: False, stale_after_seconds=60)
    save(database, trace.id, think("awake"))
    assert read(database, trace.id).state is TraceState.RUNNING
    finish(database, trace, think("awake again"))
    assert read(database, trace.id).state is TraceState.COMPLETED


def test_checkpoints_are_listed_by_cut(database: Database) -> None:
    trace = begin(database)
    with database.session() as session:
        traces = TraceRepository(session)
        made = [
            traces.add_checkpoint(a_checkpoint(trace.id, cut_tokens=cut, text=f"{cut}\x00")) for cut in (256, 64, 128)
        ]
    with database.session(is_read_only=True) as session:
        found = TraceRepository(session).list_checkpoints(trace.id)
    assert found == (made[1], made[2], made[0])
    assert found[0].text == "64\ufffd"
    assert found[0].option_probabilities == {"B": 0.75, "A": 0.25}
    assert found[0].cells == ((128, 0), (512, 0))


def test_thinking_counts_injected_waits_and_edits_but_not_the_close() -> None:
    assert {SegmentKind.THINK, SegmentKind.WAIT, SegmentKind.EDIT} == set(COUNTED_AS_THINKING)


def test_a_thinking_finish_reason_is_kept_as_its_word(database: Database) -> None:
    for reason in ThinkingFinishReason:
        trace = begin(database)
        finish(database, trace, outcome=replace(COMPLETED, thinking_finish_reason=reason))
        assert read(database, trace.id).thinking_finish_reason is reason


def test_models_are_listed_once_each_in_order(database: Database) -> None:
    for model in ("m1-7b", "a-model", "m1-7b"):
        begin(database, model=model)
    with database.session(is_read_only=True) as session:
        assert TraceRepository(session).models() == ("a-model", "m1-7b")


def test_bytes_written_while_a_segment_grows_are_linear_in_its_length(database: Database) -> None:
    trace, written = begin(database), []

    def count(*call: Any) -> None:
        parameters, many = call[3], call[5]
        for row in parameters if many else [parameters]:
            values = row.values() if isinstance(row, Mapping) else row
            written.append(sum(len(value) for value in values if isinstance(value, str | bytes)))

    event.listen(database._engine, "before_cursor_execute", count)
    for seconds in range(1, 301):
        save(database, trace.id, think("word " * 50 * seconds))
    whole = think("word " * 50 * 300, finish_reason="natural")
    save(database, trace.id, whole, answer("B"))
    event.remove(database._engine, "before_cursor_execute", count)
    assert sum(written) < 6 * (len(whole.text) + 4 * whole.token_count)
    assert read(database, trace.id).segments == (whole, answer("B"))


def test_growing_segment_is_read_whole_and_becomes_one_row_when_its_process_is_gone(database: Database) -> None:
    trace = begin(database)
    for words in ("one", "one two", "one two", "one two three"):
        save(database, trace.id, think("start", finish_reason="natural"), think(words))
    assert [segment.text for segment in read(database, trace.id).segments] == ["start", "one two three"]
    assert read(database, trace.id).segments[1] == think("one two three")
    with database.session() as session:
        assert TraceRepository(session).mark_interrupted(lambda _: False, 15.0) == 1
    assert read(database, trace.id).segments[1] == think("one two three")
    with database.session() as session:
        assert session.scalars(select(SegmentRow.position).order_by(SegmentRow.position)).all() == [0, 1]


def test_interrupted_segment_that_is_resumed_keeps_its_parts_apart_from_the_next_segment(database: Database) -> None:
    trace = begin(database)
    left = think("left open")
    save(database, trace.id, think("left"))
    save(database, trace.id, left)
    for words in ("then", "then more", "then more and"):
        save(database, trace.id, left, think(words))
    assert [segment.text for segment in read(database, trace.id).segments] == ["left open", "then more and"]
    save(database, trace.id, left)
    assert read(database, trace.id).segments == (left,)


def test_recent_rates_are_those_of_completed_traces_newest_first(database: Database) -> None:
    stopped = TraceOutcome(state=TraceState.STOPPED, tokens_per_second=9.0)
    for number, outcome in enumerate((COMPLETED, stopped, COMPLETED)):
        finish(database, begin(database, model=f"model-{number}"), outcome=outcome)
    finish(database, begin(database), outcome=TraceOutcome(state=TraceState.COMPLETED))
    with database.session(is_read_only=True) as session:
        found = TraceRepository(session).recent_rates(10)
        assert TraceRepository(session).recent_rates(1) == found[:1]
    assert [each.model for each in found] == ["model-2", "model-0"]
    assert found[0] == MeasuredRate(
        "model-2", "embedded", is_pass=False, tokens_per_second=32.0, length=found[0].length
    )


@pytest.mark.parametrize(
    ("reason", "is_natural"),
    [
        (ThinkingFinishReason.NATURAL, True),
        (ThinkingFinishReason.BUDGET, False),
        (ThinkingFinishReason.EARLY_EXIT, None),
        (None, None),
    ],
)
def test_recent_rates_have_the_lengths_of_what_no_person_has_ended(
    database: Database, reason: ThinkingFinishReason | None, is_natural: bool | None
) -> None:
    ended = replace(COMPLETED, thinking_finish_reason=reason, tokens_generated=50)
    asked = begin(database)
    finish(database, asked, think("a", token_count=30), outcome=ended)
    with database.session(is_read_only=True) as session:
        (found,) = TraceRepository(session).recent_rates(10)
    expected = None if is_natural is None else MeasuredLength(30, asked.force_rounds, is_natural, 20)
    assert found.length == expected
