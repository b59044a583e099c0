"""Batches of probes on both dialects: what is kept of them, who may take them over, and what goes with them."""

from sqlalchemy import select

from storage.database import Database
from storage.probe_batches.records import NewBatch
from storage.probe_batches.repository import ProbeBatchRepository
from storage.questions.records import NewQuestion
from storage.questions.tables import QuestionRow
from storage.traces.records import TraceState
from storage.trash.records import TrashKind
from tests.storage.samples import begin, discard, finish, think

FIRST, SECOND = NewQuestion(stem="Why?"), NewQuestion(stem="How?", options={"A": "So", "B": "Not"}, target="B")
BATCH = NewBatch("b" * 32, "ada", "host:1", True, [(FIRST, {"seed": 7}), (SECOND, {"seed": None})])


def kept(database: Database) -> ProbeBatchRepository:
    with database.session() as session:
        repository = ProbeBatchRepository(session)
        repository.add(BATCH)
    return repository


def test_a_batch_comes_back_with_its_questions_settings_and_traces(database: Database) -> None:
    trace = begin(database, FIRST)
    finish(database, trace, think("x"))
    kept(database)
    with database.session() as session:
        ProbeBatchRepository(session).note(BATCH.id, 0, trace_id=trace.id)
        ProbeBatchRepository(session).note(BATCH.id, 1, problem="The engine is down.")
    with database.session(is_read_only=True) as session:
        (found,) = ProbeBatchRepository(session).of_person("ada")
        assert ProbeBatchRepository(session).of_person("eve") == ()
    first, second = found.items
    assert (first.question.stem, first.settings, first.trace_id, first.trace_state) == (
        "Why?",
        {"seed": 7},
        trace.id,
        TraceState.COMPLETED,
    )
    assert (second.question.target, second.settings, second.trace_id, second.problem) == (
        "B",
        {"seed": None},
        "",
        "The engine is down.",
    )


def test_a_trace_in_the_trash_was_asked_and_is_not_seen(database: Database) -> None:
    trace = begin(database, FIRST)
    finish(database, trace, think("x"))
    kept(database)
    with database.session() as session:
        ProbeBatchRepository(session).note(BATCH.id, 0, trace_id=trace.id)
    discard(database, TrashKind.TRACE, trace.id)
    with database.session(is_read_only=True) as session:
        found = ProbeBatchRepository(session).find(BATCH.id)
    assert found is not None
    assert (found.items[0].trace_id, found.items[0].trace_state) == (trace.id, None)


def test_one_process_only_takes_a_batch_over(database: Database) -> None:
    kept(database)
    with database.session() as session:
        batch = ProbeBatchRepository(session).find(BATCH.id)
        assert batch is not None
        assert ProbeBatchRepository(session).claim(batch, "ada", "host:2")
    with database.session() as session:
        assert not ProbeBatchRepository(session).claim(batch, "ada", "host:3")


def test_a_forgotten_batch_takes_the_questions_with_it_that_nothing_else_uses(database: Database) -> None:
    begin(database, FIRST)
    kept(database)
    with database.session() as session:
        assert ProbeBatchRepository(session).remove(BATCH.id) == 1
    with database.session(is_read_only=True) as session:
        assert session.scalars(select(QuestionRow.stem)).all() == ["Why?"]
        assert ProbeBatchRepository(session).find(BATCH.id) is None
