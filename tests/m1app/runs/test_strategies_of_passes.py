"""Strategies over one pass and over several on the real engines.

What is cut short, an engine may count in part, or not at all, and it generates a few tokens more before it notices.
"""

import asyncio
from dataclasses import replace

import pytest

from m1app.bootstrap import Services
from models.engine.endpoint import Endpoint
from storage.strategies.records import StrategyRequest
from storage.traces.records import TraceState
from tests.m1app.runs.test_strategies import counted_by_engine, end_of, request

MOST_TOKENS_LATE = 64
"""Of each request that is cut short, before the engine notices."""

WHOLE = ["weighted-vote:k=2", "most-confident:k=2", "temperatures:rounds=1"]
CUT_SHORT = ["first-finish:n=2", "deer:threshold=0.3", "dynasor:every=8", "trimr", "deepconf:k=3:warmup=1:window=8"]


def is_cut_short(each: StrategyRequest) -> bool:
    return each.state != "done" or each.finish == "closed"


@pytest.mark.engine
@pytest.mark.parametrize("choice", [*WHOLE, *CUT_SHORT])
async def test_a_strategy_runs_to_its_verdict_and_costs_what_the_engine_counts(
    services: Services, engine_endpoint: Endpoint, choice: str
):
    before = counted_by_engine(engine_endpoint)
    wanted = replace(request(choices=(choice,), budget_tokens=220, answer_cap_tokens=12), stem="What causes scurvy?")
    begun = await services.strategies.start(wanted)
    over = await end_of(services.strategies, begun.run.id)
    (only,) = over.strategies
    assert (only.result.error, only.result.state) == ("", TraceState.COMPLETED)
    assert only.result.why
    assert only.result.picture
    assert 0 < only.result.generated <= 220
    assert only.result.generated == sum(each.generated for each in only.requests)
    cut = [each for each in only.requests if is_cut_short(each)]
    least = sum(each.generated for each in only.requests if not is_cut_short(each))
    for _ in range(50):  # A server counts a request a moment after its last token.
        if (found := counted_by_engine(engine_endpoint) - before) >= least:
            break
        await asyncio.sleep(0.1)
    assert least <= found <= only.result.generated + MOST_TOKENS_LATE * len(cut)
    if choice in WHOLE:
        assert not cut
