"""What a fine-tuning comes to, before it starts: what its samples look like, and which are too long for a block.

Lengths are estimated from characters, until an engine that has the base's tokenizer counts them (`count_tokens`).
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from m1app.engines.service import EngineService
from m1app.settings import EngineChoice, Settings
from m1app.training.base_model import BaseModel, HubAccess
from m1app.training.curation import StepReport
from m1app.training.estimate import Estimate
from m1app.training.machine import Machine
from m1app.training.recipe import TrainingRecipe
from m1app.training.rendering import RenderedSample
from m1app.training.training_rows import SplitRows
from models.engine.protocol import Engine
from models.errors import ModelsError

_log = logging.getLogger(__name__)

_SHOWN_SAMPLES = 3
"""That are learnt from; one that is left out stands beside them."""
_FIND_SECONDS, _COUNT_SECONDS = 5.0, 10.0
"""A person waits: for the engines to say what they serve, and for the count."""
_AT_ONCE = 16
_CHARACTERS_PER_TOKEN = 4.5
"""Of plain English, and more: what is too long by this is too long."""


@dataclass(frozen=True, slots=True)
class SampleTokens:
    """Tokens of one rendered sample, piece by piece, as the training counts them."""

    prompt: int
    parts: tuple[int, ...]
    """Of each of its parts, in their order."""

    @property
    def total(self) -> int:
        """Of prompt and completion."""
        return self.prompt + sum(self.parts)


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A sample of the plan."""

    rendered: RenderedSample
    tokens: SampleTokens | None
    """None where no engine counts."""
    is_left_out: bool
    """Longer than a block; where no engine counts, so long that it is almost certain."""


@dataclass(frozen=True, slots=True)
class TokenCount:
    """What an engine counted."""

    model: str
    """Whose tokenizer it is."""
    samples: int
    """That were counted, in the order of the data: those learnt from, then those held out."""
    too_long: int
    """Of these: longer than a block."""


@dataclass(frozen=True, slots=True)
class FineTuningPlan:
    """What a recipe comes to on this machine."""

    recipe: TrainingRecipe
    base: BaseModel
    profile: str
    """Id of the profile that the new model will think by."""
    data: str
    """NAME:vN, or the file's name."""
    data_sha256: str
    train_samples: int
    evaluation_samples: int
    rows: SplitRows
    preview: tuple[ShownSample, ...]
    """The first samples that are learnt from, then the first one that is left out, if any is."""
    reports: tuple[StepReport, ...]
    """What was left out, by curation of a file and by rendering."""
    estimate: Estimate
    machine: Machine
    command_line: str
    environment: str
    """See `FineTuningService.environment_state`."""
    notes: tuple[str, ...]
    """What to know before it starts, such as what it costs a running engine."""


def hub_access(settings: Settings) -> HubAccess:
    """How the app's settings reach the hub."""
    return HubAccess(settings.hub_url, settings.hub_token.get_secret_value(), settings.hub_offline)


def preview_of(rows: SplitRows, block_size: int) -> tuple[ShownSample, ...]:
    """Samples to show while nobody has counted their tokens."""
    shown = [ShownSample(each, None, _is_surely_longer(each, block_size)) for each in _all(rows)]
    return _chosen(shown, len(rows.train))


def notes_on(
    recipe: TrainingRecipe, machine: Machine, rows: SplitRows, counted: TokenCount | None = None
) -> tuple[str, ...]:
    """What a person should know before it starts, a sentence or two each.

    Args:
        recipe: the recipe.
        machine: that trains.
        rows: what is trained on.
        counted: None where no engine counted.
    """
    notes = [_place_note(recipe, machine)]
    notes.append(_counted_note(counted, rows, recipe) if counted else _estimated_note(rows, recipe))
    if recipe.evaluation_share and len(rows.evaluation) < 8:
        notes.append(f"Held out: {len(rows.evaluation)}. A loss on so few samples says little.")
    return tuple(notes)


