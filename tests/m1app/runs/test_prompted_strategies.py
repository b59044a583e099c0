"""Strategies with prompts of their own on a real engine, whose own count of tokens is the ledger's."""

import asyncio
from dataclasses import replace

import pytest

from m1app.bootstrap import Services
from models.engine.endpoint import Endpoint
from storage.corpora.records import NewPassage
from tests.m1app.runs.corpora import add_corpus
from tests.m1app.runs.test_strategies import counted_by_engine, end_of, request


@pytest.mark.engine
@pytest.mark.parametrize(
    "choice",
    [
        *("debate:agents=2", "team:turns=1", "plan-and-budget", "atom-of-thoughts"),
        *("mirage:k=1:searches=1", "r2-llms:k=1"),
    ],
)
async def test_a_strategy_of_several_calls_costs_what_the_engine_counts(
    services: Services, engine_endpoint: Endpoint, choice: str
):
    add_corpus(services.database, "sheets", NewPassage(text="Scurvy comes from a lack of vitamin C."))
    before = counted_by_engine(engine_endpoint)
    wanted = request(choices=(choice,), budget_tokens=200)
    begun = await services.strategies.start(replace(wanted, stem="Which vitamin deficiency causes scurvy?"))
    over = await end_of(services.strategies, begun.run.id)
    (only,) = over.strategies
    assert (only.result.error, {each.state for each in only.requests}) == ("", {"done"})
    told = only.result.generated
    assert 0 < told <= 200
    for _ in range(50):  # A server counts a request a moment after its last token.
        if (found := counted_by_engine(engine_endpoint) - before) >= told:
            break
        await asyncio.sleep(0.1)
    assert found == told
