"""Memory and disk that a training will need, before it starts. Estimates: activations depend on kernels and versions.

Sizes of weights, gradients and Adam follow from the number of parameters; those of activations are counted per layer
as in arXiv 2205.05198, section 4, for attention that keeps no scores, and logits three times (themselves, in float32,
their gradient).
"""

from dataclasses import dataclass

from m1app.training.base_model import BaseModel, ModelShape
from m1app.training.recipe import TrainingRecipe

_PROCESS_BYTES = 700_000_000
"""Python with PyTorch, without any model."""
_FULL_BYTES = 16
"""Per trained parameter in float32: weight, gradient, two moments of Adam."""
_KEPT_BYTES = 12
"""Of these in a checkpoint: no gradient."""
_WIDTHS_PER_LAYER, _FEED_FORWARDS_PER_LAYER = 10, 4
"""Values kept per token and layer, in units of the layer's width and of its feed-forward width."""
_ON_CPU = 1.8
"""Seen times counted: a LoRA of the embedded model on two samples of 1,280 tokens peaked at 10.6 GB where the count
says 6.5; a CPU's attention keeps scores, and its allocator what it once had."""
_USUAL = ModelShape(parameters=0, layers=28, width=2048, feed_forward=8192, vocabulary=128_000)
"""Stands in where only the number of parameters is known; its sizes are scaled to that."""
_USUAL_PARAMETERS = 2_300_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training will need."""

    memory_bytes: int
    """Of the GPU for bf16, else of the machine."""
    disk_bytes: int
    """Checkpoints at their most, and the finished model twice."""
    steps: int
    samples: int
    """That are learnt from, each epoch."""
    parameters: int | None
    trainable: int | None
    """Parameters that change; None when the base's are not known."""
    longest_tokens: int
    """Of a sample, estimated."""


def estimate_training(recipe: TrainingRecipe, base: BaseModel, samples: int, longest_tokens: int) -> Estimate:
    """What `recipe` will need on one device.

    Args:
        recipe: the recipe.
        base: the model it begins with.
        samples: how many are learnt from.
        longest_tokens: of the longest one; what is longer than a block is left out.
    """
    longest = min(longest_tokens, recipe.block_size)
    steps = recipe.max_steps or max(1, round(recipe.epochs * -(-samples // recipe.batch_size)))
    if base.parameters is None:
        return Estimate(0, 0, steps, samples, None, None, longest)
    shape = base.shape or _scaled(base.parameters)
    trainable = base.parameters if recipe.method == "full" else adapter_parameters(shape, recipe.lora_rank or 0)
    return Estimate(
        memory_bytes=_memory(recipe, shape, base.parameters, trainable, longest),
        disk_bytes=_disk(recipe, base.parameters, trainable),
        steps=steps,
        samples=samples,
        parameters=base.parameters,
        trainable=trainable,
        longest_tokens=longest,
    )


def adapter_parameters(shape: ModelShape, rank: int) -> int:
    """Parameters of a LoRA on every linear layer; keys and values are taken for a third of the width."""
    attention = 2 * (2 * shape.width) + 2 * (shape.width + shape.width // 3)
    feed_forward = 3 * (shape.width + shape.feed_forward)
    return shape.layers * rank * (attention + feed_forward)


def _memory(recipe: TrainingRecipe, shape: ModelShape, parameters: int, trainable: int, longest: int) -> int:
    value_bytes = 2 if recipe.precision == "bf16" else 4
    weights = trainable * _FULL_BYTES
    if recipe.method == "lora" or recipe.precision == "bf16":
        weights += parameters * value_bytes  # Beside the adapter; or the copies that autocast computes with.
    tokens = longest * -(-recipe.batch_size // recipe.gradient_accumulation)
    per_token = _WIDTHS_PER_LAYER * shape.width + _FEED_FORWARDS_PER_LAYER * shape.feed_forward
    # With checkpointing one value a layer stays, and one layer at a time is computed anew.
    kept = shape.layers * shape.width + per_token if recipe.gradient_checkpointing else shape.layers * per_token
    logits = tokens * shape.vocabulary * (value_bytes + 8)
    activations = tokens * kept * value_bytes + logits
    return _PROCESS_BYTES + weights + round(activations * (1 if recipe.precision == "bf16" else _ON_CPU))


def _disk(recipe: TrainingRecipe, parameters: int, trainable: int) -> int:
    # The new checkpoint is written before the oldest is removed; early stopping keeps the best one as well.
    checkpoints = recipe.keep_checkpoints + 1 + bool(recipe.early_stop_patience)
    return checkpoints * trainable * _KEPT_BYTES + 2 * parameters * 2


def _scaled(parameters: int) -> ModelShape:
    factor = (parameters / _USUAL_PARAMETERS) ** (1 / 3)
    return ModelShape(
        parameters=parameters,
        layers=max(1, round(_USUAL.layers * factor)),
        width=round(_USUAL.width * factor),
        feed_forward=round(_USUAL.feed_forward * factor),
        vocabulary=_USUAL.vocabulary,
    )
