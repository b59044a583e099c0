"""One training's folder: files that the app provides, and files that the training process writes.

recipe.json       the recipe
run.json          what the app decided: where the base is, the new model's name (`TrainingRun`)
train.jsonl       rendered samples: {"prompt", "completion", "parts"?}
evaluation.jsonl  the held-out ones, in the same format; may be empty
progress.jsonl    events, see `training_events`
checkpoints/      to resume from; old ones are removed
accuracy/         what is asked while it trains (`m1app.training.accuracy`): questions.jsonl, answers.jsonl, and the
                  weights of checkpoints that are to be asked, in step-N/
adapter/          the LoRA itself, for servers that load one at run time
model/            the finished model: config, safetensors (bfloat16), tokenizer
model.gguf        the same for the embedded engine
card.md           how it was made, for users
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from m1app.training.errors import TrainingFailed
from m1app.training.recipe import TrainingRecipe

_STEP = "step-"


class TrainingRun(BaseModel):
    """What was decided for one training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_id: str
    """Catalog id of the new model."""
    base_id: str
    base_kind: Literal["gguf", "folder", "hub"]
    base_location: str
    """Absolute path, or ORG/REPO."""
    base_revision: str = ""
    base_repo: str = ""
    """Repository of the base, or of what that was made from, on the hub; empty if it is not known."""
    licence: str = ""
    """Of the base, as the catalog states it; empty for a path."""
    licence_url: str = ""
    profile: str
    data: str
    """NAME:vN of the data set, or the file's name."""
    data_sha256: str
    data_repos: tuple[str, ...] = ()
    """Data sets of the hub among its sources."""
    git_commit: str
    """Commit of the app; empty outside a checkout."""
    chat_template: str = ""
    """The new model's template in Jinja, which renders questions as its samples were; empty in folders of versions that
    kept the base's."""
    stop_tokens: tuple[str, ...] = ()
    """What ends an answer of the new model, the end of turn first; empty in the same folders."""
    asked_as: str = ""
    """The whole prompt as the samples have it, with {question} and {options} in place of a question's."""
    sample_prompt: str = ""
    """Rendered prompt that the tuned model continues at every evaluation."""
    context_length: int
    threads: int
    """CPU threads of each process; at least 1."""
    devices: int = 1
    """GPUs per machine that share the training, one process each; 1 on a CPU."""
    nodes: int = 0
    """Machines of a Ray cluster that share it; 0 trains where the job runs."""
    created_at: str
    """ISO 8601, UTC."""


class TrainingFolder:
    """Paths and files of one training."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_file = path / "recipe.json"
        self.run_file = path / "run.json"
        self.train_file = path / "train.jsonl"
        self.evaluation_file = path / "evaluation.jsonl"
        self.progress_file = path / "progress.jsonl"
        self.checkpoints = path / "checkpoints"
        self.accuracy = path / "accuracy"
        self.asked_questions = self.accuracy / "questions.jsonl"
        self.asked_answers = self.accuracy / "answers.jsonl"
        self.asked_gguf = self.accuracy / "asked.gguf"
        """The checkpoint that is being asked."""
        self.adapter = path / "adapter"
        self.model = path / "model"
        self.gguf = path / "model.gguf"
        self.card = path / "card.md"
        self.lock_file = path / "training.lock"
        self.stop_file = path / "stop"
        """Asks several processes to stop: a signal would reach their launcher, which only gives them 30 s."""

    def write(
        self,
        recipe: TrainingRecipe,
        run: TrainingRun,
        train: Iterable[Mapping[str, Any]],
        evaluation: Iterable[Mapping[str, Any]],
        asked: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Write the training's input; run.json is last, so that its presence means everything is there.

        Args:
            recipe: the recipe.
            run: what was decided.
            train: rendered samples.
            evaluation: the held-out ones.
            asked: the questions of `recipe.accuracy_set` that checkpoints are asked.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if recipe.accuracy_set:
            self.weights_to_ask(0).mkdir(parents=True, exist_ok=True)
            _replace(self.asked_questions, _lines(asked))
        _replace(self.train_file, _lines(train))
        _replace(self.evaluation_file, _lines(evaluation))
        _replace(self.recipe_file, [recipe.model_dump_json(indent=1) + "\n"])
        _replace(self.run_file, [run.model_dump_json(indent=1) + "\n"])

    def recipe(self) -> TrainingRecipe:
        """Read the recipe; raises TrainingFailed if it is missing, RecipeRefused if it is invalid."""
        return TrainingRecipe.parse(_read_json(self.recipe_file))

    def run(self) -> TrainingRun:
        """Read run.json; raises TrainingFailed if it is missing or damaged."""
        try:
            return TrainingRun.model_validate(_read_json(self.run_file))
        except ValidationError as exc:
            raise TrainingFailed(
                f"{self.run_file} is damaged ({exc.error_count()} invalid fields); start the fine-tuning again."
            ) from exc

    def remove_checkpoints(self) -> None:
        """Remove checkpoints once the model is finished."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        for kept in self.accuracy.glob(f"{_STEP}*"):
            shutil.rmtree(kept, ignore_errors=True)

    def weights_to_ask(self, step: int) -> Path:
        """Folder with the weights of a checkpoint that is to be asked; of the base model, step 0, it is empty."""
        return self.accuracy / f"{_STEP}{step}"

    def steps_to_ask(self) -> tuple[int, ...]:
        """The steps whose weights are kept to be asked, in order."""
        names = (each.name.removeprefix(_STEP) for each in self.accuracy.glob(f"{_STEP}*"))
        return tuple(sorted(int(name) for name in names if name.isdecimal()))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read rendered samples; raises TrainingFailed naming file and line."""
    rows = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                rows.append(_row(line, f"{path}, line {number}"))
    except OSError as exc:
        raise TrainingFailed(f"{path} cannot be read ({exc.strerror}); start the fine-tuning again.") from exc
    return rows


def _row(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as exc:
        raise TrainingFailed(f"{place}: not JSON ({exc}).") from exc
    for name in ("prompt", "completion"):
        if not isinstance(row, dict) or not isinstance(row.get(name), str) or not row[name]:
            raise TrainingFailed(f"{place}: {name} is missing or not text; each row needs prompt and completion.")
    return dict(row)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise TrainingFailed(f"{path} cannot be read ({exc}); start the fine-tuning again.") from exc


def _lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _replace(path: Path, parts: Iterable[str]) -> None:
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
