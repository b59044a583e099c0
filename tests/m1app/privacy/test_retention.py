"""What is older than M1_RETENTION_DAYS is removed; what people worked on, runs and sets are not."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from m1app.access.audit import record
from m1app.access.person import NOBODY, THE_APP, acting_as
from m1app.privacy import retention
from m1app.privacy.retention import Removal, RetentionService
from m1app.ui.admin.person_names import names_by_id
from storage.database import Database
from storage.errors import StorageError
from storage.people.audit import AuditRepository
from storage.people.records import AuditEntry
from storage.probe_batches.records import NewBatch
from storage.probe_batches.repository import ProbeBatchRepository
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.questions.tables import QuestionRow
from storage.sweeps.repository import SweepRepository
from storage.traces.records import TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from tests.m1app.privacy.homes import MARKER, holding
from tests.storage.samples import a_sweep, a_trace, begin, discard, finish, save_question, think
from tests.storage.trash.scenario import annotate, asked_run

LATER = datetime.now(UTC) + timedelta(days=100)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path}/m1.sqlite3")
    made.migrate()
    return made


def over(database: Database, days: float = 30, now: datetime = LATER) -> RetentionService:
    return RetentionService(database, days, lambda: now)


def probe(database: Database, stem: str) -> str:
    trace = begin(database, NewQuestion(stem=stem))
    finish(database, trace, think(f"{stem} thought"))
    return trace.id


async def test_old_probes_and_sweeps_go_with_questions_that_nothing_uses(database: Database, tmp_path: Path) -> None:
    probe(database, MARKER)
    discard(database, TrashKind.TRACE, probe(database, f"{MARKER} again"))
    question = save_question(database, NewQuestion(stem=f"{MARKER} swept"))
    with database.session() as session:
        sweep = SweepRepository(session).add(a_sweep(question.id), "")
        trace = TraceRepository(session).add(a_trace(question.id, sweep_id=sweep.id))
        TraceRepository(session).close(trace.id, TraceOutcome(state=TraceState.COMPLETED), [think("x")])
        session.connection().exec_driver_sql("UPDATE sweep SET state = 'completed'")
    counts = (await over(database).remove(is_dry_run=True)).counts
    assert (counts["traces"], counts["sweeps"], counts["questions"]) == (3, 1, 3)
    assert database.row_counts()["trace"] == 3
    assert await over(database).remove() == Removal(counts)
    rows = database.row_counts()
    assert [rows[table] for table in ("trace", "sweep", "question", "search_entry", "deletion")] == [0] * 5
    assert rows["audit_entry"] == 1
    assert holding(tmp_path, MARKER) == set()


async def test_what_is_young_running_annotated_or_of_a_run_stays(database: Database) -> None:
    annotated = probe(database, "annotated")
    annotate(database, annotated)
    begin(database, NewQuestion(stem="running"))
    run = asked_run(database, "heart")
    with database.session() as session:
        QuestionSetRepository(session).add("kept", "a file", "m1", "", [NewQuestion(stem="old")])
    probe(database, "old")
    before = database.row_counts()
    assert not any((await over(database, now=datetime.now(UTC)).remove()).counts.values())
    assert (await over(database, days=0).remove()) == Removal({})
    counts = (await over(database).remove()).counts
    assert (counts["traces"], counts.get("sweeps"), counts.get("questions")) == (1, None, None)
    after = database.row_counts()
    assert after["trace"] == before["trace"] - 1 and after["question"] == before["question"]
    assert after["sweep"] == len(run.items)
    counts = (await over(database).remove(with_annotated=True)).counts
    assert (counts["traces"], counts["annotations"]) == (1, 1)


async def test_each_transaction_has_its_entry_in_the_audit_log(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 2)
    for number in range(5):
        probe(database, f"question {number}")
    assert await over(database).remove() == Removal({"traces": 5, "questions": 5})
    assert [entry.details for entry in entries(database)] == [
        {"traces": number, "questions": number} for number in (2, 2, 1)
    ]


async def test_what_an_interrupted_removal_has_removed_is_recorded_and_overwritten(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    for _ in range(2):
        probe(database, f"{MARKER} {uuid4().hex}")
    monkeypatch.setattr(retention, "record", recording_at_most(1))
    with pytest.raises(StorageError):
        await over(database).remove()
    assert [entry.details["traces"] for entry in entries(database)] == [1]
    assert database.row_counts()["trace"] == 1
    assert Path(f"{database.file}-wal").stat().st_size == 0


async def test_what_a_killed_process_left_in_the_files_is_overwritten_by_the_next_removal(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe(database, MARKER)
    with monkeypatch.context() as killed:
        killed.setattr(database, "scrub", lambda **_: "")
        await over(database).remove()
    assert holding(tmp_path, MARKER) != set()
    assert await over(database).remove() == Removal({})
    assert holding(tmp_path, MARKER) == set()


async def test_the_app_removes_in_its_own_name_and_the_log_can_show_it(database: Database) -> None:
    probe(database, "old")
    with acting_as(NOBODY):
        upkeep = asyncio.create_task(over(database).run_upkeep())
    while not entries(database):
        await asyncio.sleep(0.01)
    upkeep.cancel()
    await asyncio.gather(upkeep, return_exceptions=True)
    (entry,) = entries(database)
    assert (entry.person, names_by_id(())[entry.person]) == (THE_APP.id, "The app itself")


def entries(database: Database) -> Sequence[AuditEntry]:
    return database.read_now(lambda s: AuditRepository(s).after(0))


def recording_at_most(most: int) -> Callable[..., None]:
    """`record`, until the database takes no more."""
    done = []

    def recording(*args: Any, **details: Any) -> None:
        if len(done) == most:
            raise StorageError("The disk is full.")
        done.append(record(*args, **details))

    return recording


async def test_a_batch_that_was_left_goes_with_the_questions_that_were_not_asked(database: Database) -> None:
    batch = NewBatch("a" * 32, "", "gone:1", False, [(NewQuestion(stem=MARKER), {}), (NewQuestion(stem="Asked?"), {})])
    with database.session() as session:
        ProbeBatchRepository(session).add(batch)
    probe(database, "Asked?")
    assert (await over(database, now=datetime.now(UTC)).remove()).counts == {}
    removed = (await over(database).remove()).counts
    assert (removed["batches"], removed["questions"]) == (1, 2)
    with database.session() as session:
        assert ProbeBatchRepository(session).find(batch.id) is None
        assert session.scalars(select(QuestionRow.stem)).all() == []
