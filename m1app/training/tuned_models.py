"""Fine-tuned models: M1_HOME/models/ID, and their entries in M1_HOME/catalog.toml.

A finished model is moved out of its job's folder, so that deleting the job keeps it. Its place is reserved when the job
starts, with a file that names the job, so that no two jobs get the same name.
"""

import errno
import shutil
from pathlib import Path

import filelock

from m1app.errors import AppError
from m1app.jobs.files import JobFiles
from m1app.settings import Settings
from m1app.training.base_model import BaseModel
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.wording import parameter_count
from models.errors import CatalogError, UnknownModel
from models.weights.catalog import Catalog
from models.weights.user_catalog import add_entries

VLLM_SUFFIX = "-vllm"
"""Suffix of the second entry, whose weights vLLM loads."""
OWNER_FILE = "job.txt"
"""File in a model's folder with the id of the job that reserved it."""
_LOCK_SECONDS = 30.0
_MOST_NUMBERS = 10_000
_KEPT = ("card.md", "recipe.json", "run.json", "adapter")


class TunedModels:
    """Folders of fine-tuned models. Every method blocks and may raise OSError."""

    def __init__(self, settings: Settings) -> None:
        self._models = settings.models_directory
        self._user_catalog = settings.home / "catalog.toml"
        self._jobs = JobFiles(settings.jobs_directory)

    def reserve(self, wanted: str, job_id: str) -> str:
        """Reserve a place for the job; returns an existing reservation.

        Args:
            wanted: name of the model, as typed by the user.
            job_id: the job to reserve it for.

        Returns:
            The model's id: the name's letters, digits, dots and dashes, followed by a number if a model or another job
            has that id.

        Raises:
            AppError: ten thousand models have that name.
            CatalogError: the user's catalog is broken.
        """
        wanted, catalog = _slug(wanted), self._catalog()
        with self._lock():
            for number in range(1, _MOST_NUMBERS):
                model_id = wanted if number == 1 else f"{wanted}-{number}"
                if self._is_free(model_id, catalog, job_id):
                    self._take(self._models / model_id, job_id)
                    return model_id
        raise AppError(f"Too many models are named {wanted}; choose another name.")

    def settle(self, folder: TrainingFolder, job_id: str) -> TrainingRun:
        """Return the folder's run, with a new id if its place no longer belongs to the job; raises like `reserve`."""
        run = folder.run()
        if _owner(self._models / run.model_id) == job_id:
            return run
        settled = run.model_copy(update={"model_id": self.reserve(run.model_id, job_id)})
        for page in (folder.card, folder.model / "README.md"):
            if page.is_file():
                text = page.read_text(encoding="utf-8")
                _write(page, text.replace(f"# {run.model_id}\n", f"# {settled.model_id}\n", 1))
        _write(folder.run_file, settled.model_dump_json(indent=1) + "\n")
        return settled

    def release(self, job_id: str) -> None:
        """Release the job's empty places; a resumed job reserves a new one."""
        with self._lock():
            for owner_file in self._models.glob(f"*/{OWNER_FILE}"):
                if _owner(owner_file.parent) == job_id and _is_empty(owner_file.parent):
                    shutil.rmtree(owner_file.parent)

    def find(self, model_id: str, job_id: str) -> Path | None:
        """Folder of the model published by a job; None if there is none or it belongs to another job."""
        place = self._models / model_id
        return place if (place / "model").is_dir() and _owner(place) in (job_id, "") else None

    def publish(self, folder: TrainingFolder, base: BaseModel, job_id: str) -> Path:
        """Move a finished model to its place and add it to the user's catalog.

        Can be repeated after an interruption. If another job has taken the place, `settle` finds a new one.

        Returns:
            The model's folder: model/, ID.gguf if it could be written, card.md, recipe.json.

        Raises:
            AppError: the user's catalog cannot be extended.
            CatalogError: the user's catalog is broken.
        """
        run = self.settle(folder, job_id)
        place = self._models / run.model_id
        gguf = place / f"{run.model_id}.gguf"
        _move(folder.gguf, gguf)
        _move(folder.model, place / "model")
        for name in _KEPT:
            _copy(folder.path / name, place / name)
        _enter(self._user_catalog, run, base, gguf if gguf.is_file() else None, place / "model")
        return place

    def _catalog(self) -> Catalog:
        return Catalog.load(extra=self._user_catalog)

    def _lock(self) -> filelock.BaseFileLock:
        self._models.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self._models / ".names.lock", timeout=_LOCK_SECONDS)

    def _is_free(self, model_id: str, catalog: Catalog, job_id: str) -> bool:
        """Whether the job can have the id, and the id of its vLLM entry."""
        names = (model_id, model_id + VLLM_SUFFIX)
        if any(_is_known(catalog, name) for name in names):
            return False
        places = (*names, model_id.removesuffix(VLLM_SUFFIX))
        return all(self._is_place_free(self._models / name, job_id) for name in places)

    def _is_place_free(self, place: Path, job_id: str) -> bool:
        if not place.exists():
            return True
        owner = _owner(place)
        return owner == job_id or (_is_empty(place) and self._is_deleted(owner))

    def _is_deleted(self, job_id: str) -> bool:
        try:
            return not self._jobs.folder(job_id).exists()
        except ValueError:  # Not a job id: the write was interrupted.
            return True

    def _take(self, place: Path, job_id: str) -> None:
        if _owner(place) == job_id:
            return
        draft = place.with_name(f".{place.name}.new")
        draft.mkdir(exist_ok=True)
        _write(draft / OWNER_FILE, job_id + "\n")
        if place.exists():  # From a deleted job.
            shutil.rmtree(place)
        draft.rename(place)


