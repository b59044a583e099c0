"""What pruning would ask of a model, known before it is asked: labels need none."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from m1app.training.pruning.letter_probe import LetterProbe
from m1app.training.pruning.reasoning_steps import FUNCTIONAL, split_steps
from m1app.training.pruning.records import Outcome, SamplePruning, SampleStep
from m1app.training.pruning.sample_pruning import why_not_probed
from m1app.training.samples import TrainingSample
from m1app.wording import counted

_COUNTED_SAMPLES = 16
"""Samples whose tokens are counted, spread over all of them."""
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class PruningEstimate:
    """What pruning would do at most."""

    model: str
    samples: int
    probed_samples: int
    functional: Mapping[str, int]
    """Label to functional steps of the samples that would be probed."""
    requests: int
    """Letter probes: one with the whole reasoning, one without each functional step, one without the chosen ones. Each
    generates one token."""
    reasoning_characters: int
    """Of the reasonings in all of them, whole."""
    prompt_tokens: int
    """Of all of them, about."""
    kept_whole: Mapping[str, int] = field(default_factory=dict)
    """Reason to samples."""
    examples: tuple[SamplePruning, ...] = ()
    """Labelled steps of the first samples that would be probed; nothing is pruned yet."""


def estimate_pruning(samples: Sequence[TrainingSample], ratio: float, model: str) -> PruningEstimate:
    """Split and label all samples; `prompt_tokens` is left 0, see `count_prompt_tokens`."""
    functional: Counter[str] = Counter({label.value: 0 for label in FUNCTIONAL})
    kept: Counter[str] = Counter()
    examples: list[SamplePruning] = []
    requests = characters = probed = 0
    for sample in samples:
        steps = split_steps(sample.reasoning)
        if outcome := why_not_probed(sample, steps, ratio):
            kept[outcome.value] += 1
            continue
        probed += 1
        labels = [step.label.value for step in steps if step.is_functional]
        functional.update(labels)
        asked = len(labels) + 2
        requests += asked
        characters += asked * len(sample.reasoning)
        if len(examples) < _EXAMPLES:
            shown = tuple(SampleStep(step.text, step.label) for step in steps)
            examples.append(SamplePruning(Outcome.NOTHING, sample.question, shown))
    return PruningEstimate(
        model,
        len(samples),
        probed,
        dict(functional),
        requests,
        characters,
        0,
        dict(kept.most_common()),
        tuple(examples),
    )


async def count_prompt_tokens(estimate: PruningEstimate, samples: Sequence[TrainingSample], probe: LetterProbe) -> int:
    """About how many prompt tokens the requests of an estimate have, from some of the samples; raises EngineError."""
    step = max(1, len(samples) // _COUNTED_SAMPLES)
    counted_samples = samples[::step][:_COUNTED_SAMPLES]
    around = tokens = 0
    for sample in counted_samples:
        context = await probe.context(sample)
        around += len(context.before) + len(context.after)
        tokens += len(await probe.tokens(sample.reasoning))
    characters = sum(len(sample.reasoning) for sample in counted_samples)
    in_reasoning = estimate.reasoning_characters * tokens / max(1, characters)
    return round(in_reasoning + estimate.requests * around / max(1, len(counted_samples)))


def estimate_words(estimate: PruningEstimate) -> str:
    """What pruning would ask, in sentences."""
    if not estimate.requests:
        return "Pruning would not ask anything: no sample has functional steps that can be probed."
    steps = sum(estimate.functional.values())
    return (
        f"Pruning would ask {estimate.model} for at most {counted(estimate.requests, 'letter probe')}, one token each, "
        f"after about {estimate.prompt_tokens:,} prompt tokens, of which an engine with a prefix cache computes fewer: "
        f"{counted(steps, 'functional step')} in {estimate.probed_samples:,} of {counted(estimate.samples, 'sample')}."
    )
