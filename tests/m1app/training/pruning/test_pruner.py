"""Pruning over an engine whose probabilities are written by the test, with the winner known by hand."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from m1app.strategies.drivers.served_models import ServedModel
from m1app.training.errors import PruningRefused, PruningStopped
from m1app.training.pruning.estimate import estimate_pruning
from m1app.training.pruning.pruner import Pruned, Pruner, PruningProgress
from m1app.training.pruning.reasoning_steps import StepLabel
from m1app.training.pruning.records import Outcome, sample_pruning_of, summary_of
from m1app.training.pruning.sample_pruning import MAX_FUNCTIONAL_STEPS, PruningSettings
from m1app.training.samples import TrainingSample
from models.engine.protocol import CompletionChunk, CompletionRequest
from models.errors import EngineDropped
from tests.m1app.strategies.scripted import CharacterEngine, OneModel, Script
from tests.m1app.training.training_cases import a_sample, some_samples

CHECK = "Wait, let me check the axis."
OTHER = "Alternatively, it is the thyroid."
SLIP = "Hmm, no, the medulla makes adrenaline."
REASONING = "\n\n".join(("Cortisol is a steroid.", CHECK, OTHER, "The cortex makes it.", SLIP, "So it is A."))
HALF = PruningSettings(0.5)


def weighed(weights: Mapping[str, float], base: float = 0.1):
    """The target's probability grows by the weight of each of these texts in the thinking."""

    def choices(prompt: str, thinking: str, lead: str) -> Mapping[str, float]:
        return {"A": base + sum(weight for text, weight in weights.items() if text in thinking), "B": 0.05}

    return choices


# The check misleads, the alternative does nothing, the slip holds what decides.
KNOWN = weighed({CHECK: -0.1, OTHER: 0.0, SLIP: 0.5}, base=0.2)


async def pruned(
    engine: CharacterEngine, samples: list[TrainingSample], folder: Path, settings: PruningSettings = HALF
) -> Pruned:
    pruner = Pruner(OneModel(engine))
    return await pruner.prune(samples, settings, model="", name="exam", cache=folder / "probes.jsonl")


async def test_the_least_important_functional_steps_are_pruned_and_what_was_done_is_recorded(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=KNOWN))
    sample = a_sample(reasoning=REASONING)
    done = await pruned(engine, [sample], tmp_path, PruningSettings(0.6))  # 2 of 3
    left = "\n\n".join(("Cortisol is a steroid.", "The cortex makes it.", SLIP, "So it is A."))
    assert done.samples == (replace(sample, reasoning=left),)
    (record,) = done.records
    assert record.outcome is Outcome.PRUNED
    assert [(step.label.value, step.is_pruned) for step in record.steps] == [
        ("progressive", False),
        ("verification", True),
        ("alternative", True),
        ("progressive", False),
        ("correction", False),
        ("progressive", False),
    ]
    # log 0.6 - log 0.7, log 0.6 - log 0.6, log 0.6 - log 0.1
    assert [step.importance for step in record.steps] == [
        None,
        pytest.approx(-0.15415, abs=1e-4),
        pytest.approx(0),
        None,
        pytest.approx(1.79176, abs=1e-4),
        None,
    ]
    assert (record.whole_probability, record.pruned_probability) == (pytest.approx(0.6), pytest.approx(0.7))
    # The engine's tokens are characters; a line break follows the reasoning.
    assert (record.tokens_before, record.tokens_after) == (len(REASONING) + 1, len(left) + 1)
    assert (done.summary.tokens_before, done.summary.tokens_after) == (record.tokens_before, record.tokens_after)
    assert done.summary.functional == {"verification": 1, "alternative": 1, "correction": 1}
    assert done.summary.pruned == {"verification": 1, "alternative": 1, "correction": 0}
    assert (done.summary.samples, done.summary.pruned_samples, done.summary.kept_whole) == (1, 1, {})


async def test_costs_are_the_engine_s_own_count(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=KNOWN))
    done = await pruned(engine, [a_sample(reasoning=REASONING)], tmp_path)
    costs = done.summary.costs
    assert (costs.requests, costs.generated_tokens) == (5, engine.generated) == (5, 5)  # whole, three steps, pruned
    assert costs.prompt_tokens == sum(len(each.prompt_ids) for each in engine.requests)
    assert all((each.max_tokens, each.temperature) == (1, 0.0) for each in engine.requests)
    assert engine.open["most"] <= 8


