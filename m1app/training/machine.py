"""The hardware available for training (cores, memory, disk, GPUs), and how many GPUs a recipe uses.

Read from the system; no CUDA library is loaded.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from m1app.memory import memory
from m1app.training.errors import RecipeRefused
from m1app.training.recipe import TrainingRecipe
from m1app.wording import size

_MIB = 1 << 20
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device."""

    name: str
    memory_bytes: int
    free_bytes: int
    uuid: str = ""
    """For CUDA_VISIBLE_DEVICES, independent of the device order; empty if it was not queried."""


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
        gpus=_gpus(),
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


def parse_gpus(csv: str, visible: str | None = None) -> tuple[Gpu, ...]:
    """Parse the output of `nvidia-smi --query-gpu=name,memory.total,memory.free,uuid --format=csv,noheader,nounits`
    (MiB).

    Args:
        csv: one line per GPU, by bus; the UUID may be missing.
        visible: value of CUDA_VISIBLE_DEVICES: indices or UUID prefixes. As in CUDA, the first invalid entry ends the
            list, and an empty value hides all GPUs. None shows all. MIG devices are not supported.

    Source: CUDA C++ Programming Guide, "CUDA Environment Variables".
    """
    lines = [line for line in csv.splitlines() if line.strip()]
    return tuple(gpu for gpu in map(_gpu, lines if visible is None else _visible(lines, visible)) if gpu)


def _visible(lines: Sequence[str], visible: str) -> list[str]:
    uuids = [line.rpartition(",")[2].strip() for line in lines]
    chosen: list[int] = []
    for entry in map(str.strip, visible.split(",")):
        if entry.isdecimal():
            found = [int(entry)] if int(entry) < len(lines) else []
        else:
            found = [index for index, uuid in enumerate(uuids) if entry and uuid.startswith(entry)]
        if len(found) != 1 or found[0] in chosen:
            break
        chosen += found
    return [lines[index] for index in chosen]


def _gpu(line: str) -> Gpu | None:
    """None for a GPU that does not report its memory."""
    name, *rest = (part.strip() for part in line.split(","))
    if len(rest) < 2 or not all(part.isdecimal() for part in rest[:2]):
        return None
    return Gpu(name, int(rest[0]) * _MIB, int(rest[1]) * _MIB, *rest[2:3])


def _gpus() -> tuple[Gpu, ...]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free,uuid", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_gpus(found.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))
