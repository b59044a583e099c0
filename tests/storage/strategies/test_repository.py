"""Strategy runs in each database: stored, listed, deleted, erased."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storage.database import Database
from storage.erasure.repository import ErasureRepository
from storage.errors import InvalidRecord, RecordNotFound
from storage.questions.records import NewQuestion
from storage.strategies.records import StrategyRequest, StrategyResult, StrategyRun, StrategyRunState
from storage.strategies.repository import StrategyRepository
from storage.traces.records import TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from storage.trash.repository import TrashRepository
from tests.storage.samples import a_strategy_run, a_trace, begin, discard, save_question, think
from tests.storage.trash.scenario import annotate, counts

ASKED = NewQuestion(stem="Does granite help?", options={"A": "yes", "B": "no"}, target="A")


def a_request(position: int, **changes) -> StrategyRequest:
    request = StrategyRequest(
        position=position,
        key=f"judge/{position}",
        attempt=0,
        purpose="verify",
        model="m1-7b",
        state="done",
        generated=7,
        injected=2,
        prompt_new=30,
        prompt_cached=10,
        wasted=0,
        seconds=0.5,
        text="Granite is right.",
        token_ids=(1, 2, 3),
        prompt_ids=(4,),
        tokens=3,
        finish="natural",
        stops=(3,),
        told=(9, 1, 2 * 3 + 1, 17, 2**32 - 1),
        rest=" And on it goes.",
        probabilities={"Yes": 0.75},
    )
    return replace(request, **changes)


def a_run(database: Database, state: TraceState = TraceState.COMPLETED) -> StrategyRun:
    """A run that has ended, with a pass and a judge's request."""
    asked = save_question(database, ASKED)
    with database.session() as session:
        strategies = StrategyRepository(session)
        run = strategies.add(a_strategy_run(asked.id))
        traces = TraceRepository(session)
        trace = traces.add(a_trace(asked.id, strategy_run_id=run.id))
        traces.close(trace.id, TraceOutcome(state=TraceState.COMPLETED), [think("Granite is hard.")])
        first = a_request(0, key="pass/0", purpose="think", trace_id=trace.id, text="", token_ids=(), prompt_ids=())
        strategies.save_requests(run.id, {0: [first, a_request(1)]})
        strategies.save(run.id, StrategyRunState(state=state), "host:1")
        return strategies.get(run.id)


def trace_of(database: Database, run: StrategyRun) -> str:
    with database.session(is_read_only=True) as session:
        return str(StrategyRepository(session).requests(run.id)[0][0].trace_id)


def test_results_and_requests_are_written_again_in_place(database: Database) -> None:
    run = a_run(database)
    with database.session() as session:
        strategies = StrategyRepository(session)
        vote = StrategyResult(
            choice="vote:k=4", state=TraceState.COMPLETED, letter="A", why="All.", picture={"votes": {"A": 4}}
        )
        strategies.save_results(run.id, {0: vote})
        changed = a_request(1, wasted=7, state="lost", probabilities=None)
        strategies.save_requests(run.id, {0: [changed, a_request(2, key="judge/2")], 1: [a_request(0)]})
        found = strategies.get(run.id)
        assert found.results[0] == vote
        assert found.results[1] == StrategyResult(choice="budget-forcing", state=TraceState.RUNNING)
        first, second = strategies.requests(run.id)
        assert (first[1], [each.key for each in first]) == (changed, ["pass/0", "judge/1", "judge/2"])
        assert second == [a_request(0)]


def test_what_is_not_there_is_not_found(database: Database) -> None:
    with database.session() as session:
        strategies = StrategyRepository(session)
        for ask in (strategies.get, strategies.requests, strategies.asked_by):
            with pytest.raises(RecordNotFound):
                ask("0" * 32)
        with pytest.raises(RecordNotFound):
            strategies.save("0" * 32, StrategyRunState(state=TraceState.STOPPED), "host:1")
        with pytest.raises(RecordNotFound, match="Save the question"):
            strategies.add(a_strategy_run("0" * 32))


