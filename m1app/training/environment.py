"""The training environment, .venv-train: its state, and its installation by the first fine-tuning."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from m1app.errors import AppError
from m1app.settings import IS_PACKAGE, Settings

PROJECT = Path(__file__).resolve().parents[2]
_SCRIPT = PROJECT / "scripts" / "make_train.sh"
_STOP_SECONDS = 30.0
_NOT_HERE = (
    "Fine-tuning needs the project's folder, but m1app was installed as a package. Clone the project and start it "
    "there with: make run. To keep your data, set M1_HOME to this app's home."
)


def is_installed(settings: Settings) -> bool:
    """Whether the environment is completely installed from the current lock file."""
    if IS_PACKAGE or not settings.train_python.is_file():
        return False
    if not _is_own(settings):
        return True  # A user's own environment: they know what is in it.
    try:
        stamp = (settings.train_python.parents[1] / "m1-lock").read_text(encoding="utf-8").split()
    except OSError:
        return False
    if len(stamp) != 2 or stamp[0] not in ("cpu", "cuda"):
        return False
    lock = PROJECT / f"requirements/train-{stamp[0]}.txt"
    return lock.is_file() and hashlib.sha256(lock.read_bytes()).hexdigest() == stamp[1]


def environment_state(settings: Settings) -> str:
    """One or two sentences for users: it is ready, or what the first fine-tuning will install."""
    if IS_PACKAGE:
        return _NOT_HERE
    if is_installed(settings):
        return f"Ready: {settings.train_python}."
    if not _is_own(settings):
        return f"Missing: M1_TRAIN_PYTHON names {settings.train_python}, which does not exist."
    # Look for the program instead of running it: pages call this repeatedly.
    size = "about 8 GB with CUDA" if shutil.which("nvidia-smi") else "about 1.5 GB"
    return (
        f"Not installed yet: the first fine-tuning job installs PyTorch, transformers, TRL and PEFT into .venv-train "
        f"({size}, a few minutes). To install it now, run: make train-env"
    )


async def install(settings: Settings, is_stopping: asyncio.Event) -> bool:
    """Install what is missing; all output goes to standard output, the job's log.

    Returns:
        False if it was told to stop before it was done.

    Raises:
        AppError: the installation failed.
    """
    if is_installed(settings):
        return True
    if IS_PACKAGE:
        raise AppError(_NOT_HERE)
    if not _is_own(settings):
        raise AppError(f"{environment_state(settings)} Correct it, or unset it to use .venv-train.")
    environment = {**os.environ, "PYTHON": sys.executable}
    process = await asyncio.create_subprocess_exec(
        "bash", str(_SCRIPT), cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    ended, stopping = asyncio.ensure_future(process.wait()), asyncio.ensure_future(is_stopping.wait())
    await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not ended.done():
        process.terminate()
        await asyncio.wait((ended,), timeout=_STOP_SECONDS)
        return False
    if ended.result() or not is_installed(settings):
        if is_stopping.is_set():
            return False
        raise AppError(
            "The training environment could not be installed. Fix the cause shown in the log, then resume the job. "
            "To install it separately: make train-env"
        )
    return True


def _is_own(settings: Settings) -> bool:
    return bool(settings.train_python == Settings.model_fields["train_python"].default)
