"""Estimates the memory and disk that a training needs. Activations depend on kernels and versions.

Weights, gradients and Adam follow from the number of parameters; activations are counted per layer as in arXiv
2205.05198, section 4, for attention that stores no scores. On a GPU there are no logits: TRL's fused head computes them
in tiles. Compared with an H200, the estimates are between what PyTorch had allocated at most and 1.25 times what
nvidia-smi showed (benchmarks/README.md).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from m1app.training.recipe import TrainingRecipe

if TYPE_CHECKING:  # The training process imports this module but does not have `models`.
    from m1app.training.base_model import BaseModel, ModelShape

_PROCESS_BYTES = 700_000_000
"""Python with PyTorch, without any model."""
_FULL_BYTES = 16
"""Per trained parameter in float32: weight, gradient, two moments of Adam."""
_KEPT_BYTES = 12
"""The same in a checkpoint: no gradient."""
_LOADED_BYTES = 4
"""Per parameter in float32: read by each process, merged with a LoRA, and stored twice in checkpoints of several
processes, once in FSDP's format."""
_WIDTHS_PER_LAYER, _FEED_FORWARDS_PER_LAYER = 10, 4
"""Values stored per token and layer, in units of the layer's width and of its feed-forward width."""
_LORA_COPIES = 3
"""A layer's values with a LoRA: beside the frozen layer's, each adapter keeps its input in float32, with dropout."""
_ON_GPU = 1.08
"""PyTorch's allocator holds more than is in use."""
_ON_CPU = 1.8
"""Measured over counted, with logits three times (themselves, in float32, and their gradient): a LoRA of the embedded
model on two samples of 1,280 tokens peaked at 10.6 GB instead of 6.5; attention on a CPU stores scores, and the
allocator does not return memory."""
_SAVED_BYTES = 2
"""Per parameter of a finished or published model, in bfloat16 or float16."""
_ASKED_CHECKPOINTS = 2
"""Weights of checkpoints that are kept beside the checkpoints: of the one that is asked, and of the best so far."""
_ASKING_BYTES = 6
"""Per parameter, in main memory, to write a checkpoint that is asked: the model in float32, and what is written."""
_FOUR_BITS = (4 + 8 / 64 + 32 / (64 * 256)) / 8
"""Bytes per frozen parameter in NF4 with its scales (arXiv 2305.14314, section 3); embeddings and head keep theirs."""
_FOUR_BITS_LIBRARY_BYTES = 400_000_000
"""bitsandbytes, and PyTorch's compiler, which it imports: the embedded model on two samples of 1,280 tokens peaked at
11.4 GB, 0.4 more than the rest of the estimate."""
_USUAL_LAYERS, _USUAL_WIDTH, _USUAL_FEED_FORWARD, _USUAL_VOCABULARY = 28, 2048, 8192, 128_000
"""Stand-in if only the number of parameters is known, scaled to it."""
_USUAL_PARAMETERS = 2_300_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training will need."""

    memory_bytes: int
    """Memory of each GPU for bf16, else of the machine."""
    disk_bytes: int
    """Maximum size of checkpoints, the finished model twice, and what must still be downloaded of the base."""
    steps: int
    samples: int
    """Tokens trained on per epoch."""
    parameters: int | None
    trainable: int | None
    """Trainable parameters; None if the base's are unknown."""
    longest_tokens: int
    """Estimated tokens of the longest sample."""
    devices: int = 1
    """GPUs that share weights, gradients and optimizer; each has the full activations of its samples."""
    host_bytes: int = 0
    """Host memory needed per machine besides that of its GPUs; 0 without a GPU."""