async def test_a_pruning_that_makes_the_target_less_probable_is_taken_back(tmp_path: Path) -> None:
    # Each alone is not needed, but one of the two is.
    def either(prompt: str, thinking: str, lead: str) -> Mapping[str, float]:
        return {"A": 0.6 if CHECK in thinking or OTHER in thinking else 0.3}

    sample = a_sample(reasoning=REASONING)
    done = await pruned(CharacterEngine(Script(choices=either)), [sample], tmp_path, PruningSettings(1.0))
    (record,) = done.records
    assert done.samples == (sample,)
    assert record.outcome is Outcome.LESS_PROBABLE
    assert (record.whole_probability, record.pruned_probability) == (pytest.approx(0.6), pytest.approx(0.3))
    assert not any(step.is_pruned for step in record.steps)
    assert record.tokens_after == record.tokens_before
    assert done.summary.kept_whole == {"the target is less probable after the pruned reasoning": 1}


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"options": {}, "target": None}, Outcome.OPEN),
        ({"target": None}, Outcome.NO_TARGET),
        ({"target": "D"}, Outcome.NO_TARGET),
        ({"target": "A, C"}, Outcome.SEVERAL),
        ({"reasoning": "Cortisol is a steroid.\n\nSo it is A."}, Outcome.NOTHING),
        ({"reasoning": ""}, Outcome.NOTHING),
        ({"reasoning": "Wait, no.\n\n" * (MAX_FUNCTIONAL_STEPS + 1) + "A."}, Outcome.TOO_MANY),
    ],
)
async def test_what_cannot_be_probed_is_kept_whole_without_a_request(
    tmp_path: Path, changes: dict, outcome: Outcome
) -> None:
    engine = CharacterEngine(Script(choices=KNOWN))
    sample = a_sample(**({"reasoning": REASONING} | changes))
    done = await pruned(engine, [sample], tmp_path)
    assert (done.samples, done.records[0].outcome, engine.requests) == ((sample,), outcome, [])
    assert done.records[0].tokens_after == done.records[0].tokens_before == len(sample.reasoning.strip()) + 1
    estimate = estimate_pruning([sample], 0.5, "toy")
    assert (estimate.requests, estimate.kept_whole) == (0, {outcome.value: 1})


async def test_a_reasoning_that_does_not_fit_the_context_is_kept_whole(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=KNOWN))
    sample = a_sample(reasoning=REASONING + " So it is A." * 10_000)
    done = await pruned(engine, [sample], tmp_path)
    assert (done.records[0].outcome, engine.requests) == (Outcome.TOO_LONG, [])


async def test_an_engine_without_probabilities_is_asked_once(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=KNOWN), has_logprobs=False)
    samples = [a_sample(reasoning=REASONING)] * 3 + [a_sample()]
    done = await pruned(engine, samples, tmp_path)
    assert done.samples == tuple(samples)
    assert [each.outcome for each in done.records] == [Outcome.NO_PROBABILITIES] * 3 + [Outcome.NOTHING]
    assert len(engine.requests) == 1


async def test_a_target_that_the_engine_does_not_report_is_kept_whole(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=lambda *_: {"B": 0.9}))
    done = await pruned(engine, [a_sample(reasoning=REASONING)], tmp_path)
    assert (done.records[0].outcome, len(engine.requests)) == (Outcome.UNLIKELY, 1)


async def test_a_reasoning_is_not_pruned_below_the_plan_s_length(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=KNOWN))
    done = await pruned(engine, [a_sample(reasoning=REASONING)], tmp_path, PruningSettings(1.0, len(REASONING)))
    assert done.records[0].outcome is Outcome.TOO_SHORT


async def test_hostile_reasoning_is_asked_as_text(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=lambda *_: {"A": 0.5}))
    sample = a_sample(reasoning=f"<think>x</think>\n\n{CHECK}<end>\n\nSo it is A.")
    done = await pruned(engine, [sample], tmp_path)
    assert done.samples[0].reasoning == "<think>x</think>\n\nSo it is A."


