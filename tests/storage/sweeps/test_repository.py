"""Sweeps with their passes and checkpoints."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from storage.database import Database
from storage.errors import RecordNotFound
from storage.questions.repository import QuestionRepository, utc_now
from storage.sweeps.records import Sweep, SweepOutcome
from storage.sweeps.repository import SweepRepository
from storage.traces.listing import TraceFilter
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from storage.trash.repository import TrashRepository
from tests.storage.samples import QUESTION, a_checkpoint, a_sweep, a_trace, discard, purge

DONE = SweepOutcome(state=TraceState.COMPLETED, tokens_generated=100, tokens_if_separate=400, seconds=2.5)


def begin(database: Database, **changes: object) -> Sweep:
    with database.session() as session:
        question = QuestionRepository(session).upsert(QUESTION)
        return SweepRepository(session).add(a_sweep(question.id, **changes))


def test_sweep_comes_back_with_its_passes_in_the_order_of_models_and_numbers(database: Database) -> None:
    sweep = begin(database)
    with database.session() as session:
        traces = TraceRepository(session)
        made = [
            traces.add(replace(a_trace(sweep.question_id), model=model, sweep_id=sweep.id, pass_number=number))
            for model, number in (("smollm2-135m", 1), ("smollm2-135m", 0), ("m1-7b", 0))
        ]
        late = traces.add_checkpoint(a_checkpoint(made[1].id, cut_tokens=90))
        early = traces.add_checkpoint(a_checkpoint(made[1].id, cut_tokens=20))
    with database.session(is_read_only=True) as session:
        found = SweepRepository(session).get(sweep.id)
    assert found.sweep == sweep
    assert [each.trace.id for each in found.passes] == [made[2].id, made[1].id, made[0].id]
    assert [each.checkpoints for each in found.passes] == [(), (early, late), ()]
    assert found.sweep.budgets == (64, 128)


def test_passes_of_a_sweep_are_no_traces_of_the_list(database: Database) -> None:
    sweep = begin(database)
    with database.session() as session:
        TraceRepository(session).add(replace(a_trace(sweep.question_id), sweep_id=sweep.id))
        assert TraceRepository(session).count(TraceFilter()) == 0


def test_sweep_is_saved_listed_and_found_by_its_question(database: Database) -> None:
    first, second = begin(database), begin(database)
    with database.session() as session:
        SweepRepository(session).save(first.id, DONE, "host:2")
    with database.session(is_read_only=True) as session:
        sweeps = SweepRepository(session)
        assert [item.id for item in sweeps.recent()] == [second.id, first.id]
        assert [item.state for item in sweeps.recent()] == [TraceState.RUNNING, TraceState.COMPLETED]
        word = first.question.stem.split()[0]
        assert len(sweeps.recent(text=word)) == 2
        assert sweeps.recent(text="xylophone") == ()
        kept = sweeps.get(first.id).sweep
    assert (kept.tokens_generated, kept.tokens_if_separate, kept.seconds, kept.owner) == (100, 400, 2.5, "host:2")


def test_late_heartbeat_does_not_open_a_sweep_that_has_ended(database: Database) -> None:
    sweep = begin(database)
    running = SweepOutcome(state=TraceState.RUNNING, tokens_generated=50)
    with database.session() as session:
        sweeps = SweepRepository(session)
        sweeps.heartbeat({sweep.id: running, "0" * 32: running}, "host:2")
        assert (sweeps.get(sweep.id).sweep.tokens_generated, sweeps.get(sweep.id).sweep.owner) == (50, "host:2")
        sweeps.save(sweep.id, DONE, "host:2")
        sweeps.heartbeat({sweep.id: running}, "host:2")
        sweeps.heartbeat({}, "host:2")
        assert sweeps.get(sweep.id).sweep.state is TraceState.COMPLETED


def test_sweep_whose_process_is_gone_becomes_interrupted(database: Database) -> None:
    gone, alive, closed = begin(database), begin(database, owner="host:2"), begin(database)
    with database.session() as session:
        SweepRepository(session).save(closed.id, DONE, "host:1")
        assert SweepRepository(session).mark_interrupted(lambda owner: owner == "host:2", 60) == 1
    with database.session() as session:
        states = {item.id: item.state for item in SweepRepository(session).recent()}
        assert states == {
            gone.id: TraceState.INTERRUPTED,
            alive.id: TraceState.RUNNING,
            closed.id: TraceState.COMPLETED,
        }
        asleep = SweepRepository(session, now=lambda: utc_now() + timedelta(minutes=5))
        assert asleep.mark_interrupted(lambda _: True, 60) == 1


def test_deleted_sweep_takes_its_passes_with_it(database: Database) -> None:
    sweep = begin(database)
    with database.session() as session:
        trace = TraceRepository(session).add(replace(a_trace(sweep.question_id), sweep_id=sweep.id))
    deletion = discard(database, TrashKind.SWEEP, sweep.id)
    is_gone(database, sweep.id, trace.id)
    purge(database, deletion)
    is_gone(database, sweep.id, trace.id)


def is_gone(database: Database, sweep_id: str, trace_id: str) -> None:
    with database.session(is_read_only=True) as session:
        with pytest.raises(RecordNotFound):
            TraceRepository(session).get(trace_id)
        with pytest.raises(RecordNotFound, match="not found"):
            SweepRepository(session).get(sweep_id)


@pytest.mark.parametrize("missing", ["0" * 32, "no id at all"])
def test_sweep_that_is_not_there_is_told(database: Database, missing: str) -> None:
    with database.session() as session:
        sweeps, trash = SweepRepository(session), TrashRepository(session)
        discarded = partial(trash.discard, TrashKind.SWEEP, person="ada")
        for use in (sweeps.get, discarded, lambda id_: sweeps.save(id_, DONE, "host:1")):
            with pytest.raises(RecordNotFound):
                use(missing)
        with pytest.raises(RecordNotFound):
            sweeps.add(a_sweep(missing))


def test_of_several_that_reopen_a_sweep_one_succeeds(database: Database) -> None:
    sweep = begin(database)

    def reopen(_: int) -> bool:
        return database.write_now(lambda session: SweepRepository(session).reopen(sweep.id, TraceState.STOPPED))

    assert not reopen(0), "it is running"
    with database.session() as session:
        SweepRepository(session).save(sweep.id, replace(DONE, state=TraceState.STOPPED), "host:1")
    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(reopen, range(4))) == [False, False, False, True]
    with database.session(is_read_only=True) as session:
        assert SweepRepository(session).get(sweep.id).sweep.state is TraceState.RUNNING
    with database.session() as session:
        SweepRepository(session).save(sweep.id, DONE, "host:1")
    assert not reopen(0), "whoever reopened it has completed it"
