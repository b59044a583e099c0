"""Stored strategy runs: read, and reopened so that their unfinished strategies go on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from m1app.access.audit import record
from m1app.errors import AppError
from m1app.runs.owners import this_process
from m1app.runs.strategy_snapshots import StrategyRunSnapshot, StrategySnapshot
from m1app.strategies.drivers.ledger import EntryState
from m1app.strategies.protocol import Finish
from storage.database import Session
from storage.strategies.records import StrategyRequest, StrategyRunState
from storage.strategies.repository import StrategyRepository
from storage.traces.records import Trace, TraceState
from storage.traces.repository import TraceRepository

ELSEWHERE = "This run is in progress in another process. Stop it there."


def read_run(session: Session, run_id: str) -> StrategyRunSnapshot:
    """A run as it is stored; raises RecordNotFound."""
    run = StrategyRepository(session).get(run_id)
    requests = StrategyRepository(session).requests(run_id)
    traces = _traces_of(session, {each.trace_id for some in requests for each in some if each.trace_id})
    strategies = (StrategySnapshot(result, tuple(some), {}) for result, some in zip(run.results, requests, strict=True))
    return StrategyRunSnapshot(run, tuple(strategies), traces)


def is_unfinished(strategy: StrategySnapshot, *, with_failed: bool) -> bool:
    """Whether a strategy has something left to ask.

    Args:
        strategy: as it is stored.
        with_failed: whether one that has ended counts too, if the engine failed some of its requests.
    """
    if with_failed and failed_requests(strategy):
        return True
    return strategy.result.state is not TraceState.COMPLETED


def failed_requests(strategy: StrategySnapshot) -> Sequence[StrategyRequest]:
    """Requests that the engine failed, and that were not made again since."""
    latest = {each.key: each for each in strategy.requests}
    return [each for each in latest.values() if each.state == EntryState.FAILED.value]


def reopened(kept: StrategyRunSnapshot, *, with_failed: bool) -> Sequence[StrategySnapshot]:
    """The strategies of a run that is to go on: what is unfinished runs again."""
    return [
        replace(each, result=replace(each.result, state=TraceState.RUNNING, error=""))
        if is_unfinished(each, with_failed=with_failed)
        else each
        for each in kept.strategies
    ]


def store_reopened(session: Session, kept: StrategyRunSnapshot, strategies: Sequence[StrategySnapshot]) -> None:
    """Store that a run goes on, with its strategies as `reopened` says; raises AppError if it went on elsewhere."""
    run, runs = kept.run, StrategyRepository(session)
    if not runs.reopen(run.id, run.state):  # Another process was faster.
        raise AppError(ELSEWHERE)
    runs.save(run.id, StrategyRunState(state=TraceState.RUNNING, seconds=run.seconds), this_process())
    runs.save_results(run.id, {place: each.result for place, each in enumerate(strategies)})
    for each in strategies:
        if each.result.state is TraceState.RUNNING:
            for trace_id in _passes_to_go_on(each, kept.traces):
                TraceRepository(session).reopen(trace_id, this_process())
    record(session, "strategies.resume", run.id)


def _passes_to_go_on(strategy: StrategySnapshot, traces: Mapping[str, Trace]) -> Sequence[str]:
    """Traces of finished thinkings that have no whole answer yet."""
    thought = {finish.value for finish in Finish}
    own = [each for each in strategy.requests if each.finish in thought and not each.is_shared]
    ids = [each.trace_id for each in own if each.trace_id]
    return [each for each in ids if each in traces and traces[each].state is not TraceState.COMPLETED]


def _traces_of(session: Session, trace_ids: set[str]) -> dict[str, Trace]:
    repository = TraceRepository(session)
    return {trace_id: repository.get(trace_id) for trace_id in sorted(trace_ids) if repository.exists(trace_id)}
