"""Questions that were learned from, to be compared with those that are asked: of the data sets here, and of what models
were fine-tuned on here. What a model from elsewhere has learned is not known.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from m1app.jobs.files import JobFiles
from m1app.question_sets.overlap import Text, question_text
from m1app.settings import Settings
from m1app.training.data_sets import PAIRS_FILE, SAMPLES_FILE, DataSets, DataSetVersion, parse_reference
from m1app.training.errors import DataSetNotFound, TrainingError
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.tuned_models import OWNER_FILE, VLLM_SUFFIX

_BATCH = 500
_MOST_GENERATIONS = 20


@dataclass(frozen=True, slots=True)
class LearnedData:
    """Fine-tuning data whose questions are here."""

    name: str
    """NAME:vN of a data set, or the name of a file."""
    files: tuple[Path, ...]
    """JSON lines with a question each."""

    def batches(self) -> Iterator[Sequence[Text]]:
        """The questions; blocks. Raises OSError, ValueError."""
        for path in self.files:
            with path.open(encoding="utf-8") as file:
                rows = map(json.loads, file)
                while batch := list(islice(rows, _BATCH)):
                    yield [text for row in batch if (text := question_text(row)) is not None]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one fine-tuning of a model, or of a model that it was made from, has learned from."""

    model_id: str
    data_name: str
    data: LearnedData | None
    """None if the data are no longer here."""
    base_id: str
    """Of the model that it was made from."""


class LearnedQuestions:
    """Finds what was learned from. Every method blocks, and may raise OSError."""

    def __init__(self, settings: Settings) -> None:
        self._models = settings.models_directory
        self._jobs = JobFiles(settings.jobs_directory)
        self._data_sets = DataSets(settings.home / "training-data")

    def data_sets(self) -> tuple[LearnedData, ...]:
        """The newest version of each data set here, the newest first; raises TrainingError."""
        newest: dict[str, DataSetVersion] = {}
        for each in self._data_sets.all():
            newest.setdefault(each.name, each)
        ordered = sorted(newest.values(), key=lambda each: each.created_at, reverse=True)
        return tuple(map(_of_version, ordered))

    def lessons(self, model_id: str) -> tuple[Lesson, ...]:
        """What a model was fine-tuned on here, and before that the models that it was made from; none if it was not.

        Args:
            model_id: of the catalog.
        """
        found: list[Lesson] = []
        while len(found) < _MOST_GENERATIONS and (run := self._run(model_id)) is not None:
            place = self._models / run.model_id
            found.append(
                Lesson(run.model_id, run.data, self._stored(run) or self._of_job(place, run.data), run.base_id)
            )
            model_id = run.base_id
        return tuple(found)

    def _run(self, model_id: str) -> TrainingRun | None:
        if not model_id or "/" in model_id or model_id.startswith("."):
            return None
        for name in dict.fromkeys((model_id, model_id.removesuffix(VLLM_SUFFIX))):
            try:
                return TrainingRun.model_validate_json((self._models / name / "run.json").read_bytes())
            except (FileNotFoundError, NotADirectoryError, ValidationError):
                continue
        return None

    def _stored(self, run: TrainingRun) -> LearnedData | None:
        """The data set, if it is still the one that was learned from."""
        try:
            found = self._data_sets.get(*parse_reference(run.data))
        except (DataSetNotFound, TrainingError):
            return None
        return _of_version(found) if found.sha256 == run.data_sha256 else None

    def _of_job(self, place: Path, name: str) -> LearnedData | None:
        """The rendered samples, which the job's folder keeps."""
        try:
            job_id = (place / OWNER_FILE).read_text(encoding="utf-8").strip()
            folder = TrainingFolder(self._jobs.artifacts_folder(job_id))
        except (OSError, ValueError):
            return None
        files = tuple(each for each in (folder.train_file, folder.evaluation_file) if each.is_file())
        return LearnedData(name, files) if folder.train_file in files else None


def _of_version(version: DataSetVersion) -> LearnedData:
    return LearnedData(version.id, (version.path / (SAMPLES_FILE if version.kind == "samples" else PAIRS_FILE),))
