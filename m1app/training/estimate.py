"""Memory and disk that a training will need, before it starts. Estimates: activations depend on kernels and versions.

Sizes of weights, gradients and Adam follow from the number of parameters; those of activations are counted per layer
as in arXiv 2205.05198, section 4, for attention that keeps no scores, and logits three times (themselves, in float32,
their gradient).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from m1app.training.recipe import TrainingRecipe

if TYPE_CHECKING:  # The process that trains imports this module, and has nothing of `models`.
    from m1app.training.base_model import BaseModel, ModelShape

_PROCESS_BYTES = 700_000_000
"""Python with PyTorch, without any model."""
_FULL_BYTES = 16
"""Per trained parameter in float32: weight, gradient, two moments of Adam."""
_KEPT_BYTES = 12
"""Of these in a checkpoint: no gradient."""
_LOADED_BYTES = 4
"""Per parameter in float32: what each process reads, what a LoRA is merged in, and what several processes keep twice in
a checkpoint, once in FSDP's own form."""
_WIDTHS_PER_LAYER, _FEED_FORWARDS_PER_LAYER = 10, 4
"""Values kept per token and layer, in units of the layer's width and of its feed-forward width."""
_ON_CPU = 1.8
"""Seen times counted: a LoRA of the embedded model on two samples of 1,280 tokens peaked at 10.6 GB where the count
says 6.5; a CPU's attention keeps scores, and its allocator what it once had."""
_SAVED_BYTES = 2
"""Per parameter of a finished or published model, in bfloat16 or float16."""
_USUAL_LAYERS, _USUAL_WIDTH, _USUAL_FEED_FORWARD, _USUAL_VOCABULARY = 28, 2048, 8192, 128_000
"""Stand in where only the number of parameters is known, scaled to that."""
_USUAL_PARAMETERS = 2_300_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training will need."""

    memory_bytes: int
    """Of each GPU for bf16, else of the machine."""
    disk_bytes: int
    """Checkpoints at their most, the finished model twice, and what is still to be fetched of the base."""
    steps: int
    samples: int
    """That are learnt from, each epoch."""
    parameters: int | None
    trainable: int | None
    """Parameters that change; None when the base's are not known."""
    longest_tokens: int
    """Of a sample, estimated."""
    devices: int = 1
    """GPUs that share weights, gradients and optimizer; each has whole activations of its samples."""
    host_bytes: int = 0
    """Of each machine's memory beside that of its GPUs; 0 for a training without one."""


def estimate_training(
    recipe: TrainingRecipe, base: "BaseModel", samples: int, longest_tokens: int, devices: int = 1
) -> Estimate:
    """What `recipe` will need.

    Args:
        recipe: the recipe.
        base: the model it begins with.
        samples: how many are learnt from.
        longest_tokens: of the longest one; what is longer than a block is left out.
        devices: how many share the training.
    """
    longest = min(longest_tokens, recipe.block_size)
    steps = recipe.max_steps or max(1, round(recipe.epochs * -(-samples // recipe.batch_size)))
    if base.parameters is None:
        return Estimate(0, 0, steps, samples, None, None, longest, devices)
    shape = base.shape or _scaled(base.parameters)
    trainable = base.parameters if recipe.method == "full" else adapter_parameters(shape, recipe.lora_rank or 0)
    shared = -(-_state(recipe, base.parameters, trainable) // devices)
    return Estimate(
        memory_bytes=_PROCESS_BYTES + shared + _activations(recipe, shape, longest, devices),
        disk_bytes=disk_to_write(recipe, base.parameters, trainable, devices=devices) + _to_fetch(base),
        steps=steps,
        samples=samples,
        parameters=base.parameters,
        trainable=trainable,
        longest_tokens=longest,
        devices=devices,
        host_bytes=_on_host(base.parameters, devices // recipe.nodes) if recipe.precision == "bf16" else 0,
    )


def samples_at_once(recipe: TrainingRecipe, devices: int) -> int:
    """Samples that each device works through in one pass; a batch that cannot be dealt out is rounded up."""
    of_each = -(-recipe.batch_size // devices)
    passes = max(count for count in range(1, recipe.gradient_accumulation + 1) if of_each % count == 0)
    return of_each // passes


def disk_to_write(
    recipe: TrainingRecipe, parameters: int, trainable: int, checkpoints: int | None = None, devices: int = 1
) -> int:
    """Bytes of the checkpoints still to be written, and of the finished model.

    Args:
        recipe: the recipe.
        parameters: of the model.
        trainable: those that change.
        checkpoints: how many are still to come beside those that are there; None for as many as are ever kept.
        devices: how many processes train.
    """
    if checkpoints is None:
        checkpoints = most_checkpoints(recipe)
    kept = _KEPT_BYTES + (_LOADED_BYTES if devices > 1 else 0)
    return checkpoints * trainable * kept + 2 * parameters * _SAVED_BYTES


def most_checkpoints(recipe: TrainingRecipe) -> int:
    """The new one is written before the oldest is removed; early stopping keeps the best one as well."""
    return recipe.keep_checkpoints + 1 + bool(recipe.early_stop_patience)


def adapter_parameters(shape: "ModelShape", rank: int) -> int:
    """Parameters of a LoRA on every linear layer; keys and values are taken for a third of the width."""
    attention = 2 * (2 * shape.width) + 2 * (shape.width + shape.width // 3)
    feed_forward = 3 * (shape.width + shape.feed_forward)
    return shape.layers * rank * (attention + feed_forward)


def _on_host(parameters: int, devices: int) -> int:
    """Every process reads the whole model; the first of several puts a whole checkpoint together."""
    return parameters * max(devices * _LOADED_BYTES, _KEPT_BYTES if devices > 1 else 0)


def _state(recipe: TrainingRecipe, parameters: int, trainable: int) -> int:
    weights = trainable * _FULL_BYTES
    if recipe.method == "lora" or recipe.precision == "bf16":
        # Beside the adapter; or the copies that autocast computes with.
        weights += parameters * (2 if recipe.precision == "bf16" else 4)
    return weights


def _activations(recipe: TrainingRecipe, shape: "ModelShape", longest: int, devices: int) -> int:
    value_bytes = 2 if recipe.precision == "bf16" else 4
    tokens = longest * samples_at_once(recipe, devices)
    per_token = _WIDTHS_PER_LAYER * shape.width + _FEED_FORWARDS_PER_LAYER * shape.feed_forward
    # With checkpointing one value a layer stays, and one layer at a time is computed anew.
    kept = shape.layers * shape.width + per_token if recipe.gradient_checkpointing else shape.layers * per_token
    logits = tokens * shape.vocabulary * (value_bytes + 8)
    activations = tokens * kept * value_bytes + logits
    return round(activations * (1 if recipe.precision == "bf16" else _ON_CPU))


def _to_fetch(base: "BaseModel") -> int:
    """What a hub's cache has already is counted as well: only the hub's own library knows it."""
    if base.is_here or base.entry is None:
        return 0
    return base.entry.size_bytes or (base.parameters or 0) * _SAVED_BYTES


def _scaled(parameters: int) -> "ModelShape":
    from m1app.training.base_model import ModelShape

    factor = (parameters / _USUAL_PARAMETERS) ** (1 / 3)
    return ModelShape(
        parameters=parameters,
        layers=max(1, round(_USUAL_LAYERS * factor)),
        width=round(_USUAL_WIDTH * factor),
        feed_forward=round(_USUAL_FEED_FORWARD * factor),
        vocabulary=_USUAL_VOCABULARY,
    )
