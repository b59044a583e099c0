"""Writes the curves of a fine-tuning for other tools where they are installed: TensorBoard, trackio, Weights & Biases.

They write files on this machine; nothing is sent. None of them is required by the app.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from m1app.errors import AppError
from m1app.training.comparison import ComparedRun, comparison_csv

_PROJECT = "m1app"
_QUIET = {
    "trackio": {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"},
    "wandb": {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"},
}
"""Variables that keep each package from the network; read when it is imported."""


class ExportRefused(AppError):
    """A run cannot be exported; the message says why and what to do."""


def export_run(run: ComparedRun, to: str, folder: Path) -> str:
    """Write a run's metrics into a folder, which is made if it is missing; blocks. Returns what to do with them.

    Args:
        run: the run.
        to: a key of EXPORTERS.
        folder: where to write.

    Raises:
        ExportRefused: the run has no metrics yet, the tool's package is missing, or the folder cannot be written.
    """
    if not any(run.metrics.values()):
        raise ExportRefused(f"The run {run.name} has no steps yet, so there is nothing to export.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return EXPORTERS[to](run, folder)
    except OSError as exc:
        raise ExportRefused(f"{folder} cannot be written ({exc.strerror or exc}). Choose another folder.") from exc


def _to_csv(run: ComparedRun, folder: Path) -> str:
    path = folder / f"{_file_name(run)}.csv"
    path.write_bytes(comparison_csv([run]))
    return f"wrote {path}"


def _to_tensorboard(run: ComparedRun, folder: Path) -> str:
    writer = _package("tensorboard", "tensorboard.summary").Writer(str(folder / _file_name(run)))
    for metric, points in run.metrics.items():
        for point in points:
            writer.add_scalar(metric, point.value, point.step)
    writer.close()
    return f"wrote {folder / _file_name(run)}; look at it with: tensorboard --logdir {folder}"


def _to_trackio(run: ComparedRun, folder: Path) -> str:
    os.environ |= {"TRACKIO_DIR": str(folder.absolute())}
    trackio = _package("trackio")
    trackio.init(project=_PROJECT, name=_file_name(run), config=dict(run.job.recipe), resume="never")
    for step, values in values_by_step(run):
        trackio.log(values, step=step)
    trackio.finish()
    return f"wrote {folder}; look at it with: TRACKIO_DIR={folder} trackio show --project {_PROJECT}"


def _to_wandb(run: ComparedRun, folder: Path) -> str:
    wandb = _package("wandb")
    options = {"project": _PROJECT, "name": _file_name(run), "config": dict(run.job.recipe), "dir": str(folder)}
    logged = wandb.init(mode="offline", **options)
    for step, values in values_by_step(run):
        logged.log(values, step=step)
    logged.finish()
    return f"wrote {folder / 'wandb'}; nothing was sent. To send it yourself: wandb sync {folder}/wandb/offline-run-*"


EXPORTERS: Mapping[str, Callable[[ComparedRun, Path], str]] = {
    "csv": _to_csv,
    "tensorboard": _to_tensorboard,
    "trackio": _to_trackio,
    "wandb": _to_wandb,
}


def values_by_step(run: ComparedRun) -> list[tuple[int, dict[str, float]]]:
    """The values of every step that has any, in order, with the limits and the n of an accuracy."""
    found: dict[int, dict[str, float]] = {}
    for metric, points in run.metrics.items():
        for point in points:
            more = {"low": point.low, "high": point.high, "n": point.n}
            found.setdefault(point.step, {})[metric] = point.value
            found[point.step] |= {f"{metric}_{name}": float(value) for name, value in more.items() if value is not None}
    return sorted(found.items())


def _package(name: str, module: str = "") -> Any:
    """Import a package that may be missing, kept from the network."""
    os.environ |= _QUIET.get(name, {})
    try:
        return importlib.import_module(module or name)
    except ImportError as exc:
        raise ExportRefused(
            f"The Python package {name} is not installed here. Install it into the app's environment with: "
            f".venv/bin/python -m pip install {name}. Or export to csv, which needs nothing."
        ) from exc


def _file_name(run: ComparedRun) -> str:
    """The job's name as far as it can be a file's name, and the beginning of its id."""
    kept = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "-" for each in run.job.name)
    return f"{kept.strip('-.')[:60] or 'run'}-{run.job.id[:8]}"
