"""A run of strategies in the database, as if it had been asked."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from storage.database import Database, Session
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.strategies.records import NewStrategyRun, StrategyRequest, StrategyResult, StrategyRunState
from storage.strategies.repository import StrategyRepository
from storage.traces.records import Segment, TraceState
from storage.traces.repository import TraceRepository
from tests.m1app.runs.strategy_samples import PICTURES, REQUESTS, RUN, VOTE
from tests.m1app.runs.trace_samples import ANSWERED, QUESTION
from tests.storage.samples import COMPLETED, a_trace


def store_strategy_run(
    database: Database,
    results: Sequence[StrategyResult] = (VOTE,),
    *,
    stem: str = QUESTION.stem,
    options: Mapping[str, str] = QUESTION.options,
    segments: Sequence[Segment] = ANSWERED,
    state: TraceState = TraceState.COMPLETED,
    **changes: Any,
) -> str:
    """Store a run with a pass, whose ledger each of its results has; return its id."""

    def store(session: Session) -> str:
        question = QuestionRepository(session).upsert(NewQuestion(stem=stem, options=dict(options), target="A"))
        values = {each.name: getattr(RUN, each.name) for each in fields(NewStrategyRun)}
        values |= {"question_id": question.id, "choices": tuple(each.choice for each in results)}
        strategies = StrategyRepository(session)
        run = strategies.add(NewStrategyRun(**values | changes))
        traces = TraceRepository(session)
        trace = traces.add(a_trace(question.id, strategy_run_id=run.id))
        traces.close(trace.id, COMPLETED, tuple(segments))
        strategies.save_results(run.id, dict(enumerate(results)))
        strategies.save_requests(run.id, {place: _requests(trace.id) for place in range(len(results))})
        strategies.save(run.id, StrategyRunState(state=state, seconds=13.0), "host:1")
        return run.id

    return database.write_now(store)


def with_every_picture(**changes: Any) -> list[StrategyResult]:
    """A result for each picture of the Strategies page."""
    return [
        replace(VOTE, choice=f"a strategy with {name}", picture={name: PICTURES[name]}, **changes) for name in PICTURES
    ]


def _requests(trace_id: str) -> list[StrategyRequest]:
    return [replace(each, trace_id=trace_id) if each.trace_id else each for each in REQUESTS]