def _slug(wanted: str) -> str:
    slug = "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in wanted.lower())
    return slug.strip("-._") or "tuned"


def _owner(place: Path) -> str:
    """Id of the job that reserved the place; empty if there is no such file."""
    try:
        return (place / OWNER_FILE).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _is_empty(place: Path) -> bool:
    """Whether a place is reserved but empty."""
    return [each.name for each in place.iterdir()] == [OWNER_FILE] if place.is_dir() else False


def _move(source: Path, target: Path) -> None:
    """Replace `target` with `source` atomically; continues after an interruption."""
    draft = target.with_name(target.name + ".new")
    if source.exists():
        _remove(draft)
        try:
            source.rename(draft)
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                raise
            _copy(source, draft)
            # Renamed before it is removed, so that an existing source is always complete.
            gone = source.with_name(source.name + ".moved")
            _remove(gone)
            source.rename(gone)
            _remove(gone)
    if draft.exists():
        _remove(target)
        draft.rename(target)


def _copy(source: Path, target: Path) -> None:
    """Replace `target` with a copy; does nothing if there is no source."""
    if not source.exists():
        return
    _remove(target)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _enter(path: Path, run: TrainingRun, base: BaseModel, gguf: Path | None, safetensors: Path) -> None:
    entries = [_entry(run, base, run.model_id, gguf, "embedded")] if gguf else []
    name = run.model_id + VLLM_SUFFIX if gguf else run.model_id
    entries.append(_entry(run, base, name, safetensors, "vllm"))
    Catalog.load(extra=path)
    try:
        add_entries(path, entries)
    except CatalogError as exc:
        raise AppError(f"The new model cannot be added to {path}: {exc}") from exc


def _entry(run: TrainingRun, base: BaseModel, model_id: str, weights: Path, engine: str) -> dict[str, object]:
    parent = base.entry
    return {
        "id": model_id,
        "title": f"{run.model_id} (fine-tuned from {run.base_id}{', for vLLM' if engine == 'vllm' else ''})",
        "family": parent.family if parent else "fine-tuned",
        "parameters": parent.parameters if parent else parameter_count(base.parameters),
        "parent": run.base_id,
        "source": f"file:{weights}",
        "licence": parent.licence if parent else "unknown (as the base model)",
        "licence_url": parent.licence_url if parent else "https://spdx.org/licenses/",
        "context_length": run.context_length,
        "profile": run.profile,
        "engines": [engine],
        "notes": f"Fine-tuned here on {run.data} on {run.created_at[:10]}; a research model, not a medical device.",
    }


def _is_known(catalog: Catalog, model_id: str) -> bool:
    try:
        catalog.get(model_id)
    except UnknownModel:
        return False
    return True
