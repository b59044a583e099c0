"""The shape of a model of a run, from its files on this machine, for the law of its cost."""

from pathlib import Path

from m1app.engines.managed_vllm import cached_config
from m1app.strategies.choosing.kinetics import ModelShape
from m1app.strategies.errors import FitRefused
from models.errors import DownloadError, UnknownModel
from models.weights.catalog import Catalog, CatalogModel
from models.weights.download import local_path
from models.weights.gguf_check import BadModelFile, check_model_file


def shape_of(model: str, catalog: Catalog, models_directory: Path) -> ModelShape:
    """Read the shape from the model's config.json or GGUF header; blocks.

    Args:
        model: a model of the catalog, a folder with a config.json, or a repository that vLLM has downloaded.
        catalog: the known models.
        models_directory: where weights are stored.

    Raises:
        FitRefused: neither file is here, or it does not say enough.
    """
    try:
        return _of_entry(model, catalog.get(model), models_directory)
    except UnknownModel:
        folder = Path(model)
        content = _read(folder / "config.json") if folder.is_absolute() else cached_config(model, "main")
        return _of_config(model, content)


def _of_entry(model: str, entry: CatalogModel, models_directory: Path) -> ModelShape:
    if entry.is_downloaded_by_engine:
        return _of_config(model, cached_config(str(entry.hub_repo), entry.revision))
    try:
        path = local_path(entry, models_directory)
        if path.is_dir():
            return _of_config(model, _read(path / "config.json"))
        return ModelShape.from_gguf(check_model_file(path))
    except (BadModelFile, DownloadError) as exc:
        raise _missing(model) from exc


def _of_config(model: str, content: bytes | None) -> ModelShape:
    if content is None:
        raise _missing(model)
    return ModelShape.from_config(content)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _missing(model: str) -> FitRefused:
    return FitRefused(
        f"The cost on an accelerator is not known: neither the config.json nor the GGUF file of {model[:100]} is on "
        "this machine."
    )
