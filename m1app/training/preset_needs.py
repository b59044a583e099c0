"""What a preset needs of a machine, before a base model or data are chosen: the plan's estimate for usual sizes."""

from m1app.training.base_model import BaseModel
from m1app.training.estimate import Estimate, estimate_training
from m1app.training.recipe import TrainingRecipe
from m1app.wording import parameter_count, size

_FOR_GPUS = (1_500_000_000, 7_600_000_000)
_FOR_A_CPU = 135_000_000
_SHARED_BY = 8
"""GPUs of a usual server."""


def preset_needs(recipe: TrainingRecipe) -> str:
    """What the recipe of a preset needs, in words; for samples as long as a block, which few are."""
    if recipe.precision != "bf16":
        found = _estimate(recipe, _FOR_A_CPU, 1)
        return (
            f"Needs no GPU: up to {size(found.memory_bytes)} of memory if samples fill a block, and "
            f"{size(found.disk_bytes)} of disk for the embedded model ({parameter_count(_FOR_A_CPU)} parameters)."
        )
    sizes = [(parameters, _estimate(recipe, parameters, 1)) for parameters in _FOR_GPUS]
    each = ", ".join(
        f"{size(found.memory_bytes)} for {parameter_count(parameters)} parameters" for parameters, found in sizes
    )
    largest, alone = sizes[-1]
    text = f"Needs an NVIDIA GPU, with up to {each} if samples fill a block. "
    if recipe.method == "full":
        shared = _estimate(recipe, largest, _SHARED_BY)
        text += (
            f"{_SHARED_BY} GPUs that share the {parameter_count(largest)} need {size(shared.memory_bytes)} each, and "
            f"{size(shared.host_bytes)} of main memory. "
        )
    else:
        text += f"For {parameter_count(largest)}, also {size(alone.host_bytes)} of main memory. "
    return f"{text}Disk for {parameter_count(largest)}: {size(alone.disk_bytes)}."


def _estimate(recipe: TrainingRecipe, parameters: int, devices: int) -> Estimate:
    base = BaseModel("", "folder", "", "", parameters, None, recipe.block_size, "", None)
    return estimate_training(recipe, base, recipe.batch_size, recipe.block_size, devices)
