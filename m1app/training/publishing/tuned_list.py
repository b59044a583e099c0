"""The models that were fine-tuned here, with the files there are of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from m1app.training.errors import TrainingError
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.publishing.errors import TunedModelNotFound
from m1app.training.recipe import TrainingRecipe
from models.weights.quantize import QUANTIZATIONS

FLOAT16 = "f16"
"""The file that the training wrote, beside the kinds of `QUANTIZATIONS`."""


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A finished model."""

    id: str
    place: Path
    """Its folder in M1_HOME/models."""
    run: TrainingRun
    recipe: TrainingRecipe
    gguf: Mapping[str, Path]
    """Files for the embedded engine by kind: `FLOAT16`, and keys of `QUANTIZATIONS`."""

    @property
    def weights(self) -> Path:
        """Its folder of safetensors."""
        return self.place / "model"

    @property
    def adapter(self) -> Path | None:
        """The folder of its LoRA; None if it has none."""
        folder = self.place / "adapter"
        return folder if folder.is_dir() else None


def quantized_path(place: Path, model_id: str, kind: str) -> Path:
    """Where a quantized file of a model is."""
    return place / f"{model_id}-{QUANTIZATIONS[kind].name}.gguf"


def tuned_models(models_directory: Path) -> tuple[TunedModel, ...]:
    """All of them, by id. Blocks; one whose files are damaged is left out."""
    if not models_directory.is_dir():
        return ()
    places = sorted(path for path in models_directory.iterdir() if (path / "model").is_dir())
    return tuple(filter(None, map(_read, places)))


def tuned_model(models_directory: Path, model_id: str) -> TunedModel:
    """The model of this name. Blocks; raises TunedModelNotFound."""
    found = tuned_models(models_directory)
    chosen = next((each for each in found if each.id == model_id), None)
    if chosen is None:
        names = ", ".join(each.id for each in found)
        known = f"Fine-tuned here: {names}." if found else "There are none yet."
        raise TunedModelNotFound(f"{model_id[:80]!r} is not a model that was fine-tuned here. {known}")
    return chosen


def _read(place: Path) -> TunedModel | None:
    folder = TrainingFolder(place)
    try:
        run, recipe = folder.run(), folder.recipe()
    except TrainingError:
        return None
    if run.model_id != place.name:
        return None
    files = {FLOAT16: place / f"{run.model_id}.gguf"}
    files |= {kind: quantized_path(place, run.model_id, kind) for kind in QUANTIZATIONS}
    return TunedModel(run.model_id, place, run, recipe, {kind: path for kind, path in files.items() if path.is_file()})
