"""The GPUs of this machine, as nvidia-smi lists them; no CUDA library is loaded."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

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


def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs visible through CUDA_VISIBLE_DEVICES, in its order; if unset, all by bus. Blocks for up to 20 s."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free,uuid", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_gpus(found.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))
