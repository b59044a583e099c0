"""Checks whether a machine can run a recipe, with advice if it cannot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from m1app.training.errors import RecipeRefused, TrainingFailed
from m1app.training.estimate import Estimate
from m1app.training.machine import Machine, check_batch
from m1app.training.recipe import TrainingRecipe
from m1app.wording import size

if TYPE_CHECKING:  # The training process imports this module but does not have `models`.
    from m1app.training.base_model import BaseModel
    from m1app.training.rendering import RenderedSample
    from m1app.training.training_rows import SplitRows

LEAST_SAMPLES = 4
"""With fewer, a model only memorizes them."""
_SPARE_DISK_BYTES = 500_000_000
"""Disk space kept free in addition to what training writes."""


def check_before_data(recipe: TrainingRecipe, base: "BaseModel", machine: Machine | None) -> None:
    """Check what does not depend on the data.

    Args:
        recipe: the recipe.
        base: the model to train.
        machine: the machine that trains; None if it is another one, which checks for itself.

    Raises:
        RecipeRefused: a field asks for too much.
    """
    if recipe.quantization != "none" and base.kind == "gguf":
        raise RecipeRefused(
            "quantization",
            f"{base.id} is a GGUF file, and its weights cannot be held in four bits while it trains. Choose a base of "
            "safetensors (a folder, a model of the hub, or what scripts/gguf_to_safetensors.py makes of the file), or "
            "quantization none.",
        )
    if recipe.generator == "vllm" and base.kind == "gguf":
        raise RecipeRefused(
            "generator",
            f"{base.id} is a GGUF file, which vLLM does not read while it trains. Choose a base of safetensors (a "
            'folder, or a model of the hub), or generator "transformers".',
        )
    if machine is not None:
        _check_gpu(recipe, machine)
        check_batch(recipe, machine)
    _check_block(recipe, base)


def check_with_data(recipe: TrainingRecipe, rows: "SplitRows", estimate: Estimate, machine: Machine | None) -> None:
    """Reject too little data, and recipes that do not fit in memory or on disk; args and errors as above."""
    from m1app.training.rendered_length import is_surely_longer

    _check_samples(len(rows.train), len(rows.evaluation))
    check_fitting(recipe, rows, [each for each in rows.train if is_surely_longer(each, recipe.block_size)])
    if machine is not None:
        _check_resources(recipe, machine, estimate)


def check_fitting(recipe: TrainingRecipe, rows: "SplitRows", too_long: Sequence["RenderedSample"]) -> None:
    """Refuse a recipe for whose block so many training samples are too long that nothing is left to learn.

    Args:
        recipe: the recipe.
        rows: its samples.
        too_long: those of the training samples that are known to be longer than a block.

    Raises:
        RecipeRefused: too few are left.
    """
    left = len(rows.train) - len(too_long)
    if left >= LEAST_SAMPLES:
        return
    from m1app.training.rendered_length import least_tokens

    longest = max(map(least_tokens, too_long))
    raise RecipeRefused(
        "block_size",
        f"{'None' if not left else f'Only {left:,}'} of the {len(rows.train):,} training samples "
        f"{'fits' if left < 2 else 'fit'} into {recipe.block_size:,} tokens, those of the template included; the "
        f"longest has about {longest:,}. Choose a larger block_size or shorter samples: at least "
        f"{LEAST_SAMPLES} must fit.",
    )


def _check_gpu(recipe: TrainingRecipe, machine: Machine) -> None:
    if recipe.precision == "bf16" and not machine.gpus:
        raise RecipeRefused(
            "precision",
            f"The recipe uses bf16 on a GPU, but nvidia-smi shows none on this machine ({machine.said()})."
            ' Choose the preset "cpu-trial", or precision fp32, which is very slow for more than a trial.',
        )


def _check_block(recipe: TrainingRecipe, base: "BaseModel") -> None:
    if recipe.block_size > base.context_length:
        raise RecipeRefused(
            "block_size",
            f"A block of {recipe.block_size:,} tokens does not fit into the context of {base.id}, which is "
            f"{base.context_length:,} tokens. Choose at most that.",
        )


def _check_samples(samples: int, held_out: int) -> None:
    if samples < LEAST_SAMPLES:
        raise RecipeRefused(
            "data",
            f"Only {samples} samples are left for training, with {held_out} held out; at least {LEAST_SAMPLES} are "
            "needed. Hundreds teach a format; thousands teach a way of reasoning.",
        )


def _check_resources(recipe: TrainingRecipe, machine: Machine, estimate: Estimate) -> None:
    said, free = _memory_of(recipe, machine, estimate)
    if estimate.memory_bytes > free:
        raise RecipeRefused(
            "gradient_accumulation" if _helps(recipe) else "method",
            f"Training needs about {size(estimate.memory_bytes)} of {said}, but only {size(free)} is available. "
            f"{_advice(recipe)}",
        )
    leave = "leave accuracy_set out, " if recipe.accuracy_set else ""
    if estimate.host_bytes > machine.available_bytes:
        raise RecipeRefused(
            "base",
            f"Besides GPU memory, training needs about {size(estimate.host_bytes)} of main memory to load and "
            f"assemble models, but {size(machine.available_bytes)} is available. Choose a smaller base model, "
            f"list fewer GPUs in CUDA_VISIBLE_DEVICES, {leave}or stop other programs that use memory.",
        )
    on_disk = estimate.disk_bytes + _SPARE_DISK_BYTES
    if on_disk > machine.disk_free_bytes:
        raise RecipeRefused(
            "keep_checkpoints",
            f"Checkpoints, the finished model and a base model not yet downloaded need about {size(on_disk)} of disk, "
            f"but {size(machine.disk_free_bytes)} is free. Free some space, keep fewer checkpoints, or move M1_HOME.",
        )


def check_disk_left(needed_bytes: int, free_bytes: int) -> None:
    """Refuse to start or resume if the rest will not fit on the disk; raises TrainingFailed."""
    needed = needed_bytes + _SPARE_DISK_BYTES
    if needed > free_bytes:
        raise TrainingFailed(
            f"The remaining checkpoints and the finished model need about {size(needed)} of disk, but "
            f"{size(free_bytes)} is free. Free some space, then resume the job; it continues from its last checkpoint."
        )


def _memory_of(recipe: TrainingRecipe, machine: Machine, estimate: Estimate) -> tuple[str, int]:
    """Which memory is needed, and how much of it is free."""
    if recipe.precision != "bf16":
        return "memory", machine.available_bytes
    free = [gpu.free_bytes for gpu in machine.gpus]
    if estimate.devices == 1:
        return "GPU memory", max(free, default=0)
    # Full fine-tuning uses all GPUs together: if the fullest one has no room, none can continue.
    return f"GPU memory on each of the {estimate.devices} GPUs, including the fullest", min(free)


def _helps(recipe: TrainingRecipe) -> bool:
    return recipe.gradient_accumulation < recipe.batch_size


def _advice(recipe: TrainingRecipe) -> str:
    advice = []
    if _helps(recipe):
        advice.append(f"set gradient_accumulation to {recipe.batch_size}")
    if not recipe.gradient_checkpointing:
        advice.append("turn on gradient_checkpointing")
    if recipe.method == "full":
        advice.append('choose method "lora"')
    elif recipe.precision == "bf16" and recipe.quantization == "none":
        advice.append("set quantization to nf4")
    if recipe.accuracy_set and recipe.precision != "bf16":
        advice.append("leave accuracy_set out")
    advice += ["choose a smaller block_size", "a smaller base model", "or stop other programs that use memory"]
    return "To need less: " + ", ".join(advice) + "."
