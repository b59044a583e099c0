"""The memory of this machine, or of the container that the app runs in."""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def memory() -> tuple[int, int]:
    """Total and available bytes: the machine's, or the container's if less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = _available_of_machine() or total
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is None or limit >= total:
        return total, available
    # The container's file cache counts as used, but is released on demand.
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


def available_memory() -> int:
    """Bytes available without ending other processes."""
    return memory()[1]
