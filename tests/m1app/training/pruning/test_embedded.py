"""Pruning with the embedded model: its own count of tokens, and probabilities that another try finds again."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from m1app.strategies.drivers.served_models import ServedModel
from m1app.training.pruning.pruner import Pruner
from m1app.training.pruning.records import Outcome
from m1app.training.pruning.sample_pruning import PruningSettings
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.profiles import load_profiles
from models.thinking.prompting import bind_markers
from tests.m1app.training.pruning.judging_server import REASONING
from tests.m1app.training.training_cases import a_sample


@pytest.fixture
async def engine(whole_model_endpoint: Endpoint) -> AsyncIterator[OpenAIEngine]:
    async with aclosing(OpenAIEngine(lambda: whole_model_endpoint)) as engine:
        yield engine


async def test_a_real_engine_judges_and_is_not_asked_twice(engine: OpenAIEngine, tmp_path: Path) -> None:
    info, profile = await engine.describe(), load_profiles().get("plain-chatml")
    markers = await bind_markers(engine, profile)

    class Embedded:
        async def served(self, model: str) -> ServedModel:
            return ServedModel(info.model, engine, info, profile, markers, "")

    pruner = Pruner(Embedded())
    told = {"model": "", "name": "exam", "cache": tmp_path / "probes.jsonl"}
    samples = [a_sample(reasoning=REASONING), a_sample(options={}, target=None)]
    done = await pruner.prune(samples, PruningSettings(0.6), **told)
    record, opened = done.records
    assert opened.outcome is Outcome.OPEN
    # The model knows no medicine: whichever steps it finds unimportant, the target stays as probable.
    assert record.outcome in (Outcome.PRUNED, Outcome.LESS_PROBABLE)
    assert record.whole_probability is not None
    assert 0 < record.whole_probability <= 1
    assert [step.importance is not None for step in record.steps] == [False, True, True, False, True, False]
    assert record.tokens_before == len(await engine.tokenize(f" {REASONING}", parse_special=False))
    if record.outcome is Outcome.PRUNED:
        assert record.tokens_after == len(await engine.tokenize(f" {done.samples[0].reasoning}", parse_special=False))
        assert record.tokens_after < record.tokens_before
    costs = done.summary.costs
    assert (costs.requests, costs.generated_tokens, costs.reused) == (5, 5, 0)
    again = await pruner.prune(samples, PruningSettings(0.6), **told)
    assert (again.samples, again.records) == (done.samples, done.records)
    assert (again.summary.costs.requests, again.summary.costs.reused) == (0, 5)