def estimate_training(
    recipe: TrainingRecipe, base: "BaseModel", samples: int, longest_tokens: int, devices: int = 1
) -> Estimate:
    """Estimate what `recipe` will need.

    Args:
        recipe: the recipe.
        base: the model it starts from.
        samples: number of training samples.
        longest_tokens: tokens of the longest sample; samples longer than a block are left out.
        devices: number of devices that share the training.
    """
    longest = min(longest_tokens, recipe.block_size)
    steps = recipe.max_steps or max(1, round(recipe.epochs * -(-samples // recipe.samples_per_step)))
    if base.parameters is None:
        return Estimate(0, 0, steps, samples, None, None, longest, devices)
    shape = base.shape or _scaled(base.parameters)
    trainable = base.parameters
    if recipe.method == "lora":
        trainable = adapter_parameters(shape, recipe.lora_rank or 0)
        if "embed_tokens" in recipe.modules_to_save.split(","):
            trainable += shape.vocabulary * shape.width
    shared = -(-_state(recipe, shape, trainable) // devices)
    memory = _PROCESS_BYTES + shared + _activations(recipe, shape, longest, devices) + _beside_four_bits(recipe, shape)
    asking = base.parameters * _ASKING_BYTES if _serves_checkpoints(recipe) else 0
    is_on_gpu = recipe.precision == "bf16"
    return Estimate(
        memory_bytes=round(memory * _ON_GPU) if is_on_gpu else memory + asking,
        disk_bytes=disk_to_write(recipe, base.parameters, trainable, devices=devices) + _to_download(base),
        steps=steps,
        samples=samples,
        parameters=base.parameters,
        trainable=trainable,
        longest_tokens=longest,
        devices=devices,
        host_bytes=_on_host(base.parameters, devices // recipe.nodes) + asking if is_on_gpu else 0,
    )


def samples_at_once(recipe: TrainingRecipe, devices: int) -> int:
    """Samples per device and forward pass; a batch that does not divide evenly is rounded up."""
    of_each = -(-recipe.batch_size // devices)
    passes = max(count for count in range(1, recipe.gradient_accumulation + 1) if of_each % count == 0)
    return of_each // passes


def disk_to_write(
    recipe: TrainingRecipe, parameters: int, trainable: int, checkpoints: int | None = None, devices: int = 1
) -> int:
    """Bytes of the checkpoints still to be written, and of the finished model.

    Args:
        recipe: the recipe.
        parameters: parameters of the model.
        trainable: trainable parameters.
        checkpoints: number of checkpoints to add to the existing ones; None for the most ever kept.
        devices: number of training processes.
    """
    if checkpoints is None:
        checkpoints = most_checkpoints(recipe)
    kept = _KEPT_BYTES + (_LOADED_BYTES if devices > 1 else 0)
    asked = _ASKED_CHECKPOINTS * trainable * _LOADED_BYTES if recipe.accuracy_set else 0
    if _serves_checkpoints(recipe):
        asked += parameters * _SAVED_BYTES
    return checkpoints * trainable * kept + 2 * parameters * _SAVED_BYTES + asked


def _serves_checkpoints(recipe: TrainingRecipe) -> bool:
    """Whether checkpoints are written and served here; a server that loads LoRAs has the base in memory already."""
    return bool(recipe.accuracy_set) and not recipe.accuracy_server


def most_checkpoints(recipe: TrainingRecipe) -> int:
    """Most checkpoints on disk at once: one is written before the oldest is removed, and the one with the lowest loss
    is kept if it is to become the model."""
    return recipe.keep_checkpoints + 1 + recipe.is_best_by_loss


def adapter_parameters(shape: "ModelShape", rank: int) -> int:
    """Parameters of a LoRA on every linear layer, the most there can be; assumes keys and values of a third of the
    width."""
    attention = 2 * (2 * shape.width) + 2 * (shape.width + shape.width // 3)
    feed_forward = 3 * (shape.width + shape.feed_forward)
    return shape.layers * rank * (attention + feed_forward)


def _on_host(parameters: int, devices: int) -> int:
    """Host memory: every process reads the whole model; the first of several assembles a complete checkpoint."""
    return parameters * max(devices * _LOADED_BYTES, _KEPT_BYTES if devices > 1 else 0)


def _state(recipe: TrainingRecipe, shape: "ModelShape", trainable: int) -> int:
    weights = trainable * _FULL_BYTES
    each = 2.0 if recipe.precision == "bf16" else 4.0
    if recipe.quantization == "nf4":
        weights += round(shape.embeddings * each + (shape.parameters - shape.embeddings) * _FOUR_BITS)
    elif recipe.method == "lora" or recipe.precision == "bf16":
        # Frozen weights besides the adapter, or autocast's copies.
        weights += round(shape.parameters * each)
    return weights


def _beside_four_bits(recipe: TrainingRecipe, shape: "ModelShape") -> int:
    """Their library on a CPU, and at the end the whole weights that the LoRA is merged into, while the allocator keeps
    what the steps needed. On a GPU, these are in host memory.
    """
    if recipe.quantization == "none" or recipe.precision == "bf16":
        return 0
    return _FOUR_BITS_LIBRARY_BYTES + shape.parameters * (_LOADED_BYTES + _SAVED_BYTES)


def _activations(recipe: TrainingRecipe, shape: "ModelShape", longest: int, devices: int) -> int:
    responses = 2 if recipe.objective == "dpo" else 1
    if recipe.objective == "grpo":
        longest = recipe.block_size
    tokens = longest * responses * samples_at_once(recipe, devices)
    layer = _WIDTHS_PER_LAYER * shape.width + _FEED_FORWARDS_PER_LAYER * shape.feed_forward
    if recipe.precision == "bf16":
        if recipe.method == "lora":
            layer *= _LORA_COPIES
        head = 4 * shape.vocabulary * shape.width
        # The fused head adds up the gradient of its weights in float32; shared weights are gathered for it first.
        times = 0 if recipe.method == "lora" else 1 if devices == 1 else 2
        return 2 * tokens * _values_kept(recipe, shape, layer) + times * head
    logits = tokens * shape.vocabulary * (4 + 8)
    return round((4 * tokens * _values_kept(recipe, shape, layer) + logits) * _ON_CPU)


def _values_kept(recipe: TrainingRecipe, shape: "ModelShape", layer: int) -> int:
    """Per token. With checkpointing, one value per layer is kept, and one layer at a time is recomputed."""
    return shape.layers * shape.width + layer if recipe.gradient_checkpointing else shape.layers * layer


def _to_download(base: "BaseModel") -> int:
    """Includes files already in the hub cache: only the hub's library knows about those."""
    if base.is_here or base.entry is None:
        return 0
    return base.entry.size_bytes or (base.parameters or 0) * _SAVED_BYTES


def _scaled(parameters: int) -> "ModelShape":
    from m1app.training.base_model import ModelShape

    factor = (parameters / _USUAL_PARAMETERS) ** (1 / 3)
    width = round(_USUAL_WIDTH * factor)
    return ModelShape(
        parameters=parameters,
        layers=max(1, round(_USUAL_LAYERS * factor)),
        width=width,
        feed_forward=round(_USUAL_FEED_FORWARD * factor),
        vocabulary=_USUAL_VOCABULARY,
        embeddings=min(parameters, 2 * _USUAL_VOCABULARY * width),
    )
