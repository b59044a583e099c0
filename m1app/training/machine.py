"""What this machine has to train with: cores, memory, disk, GPUs. Read from the system; no CUDA library is loaded."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_MIB = 1 << 20
_SECONDS = 20.0
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device."""

    name: str
    memory_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What is there now."""

    cores: int
    """That this process may use."""
    memory_bytes: int
    """Of the machine, or the least that its container is allowed."""
    available_bytes: int
    """Memory that can be had without ending something else."""
    disk_free_bytes: int
    """Where the training is to write."""
    gpus: tuple[Gpu, ...] = ()

    def said(self) -> str:
        """One line for people."""
        gpus = ", ".join(f"{gpu.name} ({gpu.free_bytes / 1e9:.0f} GB free)" for gpu in self.gpus) or "no GPU"
        return (
            f"{self.cores} cores, {self.available_bytes / 1e9:.1f} of {self.memory_bytes / 1e9:.1f} GB memory, "
            f"{self.disk_free_bytes / 1e9:.0f} GB disk, {gpus}"
        )


def examine_machine(folder: Path) -> Machine:
    """This machine, with the free space of the disk that `folder` is, or will be, on. Blocks for up to 20 s."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    total, available = _memory()
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=total,
        available_bytes=available,
        disk_free_bytes=shutil.disk_usage(there).free,
        gpus=_gpus(),
    )


def parse_gpus(csv: str) -> tuple[Gpu, ...]:
    """GPUs from `nvidia-smi --query-gpu=name,memory.total,memory.free --format=csv,noheader,nounits` (MiB)."""
    gpus = []
    for line in csv.splitlines():
        name, _, rest = line.partition(",")
        numbers = [part.strip() for part in rest.split(",")]
        if len(numbers) == 2 and all(part.isdecimal() for part in numbers):
            gpus.append(Gpu(name.strip(), int(numbers[0]) * _MIB, int(numbers[1]) * _MIB))
    return tuple(gpus)


def _gpus() -> tuple[Gpu, ...]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_gpus(found.stdout)


def _memory() -> tuple[int, int]:
    """Total and available bytes: the machine's, or the container's where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = _available_of_machine() or total
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is None or limit >= total:
        return total, available
    # What the container has in its file cache is given back when it is needed, but counted as used.
    return limit, min(available, limit - (used or 0) + _cached_by_container())


def _available_of_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), "0")
    return int(kilobytes) * 1024


def _cached_by_container() -> int:
    try:
        lines = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return int(next((line.split()[1] for line in lines if line.startswith("inactive_file ")), "0"))


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
