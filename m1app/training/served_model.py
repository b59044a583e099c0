"""Which served names are a fine-tuned model and its base, and how to serve what is not served yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from m1app.engines.profiled_name import profiled_name
from m1app.engines.served_name import read_served_name
from m1app.training.folder import TrainingRun
from m1app.training.tuned_models import VLLM_SUFFIX


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The served names of a fine-tuned model and its base, as `EngineService.models` gives them."""

    model: str
    """Empty if it is not served."""
    base: str
    """Empty if it is not served; preferably on the same server as the model."""
    how: str
    """Instructions for making both available, for users."""
    profile: str
    """The model's profile."""

    def compared(self, own_profile: str) -> tuple[str, ...]:
        """The series of a comparison: base and model asked alike, then the base by its own profile if that is another.

        A difference between the first two is what training changed; one between the base's two is the prompt's.
        Empty if the model is not served; without the base if that is not.

        Args:
            own_profile: the base's; empty if it is unknown.
        """
        if not self.model or not self.base:
            return (self.model,) if self.model else ()
        if own_profile == self.profile:
            return (self.base, self.model)
        return (profiled_name(self.base, self.profile), self.model, self.base)


def find_served(run: TrainingRun, folder: Path, wanted_base: str, served: Sequence[str] | None) -> ServedModel:
    """Find a fine-tuned model and its base among the served models.

    Args:
        run: what was decided for the training.
        folder: the new model's folder.
        wanted_base: the base as the recipe names it.
        served: names from `EngineService.models`, empty if the engine does not respond; None if not queried: then the
            embedded engine's names are used.
    """
    bases = [run.base_location]
    # A base given by path is not in the catalog, and cannot be asked by name.
    if wanted_base.strip().lower() == run.base_id.lower():
        bases.insert(0, run.base_id)
    if served is None:
        served = (run.base_id, run.model_id)
    models = (run.model_id, run.model_id + VLLM_SUFFIX, str(folder / "model"))
    model, base = _pair(_served_as(models, served), _served_as(bases, served))
    has_gguf = (folder / f"{run.model_id}.gguf").is_file()
    return ServedModel(model, base, _how(run, model, base, has_gguf=has_gguf), run.profile)


def _served_as(wanted: Sequence[str], served: Sequence[str]) -> list[str]:
    """Names under which a model is available: its own, or with the address of an additional server appended."""
    return [name for each in wanted for name in served if each in (name, read_served_name(name).model)]


def _pair(models: Sequence[str], bases: Sequence[str]) -> tuple[str, str]:
    """The tuned model and its base, preferably on the same server; empty if not served."""
    pairs = [(model, base) for model in models or [""] for base in bases or [""]]
    same = (pair for pair in pairs if read_served_name(pair[0]).place == read_served_name(pair[1]).place)
    return next(same, pairs[0])


def _how(run: TrainingRun, model: str, base: str, *, has_gguf: bool) -> str:
    """Instructions for making both available."""
    by_vllm = run.model_id + VLLM_SUFFIX if has_gguf else run.model_id
    start = f"M1_ENGINE=vllm M1_MODEL={by_vllm} sh scripts/run.sh"
    if not model and has_gguf:
        return (
            f"This app does not serve it yet. Start the app with M1_ENGINE=embedded M1_MODEL={run.model_id}, or "
            f"with vLLM: {start}"
        )
    if not model:
        return f"It needs vLLM, and this app does not serve it yet. To serve it: {start}"
    if not base:
        return f"Its base {run.base_id} is not being served, so the two cannot be compared yet. {_how_base(run)}"
    return "A model that is not loaded yet is loaded when first asked."


def _how_base(run: TrainingRun) -> str:
    if run.base_kind == "gguf":
        return (
            "Start the app with M1_ENGINE=embedded; a base model given as a path must be added to "
            "M1_HOME/catalog.toml first."
        )
    return f"Serve it with: vllm serve {run.base_location}, and add that server to M1_MORE_ENGINE_URLS."