async def test_a_stopped_build_keeps_its_probes_and_goes_on_where_it_was(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=KNOWN))
    samples = some_samples(3, reasoning=REASONING)
    pruner = Pruner(OneModel(engine))

    def stop_after_one(progress: PruningProgress) -> None:
        pruner.stop()

    told = {"model": "", "name": "exam", "cache": tmp_path / "probes.jsonl"}
    with pytest.raises(PruningStopped, match=r"Stopped\. 1 of 3 samples were pruned, and nothing was built"):
        await pruner.prune(samples, HALF, report=stop_after_one, **told)
    assert pruner.progress is None
    asked = len(engine.requests)
    assert asked == 5
    (tmp_path / "probes.jsonl").open("a").write('["cut o')  # as a kill leaves it
    again = await pruner.prune(samples, HALF, **told)
    assert (again.summary.costs.reused, again.summary.costs.requests) == (5, 10)
    assert len(engine.requests) == 15
    third = await pruner.prune(samples, HALF, **told)
    assert (third.summary.costs.requests, third.samples) == (0, again.samples)


async def test_probes_of_another_model_are_not_reused(tmp_path: Path) -> None:
    samples = [a_sample(reasoning=REASONING)]
    one, other = CharacterEngine(Script(choices=KNOWN)), CharacterEngine(Script(choices=KNOWN))
    pruner = Pruner(OneModel(one, {"other": other}))
    for model in ("", "other"):
        await pruner.prune(samples, HALF, model=model, name="exam", cache=tmp_path / "probes.jsonl")
    assert len(other.requests) == len(one.requests) == 5


class Failing(CharacterEngine):
    """Fails from a request on."""

    fails_after: int = 7

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        if len(self.requests) >= self.fails_after:
            raise EngineDropped("The stream broke.")
        async for chunk in super().stream(request):
            yield chunk


async def test_an_engine_that_fails_ends_the_build_with_what_was_probed_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.training.pruning.letter_probe._RETRY_SECONDS", 0)
    engine = Failing(Script(choices=KNOWN))
    samples = some_samples(3, reasoning=REASONING)
    with pytest.raises(PruningStopped, match=r"The engine failed: The stream broke\. 1 of 3 samples were pruned"):
        await pruned(engine, samples, tmp_path)
    assert len((tmp_path / "probes.jsonl").read_text().splitlines()) == 7
    engine.fails_after = 99
    done = await pruned(engine, samples, tmp_path)
    assert done.summary.costs.reused == 7
    assert done.summary.pruned_samples == 3


async def test_one_build_is_pruned_at_a_time(tmp_path: Path) -> None:
    gate = asyncio.Event()

    class Waiting(OneModel):
        async def served(self, model: str) -> ServedModel:
            await gate.wait()
            return await super().served(model)

    pruner = Pruner(Waiting(CharacterEngine(Script(choices=KNOWN))))
    told = {"model": "", "name": "exam", "cache": tmp_path / "probes.jsonl"}
    first = asyncio.create_task(pruner.prune([a_sample(reasoning=REASONING)], HALF, **told))
    await asyncio.sleep(0)
    with pytest.raises(PruningRefused, match="The data set exam is already being pruned: 0 of 1 samples"):
        await pruner.prune([], HALF, **told)
    gate.set()
    await first
    with pytest.raises(PruningRefused, match="no engine to ask"):
        await Pruner(None).prune([], HALF, **told)


async def test_the_estimate_is_the_most_that_is_asked(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=KNOWN))
    samples = [*some_samples(2, reasoning=REASONING), a_sample()]
    estimate = await Pruner(OneModel(engine)).estimate(samples, 0.5, "")
    assert (estimate.samples, estimate.probed_samples, estimate.requests, estimate.model) == (3, 2, 10, "toy")
    assert estimate.functional == {"verification": 2, "alternative": 2, "correction": 2}
    assert estimate.kept_whole == {"no functional step to prune": 1}
    assert [step.label for step in estimate.examples[0].steps][1:3] == [StepLabel.VERIFICATION, StepLabel.ALTERNATIVE]
    assert engine.requests == []
    done = await pruned(engine, samples, tmp_path)
    assert done.summary.costs.requests == estimate.requests
    # Whole reasonings are counted, of which each probe but one leaves something out.
    asked = done.summary.costs.prompt_tokens
    assert asked <= estimate.prompt_tokens <= 1.2 * asked


async def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    engine = CharacterEngine(Script(choices=KNOWN))
    done = await pruned(engine, [a_sample(reasoning=REASONING), a_sample()], tmp_path)
    for record in done.records:
        assert sample_pruning_of(json.loads(json.dumps(record.as_row()))) == record
    assert summary_of(json.loads(json.dumps(asdict(done.summary)))) == done.summary
