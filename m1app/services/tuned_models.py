"""Fine-tuned models among the others: M1_HOME/models/ID, and their entries in M1_HOME/catalog.toml.

A finished model leaves its job's folder, so that deleting the job does not take it away.
"""

import json
import shutil
from pathlib import Path

import filelock

from m1app.services.errors import ServiceError
from m1app.training.base_model import BaseModel
from m1app.training.training_folder import TrainingFolder, TrainingRun
from models.catalog import Catalog
from models.errors import CatalogError, UnknownModel

VLLM_SUFFIX = "-vllm"
"""Of the second entry, whose weights vLLM loads."""
_LOCK_SECONDS = 30.0
_KEPT = ("card.md", "recipe.json", "run.json", "adapter")


def free_model_id(wanted: str, catalog: Catalog, models_directory: Path) -> str:
    """`wanted`, or with a number after it when a model or a folder has that id already."""
    for number in range(1, 10_000):
        model_id = wanted if number == 1 else f"{wanted}-{number}"
        if not _is_known(catalog, model_id) and not (models_directory / model_id).exists():
            return model_id
    raise ServiceError(f"There are too many models named {wanted}; choose another name.")


def publish_model(folder: TrainingFolder, run: TrainingRun, base: BaseModel, home: Path, models: Path) -> Path:
    """Move a finished model to its place among the models and enter it in the user's catalog.

    May be repeated after it was interrupted.

    Returns:
        The model's folder: model/, ID.gguf where that could be written, card.md, recipe.json.

    Raises:
        ServiceError: the user's catalog cannot be extended.
        OSError: the disk failed.
    """
    place = models / run.model_id
    place.mkdir(parents=True, exist_ok=True)
    gguf = place / f"{run.model_id}.gguf"
    for source, target in ((folder.gguf, gguf), (folder.model, place / "model")):
        if source.exists():
            shutil.move(source, target)
    for name in _KEPT:
        source = folder.path / name
        if source.is_dir():
            shutil.copytree(source, place / name, dirs_exist_ok=True)
        elif source.is_file():
            shutil.copyfile(source, place / name)
    _enter(home / "catalog.toml", run, base, gguf if gguf.is_file() else None, place / "model")
    return place


def _enter(path: Path, run: TrainingRun, base: BaseModel, gguf: Path | None, safetensors: Path) -> None:
    entries = [_entry(run, base, run.model_id, gguf, "embedded")] if gguf else []
    name = run.model_id + VLLM_SUFFIX if gguf else run.model_id
    entries.append(_entry(run, base, name, safetensors, "vllm"))
    with filelock.FileLock(path.with_name(path.name + ".lock"), timeout=_LOCK_SECONDS):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        known = Catalog.load(extra=path if path.exists() else None)
        new = [text_of for model_id, text_of in entries if not _is_known(known, model_id)]
        draft = path.with_name(path.name + ".new")
        draft.write_text("\n".join([text.rstrip("\n"), *new]).lstrip("\n"), encoding="utf-8")
        try:
            Catalog.load(extra=draft)
        except CatalogError as exc:
            raise ServiceError(f"The new model cannot be entered in {path}: {exc}") from exc
        draft.replace(path)


def _entry(run: TrainingRun, base: BaseModel, model_id: str, weights: Path, engine: str) -> tuple[str, str]:
    parent = base.entry
    values: dict[str, object] = {
        "id": model_id,
        "title": f"{run.model_id} (fine-tuned from {run.base_id}{', for vLLM' if engine == 'vllm' else ''})",
        "family": parent.family if parent else "fine-tuned",
        "parameters": parent.parameters if parent else _size(base),
        "parent": run.base_id,
        "source": f"file:{weights}",
        "licence": parent.licence if parent else "unknown (as the base model)",
        "licence_url": parent.licence_url if parent else "https://spdx.org/licenses/",
        "context_length": run.context_length,
        "profile": run.profile,
        "engines": [engine],
        "notes": f"Fine-tuned here on {run.data} on {run.created_at[:10]}; a research model, no medical device.",
    }
    # TOML's strings, integers and arrays of strings are written as JSON's are.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return model_id, "\n[[model]]\n" + "\n".join(lines) + "\n"


def _size(base: BaseModel) -> str:
    count = base.parameters or 0
    return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{count / 1e6:.0f}M" if count else "unknown"


def _is_known(catalog: Catalog, model_id: str) -> bool:
    try:
        catalog.get(model_id)
    except UnknownModel:
        return False
    return True