def _place_note(recipe: TrainingRecipe, machine: Machine) -> str:
    if recipe.gpus_per_node:
        return (
            f"It trains on {recipe.nodes * recipe.gpus_per_node} GPUs of the Ray cluster, {recipe.gpus_per_node} of "
            "each node, which are reserved while it runs. The memory and disk of the nodes were not checked."
        )
    if recipe.precision == "fp32":
        threads = recipe.threads or max(1, machine.cores // 2)
        return (
            f"It trains on the CPU with {threads} of {machine.cores} cores at niceness {recipe.niceness}. An engine on "
            "the same cores answers several times slower in the meantime, and training waits while it answers."
        )
    count = len(machine.gpus)
    used = f"all {count} GPUs" if recipe.method == "full" and count > 1 else "one GPU"
    return (
        f"It trains on {used}. An engine on the same GPU shares its memory and speed: leave enough for training, for "
        "example with vLLM's --gpu-memory-utilization, or stop the engine until training is done."
    )


async def count_tokens(plan: FineTuningPlan, engines: EngineService) -> FineTuningPlan:
    """The plan with tokens counted by an engine that has the base's tokenizer; unchanged where none answers.

    It takes seconds at most: of much data only the first samples are counted.
    """
    model = await _who_counts(plan.base, engines)
    if model is None:
        return plan
    engine, learnt = engines.engine(model), len(plan.rows.train)
    measured = await _measure_all(engine, _all(plan.rows), plan.recipe.block_size)
    if not measured:
        return plan
    counted = TokenCount(model, len(measured), sum(each.is_left_out for each in measured))
    return replace(
        plan,
        preview=await _with_tokens(engine, _chosen(measured, learnt)),
        notes=notes_on(plan.recipe, plan.machine, plan.rows, counted),
    )


async def _who_counts(base: BaseModel, engines: EngineService) -> str | None:
    """The name of a model that answers and has the base's tokenizer."""
    try:
        async with asyncio.timeout(_FIND_SECONDS):
            own = await engines.engine().served_models()
            if found := _named(base, own):
                return found
            # A further model of the embedded engine would first have to be loaded: that is not done for a count.
            others = [name for name in await engines.models() if engines.choice_of(name) is EngineChoice.REMOTE]
            return _named(base, others)
    except (TimeoutError, ModelsError) as exc:
        _log.debug("no engine counts tokens: %s", exc)
        return None


def _named(base: BaseModel, served: Iterable[str]) -> str | None:
    """The first name that means the base or its parent, whose tokenizer a fine-tuning does not change."""
    if base.entry is None:  # The name of a file may be that of quite another model.
        return None
    known = {base.id, base.entry.parent, base.entry.hub_repo or ""} - {""}
    return next((name for name in served if name.partition(" @ ")[0] in known), None)


async def _measure_all(engine: Engine, samples: Sequence[RenderedSample], block_size: int) -> list[ShownSample]:
    """The samples in their order, as far as there is time."""
    measured: list[ShownSample] = []
    try:
        async with asyncio.timeout(_COUNT_SECONDS):
            for start in range(0, len(samples), _AT_ONCE):
                batch = samples[start : start + _AT_ONCE]
                measured += await asyncio.gather(*(_measure(engine, each, block_size) for each in batch))
    except (TimeoutError, ModelsError) as exc:
        _log.info("%d of %d samples were counted: %s", len(measured), len(samples), exc or "out of time")
    return measured


async def _measure(engine: Engine, sample: RenderedSample, block_size: int) -> ShownSample:
    # A token spells at least one byte: into a long block most samples fit without being counted.
    if len(sample.prompt.encode()) + len(sample.completion.encode()) <= block_size:
        return ShownSample(sample, None, is_left_out=False)
    tokens = await _tokens_of(engine, sample)
    return ShownSample(sample, tokens, tokens.total > block_size)


async def _with_tokens(engine: Engine, shown: Sequence[ShownSample]) -> tuple[ShownSample, ...]:
    """The same with the tokens of each, also of those that fit for certain."""
    try:
        async with asyncio.timeout(_FIND_SECONDS):
            tokens = await asyncio.gather(*(_tokens_of(engine, each.rendered) for each in shown))
    except (TimeoutError, ModelsError) as exc:
        _log.info("the samples of a plan were not counted: %s", exc or "out of time")
        return tuple(shown)
    return tuple(replace(each, tokens=count) for each, count in zip(shown, tokens, strict=True))


async def _tokens_of(engine: Engine, sample: RenderedSample) -> SampleTokens:
    texts = (sample.prompt, *(text for _, text in sample.parts))
    prompt, *parts = await asyncio.gather(*(engine.tokenize(text, parse_special=True) for text in texts))
    return SampleTokens(len(prompt), tuple(map(len, parts)))


def _chosen(samples: Sequence[ShownSample], learnt: int) -> tuple[ShownSample, ...]:
    """Of samples, the first `learnt` of which are learnt from: some of these, and one that is left out."""
    fitting = (each for each in samples[:learnt] if not each.is_left_out)
    left_out = (each for each in samples if each.is_left_out)
    return (*islice(fitting, _SHOWN_SAMPLES), *islice(left_out, 1))


def _counted_note(counted: TokenCount, rows: SplitRows, recipe: TrainingRecipe) -> str:
    everything, block = len(_all(rows)), f"{recipe.block_size:,} tokens"
    is_all = counted.samples == everything
    which = f"{everything:,} samples" if is_all else f"the first {counted.samples:,} of {everything:,} samples"
    found = (
        f"{counted.too_long:,} of {which} {_are(counted.too_long)} longer than {block} and will be left out, "
        "not cut; a larger block_size fits them."
        if counted.too_long
        else f"None of {which} is longer than {block}, so none is left out; samples are never cut."
    )
    rest = "" if is_all else " Training counts the others."
    return f"{found}{rest} Counted with the tokenizer of {counted.model}."


def _estimated_note(rows: SplitRows, recipe: TrainingRecipe) -> str:
    everything, block = _all(rows), f"{recipe.block_size:,} tokens"
    too_long = sum(_is_surely_longer(each, recipe.block_size) for each in everything)
    found = (
        f"At least {too_long:,} of {len(everything):,} samples {_are(too_long)} longer than {block} and will be left "
        "out; a larger block_size fits them. "
        if too_long
        else ""
    )
    return (
        f"{found}Tokens are estimated: no engine that serves {recipe.base} counted them. Training counts exactly "
        f"and leaves out each sample that is longer than {block}; none is cut."
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _all(rows: SplitRows) -> tuple[RenderedSample, ...]:
    return (*rows.train, *rows.evaluation)


def _is_surely_longer(sample: RenderedSample, block_size: int) -> bool:
    return (len(sample.prompt) + len(sample.completion)) / _CHARACTERS_PER_TOKEN > block_size