def test_runs_whose_process_is_gone_are_marked_with_their_strategies(database: Database) -> None:
    run = a_run(database, TraceState.RUNNING)
    with database.session() as session:
        strategies = StrategyRepository(session)
        assert strategies.mark_interrupted(lambda owner: True, 60.0) == 0
        assert strategies.mark_interrupted(lambda owner: False, 60.0) == 1
        found = strategies.get(run.id)
    assert (found.state, {each.state for each in found.results}) == (TraceState.INTERRUPTED, {TraceState.INTERRUPTED})


def test_a_deleted_run_goes_with_its_passes_and_comes_back_with_them(database: Database) -> None:
    run = a_run(database)
    trace_id = trace_of(database, run)
    with pytest.raises(InvalidRecord, match="Delete the strategy run instead"):
        discard(database, TrashKind.TRACE, trace_id)
    with database.session() as session:
        extent = TrashRepository(session).extent(TrashKind.STRATEGY_RUN, run.id)
        assert (extent.strategy_runs, extent.sweeps, extent.traces) == (1, 0, 1)
    deletion = discard(database, TrashKind.STRATEGY_RUN, run.id)
    assert deletion.name == ASKED.stem
    with database.session() as session:
        assert StrategyRepository(session).recent() == ()
        with pytest.raises(RecordNotFound):
            TraceRepository(session).get(trace_id)
    with database.session() as session:
        TrashRepository(session).restore(deletion.id)
        assert len(StrategyRepository(session).recent()) == 1
        assert TraceRepository(session).get(trace_id).strategy_run_id == run.id
    deletion = discard(database, TrashKind.STRATEGY_RUN, run.id)
    with database.session() as session:
        while not TrashRepository(session).purge(deletion.id, 1):
            pass
    assert counts(database, "strategy_run", "strategy_result", "strategy_request", "trace", "deletion") == (0,) * 5


def test_an_annotated_pass_keeps_its_run(database: Database) -> None:
    run = a_run(database)
    annotate(database, trace_of(database, run))
    with pytest.raises(InvalidRecord, match="This strategy run has annotations"):
        discard(database, TrashKind.STRATEGY_RUN, run.id)
    assert counts(database, "strategy_run", "trace") == (1, 1)


def test_a_question_is_erased_with_its_runs_and_what_judges_wrote_is_looked_for_in_files(database: Database) -> None:
    run = a_run(database)
    begin(database, NewQuestion(stem="Does marble help?"))
    with database.session() as session:
        erasure = ErasureRepository(session)
        extent = erasure.of_question(run.question_id)
        assert (extent.strategy_runs, len(extent.traces), extent.is_running) == ((run.id,), 1, False)
        assert set(extent.passages) == {ASKED.stem, "Granite is hard.", "Granite is right."}
        assert erasure.of_trace(extent.traces[0]).strategy_runs == (run.id,)
        erasure.erase(extent)
    assert counts(database, "strategy_run", "strategy_request", "question", "trace") == (0, 0, 1, 1)


def test_old_runs_go_with_their_passes_unless_somebody_has_annotated_one(database: Database) -> None:
    run, other = a_run(database), a_run(database)
    annotate(database, trace_of(database, other))
    later = datetime.now(UTC) + timedelta(days=1)
    with database.session() as session:
        erasure = ErasureRepository(session)
        extent = erasure.older_than(later, with_annotated=False)
        assert (extent.strategy_runs, len(extent.traces)) == ((run.id,), 1)
        assert len(erasure.older_than(later, with_annotated=True).strategy_runs) == 2
        erasure.erase(extent)
        assert erasure.erase_unused([run.question_id]) == 0, "the other run still asks it"
    assert counts(database, "strategy_run", "trace", "question") == (1, 1, 1)


def test_a_running_run_is_not_erased(database: Database) -> None:
    run = a_run(database, TraceState.RUNNING)
    with database.session() as session:
        assert ErasureRepository(session).of_question(run.question_id).is_running


def test_of_several_that_reopen_a_run_one_succeeds(database: Database) -> None:
    run = a_run(database, TraceState.STOPPED)

    def reopen(_: int) -> bool:
        return database.write_now(lambda session: StrategyRepository(session).reopen(run.id, TraceState.STOPPED))

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(reopen, range(4))) == [False, False, False, True]
    with database.session() as session:
        StrategyRepository(session).save(run.id, StrategyRunState(state=TraceState.COMPLETED), "host:1")
    assert not reopen(0), "whoever reopened it has completed it"
