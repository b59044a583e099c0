"""What the page shows of a run of strategies."""

import json
from dataclasses import replace

import pytest

from m1app.runs.strategy_snapshots import StrategyRunSnapshot, StrategySnapshot
from m1app.ui.strategies.run_view import chain, request_value, view_value
from storage.strategies.records import StrategyResult
from storage.traces.records import TraceState
from tests.m1app.runs.strategy_samples import CHAIN, RUN, SNAPSHOT, TRACE, VOTE, a_request
from tests.m1app.runs.trace_samples import HOSTILE


def of_one(result: StrategyResult, **changes: object) -> StrategyRunSnapshot:
    strategy = replace(StrategySnapshot(result, (), {}), **changes)
    return StrategyRunSnapshot(RUN, (strategy,), {TRACE.id: TRACE})


def test_a_strategy_says_what_it_spent_answered_and_why() -> None:
    value = json.loads(json.dumps(view_value(SNAPSHOT)))
    vote, failed = value["strategies"]
    assert (vote["title"], vote["verdict"], vote["verdict_label"]) == ("Vote (passes 3)", "right", "✓ Right: A")
    assert (vote["generated"], vote["computed"], vote["wasted"]) == (1_267, 1_387, 42)
    assert (vote["from"], vote["why"]) == (TRACE.id, "2 of 3 passes gave this answer.")
    assert (failed["state_label"], failed["error"], failed["verdict_label"]) == ("Failed", "The engine is gone.", "")
    assert value["progress"] == "1 of 2 strategies answered, 1 failed"
    assert value["account"] == "1,267 tokens generated in 13 s"


@pytest.mark.parametrize("state", [TraceState.RUNNING, TraceState.STOPPED, TraceState.INTERRUPTED])
def test_a_strategy_that_was_cut_short_is_not_done(state: TraceState) -> None:
    snapshot = of_one(replace(VOTE, state=state))
    assert (
        view_value(replace(snapshot, run=replace(RUN, state=TraceState.RUNNING)))["progress"] == "0 of 1 strategy done"
    )
    assert view_value(snapshot)["progress"] == "0 of 1 strategy answered, 1 not finished"


def test_a_strategy_that_ended_without_an_answer_is_counted_so() -> None:
    value = view_value(of_one(replace(VOTE, letter=None, answer="")))
    assert value["progress"] == "0 of 1 strategy answered, 1 ended without an answer"


def test_a_pass_leads_to_its_trace_and_other_texts_can_be_read() -> None:
    rows = view_value(SNAPSHOT)["strategies"][0]["requests"]
    assert [(row["trace"] != "", row["is_case"], row["has_text"]) for row in rows] == [
        (True, True, False),
        (True, True, False),
        (False, False, False),
        (False, False, True),
        (False, False, False),
        (False, False, False),
    ]
    assert [row["said"] for row in rows] == ["", "A", "A 75%, B 25%", "", "", "=cmd()"]
    assert request_value(SNAPSHOT, 0, 3) == {"key": "verify/0", "prompt": "Is it right?", "text": HOSTILE}
    assert request_value(SNAPSHOT, 0, 0) == {"key": "pass/0", "prompt": "", "text": TRACE.thinking_text}
    assert request_value(SNAPSHOT, 0, 6) is request_value(SNAPSHOT, 2, 0) is request_value(SNAPSHOT, -1, 0) is None


def test_a_pass_that_has_not_ended_well_is_no_case() -> None:
    stopped = replace(TRACE, state=TraceState.STOPPED)
    value = view_value(replace(SNAPSHOT, traces={TRACE.id: stopped}))
    assert [row["is_case"] for row in value["strategies"][0]["requests"][:2]] == [False, False]


def test_one_chain_is_drawn_from_its_pass() -> None:
    (picture,) = view_value(SNAPSHOT)["strategies"][1]["pictures"]
    assert picture == {"name": "chain", "value": chain(TRACE)}
    assert chain(TRACE) == {
        "tokens": 8,
        "budget": 1024,
        "waits": [4],
        "answer_tokens": 1,
        "finish": "natural",
        "probabilities": dict(TRACE.option_probabilities or {}),
    }


def test_the_tail_is_what_was_begun_last_among_those_that_write() -> None:
    running = (
        a_request(0, "plan", state="done"),
        a_request(1, "part/0", state="running"),
        a_request(2, "part/1", state="running"),
    )
    value = view_value(of_one(CHAIN, requests=running, texts={"part/0": "x" * 400 + "end", "part/1": ""}))
    assert value["strategies"][0]["tail"] == "x" * 277 + "end"
    assert view_value(of_one(CHAIN))["strategies"][0]["tail"] == ""


def test_a_long_ledger_and_long_texts_are_bounded_and_say_so() -> None:
    many = tuple(a_request(place, f"pass/{place}", error="e" * 9_000) for place in range(450))
    (shown,) = view_value(of_one(replace(VOTE, answer="a" * 9_000), requests=many))["strategies"]
    assert (len(shown["requests"]), shown["hidden"]) == (400, 50)
    assert len(shown["answer"]) == len(shown["requests"][0]["said"]) == 4_000


def test_an_interrupted_run_and_one_that_is_not_saved_say_so() -> None:
    interrupted = replace(RUN, state=TraceState.INTERRUPTED)
    cut_off = replace(SNAPSHOT, run=interrupted)
    assert "what they had generated counts as wasted." in view_value(cut_off)["notice"]
    assert "The person who started it, or an admin, can resume it." in view_value(cut_off, is_own=False)["notice"]
    assert "not saved yet: The disk is full." in view_value(replace(SNAPSHOT, save_error="The disk is full."))["notice"]
