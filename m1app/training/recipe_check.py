"""Whether a machine can do what a recipe asks of it, with advice when it cannot."""

from m1app.training.base_model import BaseModel
from m1app.training.errors import RecipeRefused
from m1app.training.estimate import Estimate
from m1app.training.machine import Machine
from m1app.training.recipe import TrainingRecipe

LEAST_SAMPLES = 4
"""Fewer teach nothing but themselves."""
_SPARE_DISK_BYTES = 500_000_000


def check_recipe(recipe: TrainingRecipe, machine: Machine) -> None:
    """Refuse a recipe for a GPU on a machine without one; raises RecipeRefused."""
    if recipe.precision == "bf16" and not machine.gpus:
        raise RecipeRefused(
            "precision",
            f"The recipe computes in bf16 on a GPU, and this machine has none that nvidia-smi shows ({machine.said()})."
            ' Choose the preset "cpu-trial", or precision fp32, which is very slow for more than a trial.',
        )


def check_base(recipe: TrainingRecipe, base: BaseModel) -> None:
    """Refuse a block that is longer than the base's context; raises RecipeRefused."""
    if recipe.block_size > base.context_length:
        raise RecipeRefused(
            "block_size",
            f"A block of {recipe.block_size:,} tokens does not fit into the context of {base.id}, which is "
            f"{base.context_length:,} tokens. Choose at most that.",
        )


def check_samples(samples: int, held_out: int) -> None:
    """Refuse too little data; raises RecipeRefused."""
    if samples < LEAST_SAMPLES:
        raise RecipeRefused(
            "data",
            f"Only {samples} samples are left to learn from, beside {held_out} that are held out; give at least "
            f"{LEAST_SAMPLES}. Some hundreds teach a format, thousands a way of reasoning.",
        )


def check_resources(recipe: TrainingRecipe, machine: Machine, estimate: Estimate) -> None:
    """Refuse what does not fit into memory or onto the disk; raises RecipeRefused."""
    on_gpu = recipe.precision == "bf16"
    free = max((gpu.free_bytes for gpu in machine.gpus), default=0) if on_gpu else machine.available_bytes
    # Every weight is trained on all GPUs, which share weights and optimizer; a LoRA on the one with the most room.
    room = free * max(1, len(machine.gpus)) if on_gpu and recipe.method == "full" else free
    if estimate.memory_bytes > room:
        raise RecipeRefused(
            "gradient_accumulation" if _helps(recipe) else "method",
            f"The training needs about {_gb(estimate.memory_bytes)} of {'GPU ' if on_gpu else ''}memory, and "
            f"{_gb(room)} can be had. {_advice(recipe)}",
        )
    needed = estimate.disk_bytes + _SPARE_DISK_BYTES
    if needed > machine.disk_free_bytes:
        raise RecipeRefused(
            "keep_checkpoints",
            f"Checkpoints and the finished model need about {_gb(needed)} of disk, and "
            f"{_gb(machine.disk_free_bytes)} are free. Free some, keep fewer checkpoints, or move M1_HOME.",
        )


def _helps(recipe: TrainingRecipe) -> bool:
    return recipe.gradient_accumulation < recipe.batch_size


def _advice(recipe: TrainingRecipe) -> str:
    advice = []
    if _helps(recipe):
        advice.append(f"set gradient_accumulation to {recipe.batch_size}")
    if not recipe.gradient_checkpointing:
        advice.append("switch gradient_checkpointing on")
    if recipe.method == "full":
        advice.append('choose method "lora"')
    advice += ["choose a smaller block_size", "a smaller base", "or end what else uses the memory"]
    return "To need less: " + ", ".join(advice) + "."


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
