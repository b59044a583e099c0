"""A fact test on the real engines: tokens are the engine's own count, and the cut is on the stored tokens."""

import asyncio
from contextlib import aclosing

import pytest

from m1app.bootstrap import Services
from m1app.fact_tests.design import Arm
from m1app.fact_tests.export import fact_test_csv, fact_test_json
from m1app.fact_tests.reading import reading_of, texts_of
from m1app.fact_tests.request import FactTestRequest
from m1app.runs.probe_request import ProbeRequest
from models.engine.endpoint import Endpoint
from storage.traces.records import COUNTED_AS_THINKING, Trace
from tests.m1app.conftest import MakeServices
from tests.m1app.fact_tests.testing_facts import end_of
from tests.m1app.runs.test_strategies import counted_by_engine

# Longer than the 128 tokens that vLLM keeps together in its cache on a CPU.
STEM = (
    "A 34-year-old sailor comes to the clinic after five months at sea. He has felt tired for six weeks, his gums "
    "bleed when he brushes his teeth, and old scars have opened again. On his legs are small red spots around the "
    "hairs, which are coiled like corkscrews, and a large bruise behind the left knee without any injury that he "
    "remembers. He ate salted meat, dried peas and biscuits; there was no fresh fruit and there were no "
    "vegetables on board after the second week. His temperature is 36.8 °C, his pulse 88 per minute and his blood "
    "pressure 118/76 mm Hg. The platelet count and the times of coagulation are normal. Which vitamin deficiency "
    "causes his disease?"
)
OPTIONS = {"A": "Vitamin A", "B": "Vitamin C", "C": "Vitamin D"}


async def a_failure(services: Services) -> Trace:
    """A trace that did not answer its target, whatever it answered."""
    for target in OPTIONS:
        asked = ProbeRequest(
            stem=STEM,
            options=OPTIONS,
            target=target,
            thinking_budget_tokens=36,
            answer_cap_tokens=4,
        )
        begun = await services.probe.start(asked)
        async with aclosing(services.probe.follow(begun.id)) as traces:
            *_, over = [each async for each in traces]
        if over.is_correct is not True:
            return over
    raise AssertionError("three targets, and all of them right")


@pytest.mark.engine
async def test_a_test_costs_what_the_engine_counts(make_services: MakeServices, whole_engine_endpoint: Endpoint):
    services = make_services(whole_engine_endpoint)
    trace = await a_failure(services)
    thinking = trace.thinking_text
    start = len(thinking) // 3
    asked = FactTestRequest(case_id=trace.id, mark_start=start, mark_end=start + 5, fact="Ascorbic acid is missing")
    await asyncio.sleep(1)  # A server counts a request a moment after its last token.
    before = counted_by_engine(whole_engine_endpoint)
    begun = await services.fact_tests.start(asked)
    over = await end_of(services.fact_tests, begun.test.run_id)
    result, requests = over.run.strategies[0].result, over.run.strategies[0].requests
    assert (result.error, over.run.save_error, {each.state for each in requests}) == ("", "", {"done"})
    for _ in range(50):
        if (found := counted_by_engine(whole_engine_endpoint) - before) >= result.generated:
            break
        await asyncio.sleep(0.1)
    assert found == result.generated
    stored = tuple(token for part in trace.segments if part.kind in COUNTED_AS_THINKING for token in part.token_ids)
    kept = over.test.kept_ids
    assert 0 < len(kept) < len(stored)
    assert stored[: len(kept)] == kept
    assert thinking[: over.test.kept_characters].endswith(over.test.text_before)
    assert start - 12 < over.test.kept_characters <= start
    opening = {each.key: each.prompt_ids for each in requests if each.key in ("A/0", "B/0", "D/0")}
    inserted = tuple(over.test.insertions["B"]["token_ids"])
    assert opening["B/0"] == opening["A/0"] + inserted
    assert opening["A/0"][: len(trace.prompt_token_ids)] == trace.prompt_token_ids
    assert opening["D/0"][-len(kept) :] == kept
    reading = reading_of(over.test, over.run)
    assert sum(each.costs.generated for each in reading.arms) == result.generated
    assert {each.target_probability is None for each in reading.arms} == {False}
    # All arms begin alike.
    cache = reading.prefix_cache
    assert cache.prompt_tokens == sum(each.prompt_new + each.prompt_cached for each in requests)
    assert 0 < cache.cached_tokens < cache.prompt_tokens
    assert all(each.thinking for each in texts_of(over.run, (Arm.FACT, Arm.PROMPT), 4))
    assert fact_test_json(over)["verdict"]["sentence"] == result.why
    assert len(fact_test_csv(over).splitlines()) >= 21
