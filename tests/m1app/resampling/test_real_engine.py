"""A sentence resampled on the real engines: both sides go on from the stored tokens, and the ledger is the engine's."""

import asyncio
from contextlib import aclosing

import pytest

from m1app.bootstrap import Services
from m1app.fact_tests.design import LEAST_SEEDS
from m1app.resampling.export import resampling_csv
from m1app.runs.probe_request import ProbeRequest
from models.engine.endpoint import Endpoint
from storage.traces.records import COUNTED_AS_THINKING, Trace, TraceState
from tests.m1app.conftest import MakeServices
from tests.m1app.resampling.test_service import end_of
from tests.m1app.runs.test_strategies import counted_by_engine


async def asked(services: Services) -> Trace:
    begun = await services.probe.start(
        ProbeRequest(
            stem="Which vitamin deficiency causes scurvy?",
            options={"A": "Vitamin A", "B": "Vitamin C"},
            thinking_budget_tokens=24,
            answer_cap_tokens=4,
        )
    )
    async with aclosing(services.probe.follow(begun.id)) as traces:
        *_, over = [each async for each in traces]
    return over


@pytest.mark.engine
async def test_rollouts_go_on_from_the_stored_tokens_and_cost_what_the_engine_counts(
    make_services: MakeServices, whole_engine_endpoint: Endpoint
):
    services = make_services(whole_engine_endpoint)
    trace = await asked(services)
    thinking = trace.thinking_text
    start, end = len(thinking) // 3, len(thinking) // 2
    await asyncio.sleep(1)  # A server counts a request a moment after its last token.
    before = counted_by_engine(whole_engine_endpoint)
    begun = await services.resampling.start(trace.id, start, end)
    over = await end_of(services.resampling, begun.of.run_id)
    result, requests = over.run.strategies[0].result, over.run.strategies[0].requests
    assert (over.run.run.state, result.error) == (TraceState.COMPLETED, "")
    assert {each.state for each in requests} == {"done"}
    for _ in range(50):
        if (found := counted_by_engine(whole_engine_endpoint) - before) >= result.generated:
            break
        await asyncio.sleep(0.1)
    assert found == result.generated
    stored = tuple(token for part in trace.segments if part.kind in COUNTED_AS_THINKING for token in part.token_ids)
    without, sentence = over.of.before_ids, over.of.after_ids
    assert stored[: len(without)] == without
    assert stored[: len(sentence)] == sentence
    assert len(without) < len(sentence) < len(stored)
    openings = {each.key: each.prompt_ids for each in requests if each.key in ("before/0", "after/0")}
    assert openings["before/0"][-len(without) :] == without
    assert openings["after/0"][-len(sentence) :] == sentence
    assert over.compared.n == LEAST_SEEDS
    assert len(resampling_csv(over).splitlines()) > 2 * LEAST_SEEDS
