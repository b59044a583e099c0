"""A fine-tuned model as a job leaves it, without a training."""

import shutil
from pathlib import Path
from typing import Any

from m1app.settings import Settings
from m1app.training.base_model import find_base
from m1app.training.events import EventWriter
from m1app.training.folder import TrainingFolder
from m1app.training.model_card import model_card
from m1app.training.recipe import TrainingRecipe
from m1app.training.tuned_models import TunedModels
from models.weights.catalog import Catalog
from tests.m1app.training.training_cases import RUN

JOB = "a" * 32
DECIDED = {
    "model_id": "mine",
    "base_repo": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "licence": "Apache-2.0",
    "data_repos": ("UCSC-VLAA/m1k-tokenized",),
}


def published(settings: Settings, tmp_path: Path, gguf: Path | None = None, **changes: Any) -> Path:
    """A finished model as the training and its job leave it; returns its folder."""
    folder = TrainingFolder(tmp_path / "run")
    recipe = TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", "exam:v2", **changes)
    run = RUN.model_copy(update=DECIDED)
    folder.write(recipe, run, [], [])
    EventWriter(folder.progress_file).write("started", 0, steps=4, samples=9, evaluation_samples=2, too_long=0)
    folder.model.mkdir()
    (folder.model / "config.json").write_text("{}")
    (folder.model / "model.safetensors").write_bytes(b"weights" * 100)
    folder.adapter.mkdir()
    (folder.adapter / "adapter_model.safetensors").write_bytes(b"adapter")
    folder.card.write_text(model_card(recipe, run, [], has_gguf=True))
    (folder.model / "README.md").write_text(model_card(recipe, run, [], has_gguf=True, is_public=True))
    if gguf:
        shutil.copyfile(gguf, folder.gguf)
    base = find_base("smollm2-135m", Catalog.load(), settings.models_directory)
    return TunedModels(settings).publish(folder, base, JOB)
