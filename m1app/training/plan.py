"""A fine-tuning plan: its cost, its samples, and which of them are too long for a block.

Lengths are estimated from characters until an engine with the base's tokenizer counts them (`count_tokens`).
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from m1app.engines.served_name import read_served_name
from m1app.engines.service import EngineService
from m1app.settings import EngineChoice, Settings
from m1app.training.accuracy.questions import AskedQuestion
from m1app.training.base_model import BaseModel, HubAccess
from m1app.training.curation_steps import StepReport
from m1app.training.estimate import Estimate
from m1app.training.machine import Machine
from m1app.training.preview import PreviewedSample, choose_samples, measure, with_tokens
from m1app.training.recipe import TrainingRecipe
from m1app.training.recipe_check import check_fitting
from m1app.training.rendered_length import is_surely_longer
from m1app.training.training_rows import SplitRows
from models.errors import ModelsError

_log = logging.getLogger(__name__)

_FIND_SECONDS = 5.0
"""How long users wait for engines to list their models."""


_FOUR_BITS = (
    " Weights in four bits save memory, not time, and the finished model is made from all of the base's weights: on a "
    "CPU, this is for trying out a recipe."
)


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Token counts from an engine."""

    model: str
    """The model whose tokenizer was used."""
    samples: int
    """Samples counted, in the order of the data: training samples, then held-out ones."""
    too_long: int
    """Of these, longer than a block."""


@dataclass(frozen=True, slots=True)
class FineTuningPlan:
    """What a recipe needs on this machine."""

    recipe: TrainingRecipe
    base: BaseModel
    profile: str
    """Id of the new model's profile."""
    data: str
    """NAME:vN, or the file's name."""
    data_sha256: str
    train_samples: int
    evaluation_samples: int
    rows: SplitRows
    preview: tuple[PreviewedSample, ...]
    """The first training samples, then the first one left out, if any."""
    reports: tuple[StepReport, ...]
    """What curation of a file and rendering left out."""
    estimate: Estimate
    machine: Machine
    command_line: str
    environment: str
    """See `FineTuningService.environment_state`."""
    asked: tuple[AskedQuestion, ...]
    """What the base and every checkpoint are asked while it trains."""
    accuracy_notes: tuple[str, ...]
    """What that costs; part of `notes`."""
    notes: tuple[str, ...]
    """Notes before it starts, such as the impact on a running engine."""


def hub_access(settings: Settings) -> HubAccess:
    """Hub access from the app's settings."""
    return HubAccess(settings.hub_url, settings.hub_token.get_secret_value(), settings.hub_offline)


def notes_on(
    recipe: TrainingRecipe,
    machine: Machine,
    rows: SplitRows,
    counted: TokenCount | None = None,
    accuracy: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return notes for the user, one or two sentences each.

    Args:
        recipe: the recipe.
        machine: the machine that trains.
        rows: the training rows.
        counted: None if no engine counted.
        accuracy: what asking checkpoints costs.
    """
    notes = [_place_note(recipe, machine)]
    notes.append(_counted_note(counted, rows, recipe) if counted else _estimated_note(rows, recipe))
    if recipe.evaluates and len(rows.evaluation) < 8:
        notes.append(f"Held out: {len(rows.evaluation)}. A loss on so few samples says little.")
    return (*notes, *accuracy)


def _place_note(recipe: TrainingRecipe, machine: Machine) -> str:
    if recipe.gpus_per_node:
        return (
            f"It trains on {recipe.nodes * recipe.gpus_per_node} GPUs of the Ray cluster, {recipe.gpus_per_node} of "
            "each node, which are reserved while it runs. The nodes' memory and disk were not checked."
        )
    if recipe.precision == "fp32":
        threads = recipe.threads or max(1, machine.cores // 2)
        return (
            f"It trains on the CPU with {threads} of {machine.cores} cores at niceness {recipe.niceness}. An engine on "
            "the same cores answers several times slower in the meantime, and training waits while it answers."
            f"{_FOUR_BITS if recipe.quantization != 'none' else ''}"
        )
    count = len(machine.gpus)
    used = f"all {count} GPUs" if recipe.method == "full" and count > 1 else "one GPU"
    return (
        f"It trains on {used}. An engine on the same GPU shares its memory and speed: leave enough for training, for "
        "example with vLLM's --gpu-memory-utilization, or stop the engine until training is done."
    )


async def count_tokens(plan: FineTuningPlan, engines: EngineService) -> FineTuningPlan:
    """Return the plan with tokens counted by an engine with the base's tokenizer; unchanged if none responds.

    Takes a few seconds at most: of large data sets only the first samples are counted.

    Raises:
        RecipeRefused: too few of the training samples fit into a block.
    """
    model = await _who_counts(plan.base, engines)
    if model is None:
        return plan
    engine, learnt = engines.engine(model), len(plan.rows.train)
    measured = await measure(engine, plan.rows.all, plan.recipe.block_size)
    if not measured:
        return plan
    check_fitting(plan.recipe, plan.rows, [each.rendered for each in measured[:learnt] if each.note])
    counted = TokenCount(model, len(measured), sum(bool(each.note) for each in measured))
    return replace(
        plan,
        preview=await with_tokens(engine, choose_samples(measured, learnt)),
        notes=notes_on(plan.recipe, plan.machine, plan.rows, counted, plan.accuracy_notes),
    )


async def _who_counts(base: BaseModel, engines: EngineService) -> str | None:
    """Name of an available model with the base's tokenizer."""
    try:
        async with asyncio.timeout(_FIND_SECONDS):
            own = await engines.engine().served_models()
            if found := _named(base, own):
                return found
            # Counting is no reason to load an additional model of the embedded engine.
            others = [name for name in await engines.models() if engines.choice_of(name) is EngineChoice.REMOTE]
            return _named(base, others)
    except (TimeoutError, ModelsError) as exc:
        _log.debug("no engine counts tokens: %s", exc)
        return None


def _named(base: BaseModel, served: Iterable[str]) -> str | None:
    """The first name that means the base or its parent; fine-tuning does not change the tokenizer."""
    if base.entry is None:  # A file may have the same name as an unrelated model.
        return None
    known = {base.id, base.entry.parent, base.entry.hub_repo or ""} - {""}
    return next((name for name in served if read_served_name(name).model in known), None)


def _counted_note(counted: TokenCount, rows: SplitRows, recipe: TrainingRecipe) -> str:
    everything, block = len(rows.all), f"{recipe.block_size:,} tokens"
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
    everything, block = rows.all, f"{recipe.block_size:,} tokens"
    too_long = sum(is_surely_longer(each, recipe.block_size) for each in everything)
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
