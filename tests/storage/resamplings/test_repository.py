"""Resamplings in each database: stored with their run, listed by case, and gone with what they go on from."""

from dataclasses import fields, replace
from typing import Any

import pytest

from storage.database import Database
from storage.erasure.repository import ErasureRepository
from storage.errors import RecordNotFound
from storage.resamplings.records import NewResampling
from storage.resamplings.repository import ResamplingRepository
from storage.strategies.records import StrategyResult, StrategyRunState
from storage.strategies.repository import StrategyRepository
from storage.traces.records import Trace, TraceState
from storage.trash.records import TrashKind
from storage.trash.repository import TrashRepository
from tests.storage.fact_tests.test_repository import trace
from tests.storage.samples import a_strategy_run, delete_for_good, discard
from tests.storage.trash.scenario import rows

__all__ = ["trace"]


def a_resampling(trace_id: str, **changes: Any) -> NewResampling:
    resampling = NewResampling(
        trace_id=trace_id,
        checkpoint_id=None,
        start=4,
        end=9,
        sentence="heart",
        letter="A",
        seeds=5,
        before_ids=(5, 6),
        after_ids=(5, 6, 7),
        before_text="The ",
        after_text="The heart",
        before_rounds=1,
        after_rounds=0,
    )
    return replace(resampling, **changes)


def store(database: Database, trace: Trace, **changes: Any) -> str:
    """Store a resampling of a trace; return the id of its run."""
    with database.session() as session:
        strategies = StrategyRepository(session)
        run = strategies.add(a_strategy_run(trace.question_id, choices=("resampling",), model=trace.model))
        ResamplingRepository(session).add(run.id, a_resampling(trace.id, **changes))
        strategies.save_results(run.id, {0: StrategyResult(choice="resampling", state=TraceState.COMPLETED)})
        strategies.save(run.id, StrategyRunState(state=TraceState.COMPLETED), "host:1")
        return run.id


def of_case(database: Database, case_id: str, limit: int = 50) -> list[str]:
    with database.session(is_read_only=True) as session:
        return [each.run_id for each in ResamplingRepository(session).of_case(case_id, limit)]


def test_a_resampling_is_read_as_it_was_stored_and_is_no_run_of_strategies(database: Database, trace: Trace) -> None:
    run_id = store(database, trace)
    with database.session(is_read_only=True) as session:
        kept = ResamplingRepository(session).get(run_id)
        assert StrategyRepository(session).recent() == ()
    expected = a_resampling(trace.id)
    assert {each.name: getattr(kept, each.name) for each in fields(expected)} == {
        each.name: getattr(expected, each.name) for each in fields(expected)
    }
    assert kept.run_id == run_id


def test_those_of_a_case_come_newest_first_and_not_those_of_another_one(database: Database, trace: Trace) -> None:
    first, second = store(database, trace), store(database, trace, start=0)
    assert of_case(database, trace.id) == [second, first]
    assert of_case(database, trace.id, limit=1) == [second]
    assert of_case(database, "0" * 32) == []


@pytest.mark.parametrize("run_id", ["0" * 32, "../x", ""])
def test_what_is_not_there_is_said(database: Database, run_id: str) -> None:
    with (
        database.session(is_read_only=True) as session,
        pytest.raises(RecordNotFound, match=r"Resampling .* not found"),
    ):
        ResamplingRepository(session).get(run_id)


def test_a_deleted_trace_takes_them_along_brings_them_back_and_removes_them_for_good(
    database: Database, trace: Trace
) -> None:
    run_id = store(database, trace)
    deletion = discard(database, TrashKind.TRACE, trace.id)
    assert of_case(database, trace.id) == []
    with database.session() as session:
        with pytest.raises(RecordNotFound):
            ResamplingRepository(session).get(run_id)
        TrashRepository(session).restore(deletion.id)
    assert of_case(database, trace.id) == [run_id]
    delete_for_good(database, TrashKind.TRACE, trace.id)
    left = rows(database)
    assert [name for name in ("resampling", "strategy_run", "strategy_result", "trace") if left[name]] == []


def test_erasing_a_trace_erases_them(database: Database, trace: Trace) -> None:
    run_id = store(database, trace)
    with database.session() as session:
        erasure = ErasureRepository(session)
        extent = erasure.of_trace(trace.id)
        assert extent.strategy_runs == (run_id,)
        erasure.erase(extent)
    assert rows(database)["resampling"] == []
