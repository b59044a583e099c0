"""The hardware available for training (cores, memory, disk, GPUs), and how many GPUs a recipe uses.

Read from the system; no CUDA library is loaded.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from m1app.gpus import Gpu, find_gpus
from m1app.memory import memory
from m1app.training.errors import RecipeRefused
from m1app.training.recipe import TrainingRecipe
from m1app.wording import size


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine's current resources."""

    cores: int
    """Cores that this process may use."""
    memory_bytes: int
    """Memory of the machine, or its container's limit if lower."""
    available_bytes: int
    """Memory available without ending other processes."""
    disk_free_bytes: int
    """Free space where training writes."""
    gpus: tuple[Gpu, ...] = ()
    """GPUs visible through CUDA_VISIBLE_DEVICES, in its order; if unset, all by bus."""

    def said(self) -> str:
        """One line for users."""
        gpus = ", ".join(f"{gpu.name} ({size(gpu.free_bytes)} free)" for gpu in self.gpus) or "no GPU"
        return (
            f"{self.cores} cores, {size(self.available_bytes)} of {size(self.memory_bytes)} memory free, "
            f"{size(self.disk_free_bytes)} disk free, {gpus}"
        )


def examine_machine(folder: Path) -> Machine:
    """Examine this machine, and the free space on the disk of `folder`, which need not exist. Blocks for up to 20 s."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    total, available = memory()
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=total,
        available_bytes=available,
        disk_free_bytes=shutil.disk_usage(there).free,
        gpus=find_gpus(),
    )


def devices_for(recipe: TrainingRecipe, machine: Machine) -> int:
    """Number of GPUs that share the training: a LoRA fits on one, full fine-tuning seldom does. 1 on a CPU."""
    if recipe.gpus_per_node:
        return recipe.nodes * recipe.gpus_per_node
    return max(1, len(machine.gpus)) if recipe.precision == "bf16" and recipe.method == "full" else 1


def check_batch(recipe: TrainingRecipe, machine: Machine) -> None:
    """Reject a batch that cannot be divided evenly among the GPUs; raises RecipeRefused."""
    devices = devices_for(recipe, machine)
    if recipe.batch_size % devices:
        nearest = -(-recipe.batch_size // devices) * devices
        raise RecipeRefused(
            "batch_size",
            f"A step of {recipe.batch_size} samples cannot be split evenly across {devices} GPUs. Choose a multiple of "
            f"{devices}, such as {nearest}, or list fewer GPUs in CUDA_VISIBLE_DEVICES.",
        )
