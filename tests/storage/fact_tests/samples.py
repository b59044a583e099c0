"""A fact test as it is stored, with its run."""

from dataclasses import replace
from typing import Any

from storage.database import Database, Session
from storage.fact_tests.records import NewFactTest
from storage.fact_tests.repository import FactTestRepository
from storage.strategies.records import StrategyResult, StrategyRunState
from storage.strategies.repository import StrategyRepository
from storage.traces.records import Trace, TraceState
from tests.storage.samples import a_strategy_run

ARMS = "ABCD"


def a_fact_test(trace_id: str, **changes: Any) -> NewFactTest:
    test = NewFactTest(
        trace_id=trace_id,
        checkpoint_id=None,
        annotation_id=None,
        mark_start=4,
        mark_end=9,
        marked="heart",
        fact="The heart has four chambers.",
        unrelated_fact="Istanbul lies on two continents.",
        wrong_fact="",
        prompt="It is known: the heart has four chambers.",
        names_target="",
        insertions={
            arm: {"text": arm if arm in "BC" else "", "token_ids": [1, 2] if arm in "BC" else []} for arm in ARMS
        },
        kept_ids=(5, 6),
        kept_characters=4,
        text_before="The ",
        seeds=5,
        first_letter="A",
    )
    return replace(test, **changes)


def picture(*right: str, kind: str = "knowledge_missing") -> dict[str, Any]:
    """What a test shows at its end: these arms right, the others wrong, with all five seeds."""
    seeds = {True: "B", False: "A"}
    arms = {
        arm: {
            "looks": {"A": 0.5, "B": 0.5},
            "seeds": [{"state": "answered", "letter": seeds[arm in right], "is_right": arm in right, "error": ""}] * 5,
        }
        for arm in ARMS
    }
    return {"arms": arms, "verdict": {"kind": kind, "n": 5, "sentence": "It is said."}}


def store_fact_test(
    database: Database, trace: Trace, state: TraceState = TraceState.COMPLETED, shown: Any = None, **changes: Any
) -> str:
    """Store a test of a trace; return its id."""
    with database.session() as session:
        return store_in(session, trace, state, shown, **changes)


def store_in(
    session: Session, trace: Trace, state: TraceState = TraceState.COMPLETED, shown: Any = None, **changes: Any
) -> str:
    """The same within a transaction."""
    strategies = StrategyRepository(session)
    run = strategies.add(
        a_strategy_run(trace.question_id, choices=("fact-test",), model=trace.model, thinking_tokens=50)
    )
    FactTestRepository(session).add(run.id, a_fact_test(trace.id, **changes))
    result = StrategyResult(choice="fact-test", state=state, picture=picture("B") if shown is None else shown)
    strategies.save_results(run.id, {0: result})
    strategies.save(run.id, StrategyRunState(state=state), "host:1")
    return run.id
