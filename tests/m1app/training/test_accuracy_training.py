"""Accuracy during training, for real: checkpoints asked beside the training, a stop, a resume, the best exported."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from benchmarks.served_alike import serving
from m1app.jobs.files import JobFiles
from m1app.jobs.service import JobService
from m1app.settings import Settings
from m1app.training.accuracy.questions import AccuracyQuestions
from m1app.training.data_building import TrainingDataService
from m1app.training.events import read_events
from m1app.training.folder import TrainingFolder
from m1app.training.recipe import TrainingRecipe
from m1app.training.service import FineTuningService
from models.profiles import load_profiles
from models.servers.vllm_server import vllm_server
from storage.database import Database
from storage.jobs.records import Job, JobProgress
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from tests.conftest import VLLM_PYTHON
from tests.m1app.training.test_service import traces
from tests.m1app.training.trainings import ROOT, TRAIN_PYTHON, events_of, finish, prepare

pytestmark = [pytest.mark.training, pytest.mark.timeout(600)]

SMALL: dict[str, Any] = {
    "profile": "m1",
    "max_steps": 6,
    "batch_size": 2,
    "gradient_accumulation": 1,
    "evaluate_every_steps": 3,
    "save_every_steps": 3,
    "keep_checkpoints": 1,
    "sample_tokens": 0,
    "niceness": 0,
    "name": "asked",
    "accuracy_set": "exam",
    "accuracy_questions": 4,
    "accuracy_budget_tokens": 4,
    "accuracy_answer_tokens": 12,
    "best_by": "accuracy",
}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FineTuningService]:
    settings = Settings(home=tmp_path / "home", train_python=TRAIN_PYTHON, parallel_requests=2, context_length=512)
    settings.home.mkdir()
    database = Database(settings.database_address)
    database.migrate()
    questions = [
        NewQuestion(
            stem=f"What is item {number}?",
            options={"A": f"Left {number}", "B": f"Right {number}"},
            target="AB"[number % 2],
        )
        for number in range(6)
    ]
    with database.session() as session:
        QuestionSetRepository(session).add("exam", "test", "m1", "", questions)

    async def installed(*_: object) -> bool:
        return True

    monkeypatch.setattr("m1app.training.service.install", installed)
    jobs, profiles = JobService(database, settings), load_profiles()
    data = TrainingDataService(database, settings, profiles)
    yield FineTuningService(settings, profiles, jobs, data, AccuracyQuestions(database))
    database.dispose()


async def launched(service: FineTuningService, base: Path, folder: Path, **more: Any) -> tuple[Job, TrainingFolder]:
    data = folder / "traces.json"
    data.write_text(json.dumps(traces()))
    job = await service.launch(TrainingRecipe.of_preset("cpu-trial", str(base), str(data), **(SMALL | more)))
    return job, TrainingFolder(JobFiles(Settings(home=folder / "home").jobs_directory).artifacts_folder(job.id))


def stop_when(
    folder: TrainingFolder, stopping: asyncio.Event, is_so: Callable[[TrainingFolder], bool]
) -> Callable[[JobProgress], None]:
    """A report that stops the job once something is so."""
    return lambda _: stopping.set() if is_so(folder) else None


def accuracies(folder: TrainingFolder) -> dict[int, dict[str, Any]]:
    return {each["step"]: each for each in events_of(folder, "accuracy")}


async def test_checkpoints_are_asked_once_over_a_stop_and_the_best_becomes_the_model(
    service: FineTuningService, tiny_base: Path, tmp_path: Path
) -> None:
    job, folder = await launched(service, tiny_base, tmp_path)
    stopping = asyncio.Event()
    report = stop_when(folder, stopping, lambda each: 0 in accuracies(each))
    assert await service.run(job, folder.path, report, stopping) is False
    base = accuracies(folder)[0]
    assert base["n"] == 4 and base["set"] == "exam" and 0 <= base["low"] <= base["value"] <= base["high"] <= 1

    said: list[JobProgress] = []
    assert await service.run(job, folder.path, said.append, asyncio.Event()) is True
    found = accuracies(folder)
    assert sorted(found) == [0, 3, 6]
    assert found[0] == base
    answers = [json.loads(line) for line in folder.asked_answers.read_text().splitlines() if line]
    assert sorted((each["step"], each["question"]) for each in answers) == [
        (step, number) for step in (0, 3, 6) for number in range(4)
    ]
    assert said[-1].figures["accuracy_n"] == 4
    best = max((3, 6), key=lambda step: (found[step]["value"], -step))
    (chosen,) = [each["message"] for each in events_of(folder, "note")]
    assert f"step {best}, which answered {found[best]['correct']} of 4" in chosen
    assert folder.steps_to_ask() == () and not folder.asked_gguf.exists()
    result = service.result(job.id)
    assert result is not None and (result[1] / "asked.gguf").is_file()
    card = (result[1] / "card.md").read_text()
    assert f"the checkpoint of step {best}, the most accurate of 2 measured: {found[best]['correct']} of 4" in card


async def test_a_checkpoint_that_cannot_be_served_is_said_and_the_training_goes_on(
    service: FineTuningService, tiny_base: Path, tmp_path: Path
) -> None:
    job, folder = await launched(service, tiny_base, tmp_path)
    # llama.cpp refuses these two together.
    service._settings = service._settings.model_copy(update={"kv_cache_type": "q8_0", "flash_attention": "off"})
    assert await service.run(job, folder.path, lambda _: None, asyncio.Event()) is True
    assert accuracies(folder) == {}
    failed = events_of(folder, "unmeasured")
    assert [each["step"] for each in failed] == [0, 3, 6]
    assert "could not be measured; the training continues" in failed[0]["message"]
    assert "No checkpoint's accuracy could be measured" in events_of(folder, "note")[0]["message"]


@pytest.mark.vllm
@pytest.mark.timeout(1800)
async def test_a_vllm_that_serves_the_base_is_asked_with_the_lora_of_each_checkpoint(
    service: FineTuningService, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not VLLM_PYTHON.exists():
        pytest.skip("there is no .venv-vllm; `make vllm` makes it")
    monkeypatch.setenv("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "1")
    arguments = ("--dtype", "float32", "--enable-lora", "--max-lora-rank", "16")
    server = vllm_server(VLLM_PYTHON, str(tiny_base), "tiny", tmp_path / "vllm.log", arguments, context_length=512)
    async with serving(server) as engine:
        endpoint = server.endpoint()
        address = endpoint.base_url.replace("http://", f"http://:{endpoint.api_key}@")
        service._settings = service._settings.model_copy(update={"more_engine_urls": SecretStr(address)})
        job, folder = await launched(service, tiny_base, tmp_path, accuracy_server=endpoint.base_url)
        assert await service.run(job, folder.path, lambda _: None, asyncio.Event()) is True
        assert await engine.served_models() == ("tiny",)
    assert events_of(folder, "unmeasured") == []
    assert sorted(accuracies(folder)) == [0, 3, 6]
    # It answered for each checkpoint, and nothing was written for it.
    answers = [json.loads(line) for line in folder.asked_answers.read_text().splitlines() if line]
    assert {each["error"] for each in answers} == {""}
    texts = {step: [each["answer"] for each in answers if each["step"] == step] for step in (0, 3, 6)}
    assert texts[0] != texts[6]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_is_asked_at_the_last_step_is_the_finished_model(method: str, tiny_base: Path, tmp_path: Path) -> None:
    asked = {"accuracy_set": "exam", "method": method, "max_steps": 2, "save_every_steps": 2, "sample_tokens": 0}
    folder = prepare(tmp_path / "run", tiny_base, **asked)
    status, output = finish(folder)
    assert status == 0, output
    assert folder.steps_to_ask() == (0, 2)
    kept = {each.name for each in folder.weights_to_ask(2).iterdir()}
    assert not any(name.startswith(("optimizer", "scheduler", "rng_state")) for name in kept)
    command = [str(TRAIN_PYTHON), "-m", "m1app.training.sft.checkpoint_gguf", str(folder.path)]
    subprocess.run([*command, "2"], cwd=ROOT, check=True, capture_output=True, timeout=170)
    assert folder.asked_gguf.read_bytes() == folder.gguf.read_bytes()
    subprocess.run([*command, "0"], cwd=ROOT, check=True, capture_output=True, timeout=170)
    assert folder.asked_gguf.read_bytes() != folder.gguf.read_bytes()
    missing = subprocess.run([*command, "7"], cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert missing.returncode == 1 and "The weights of step 7 are missing" in missing.stderr


def test_steps_still_to_be_asked_end_the_process_before_the_export(tiny_base: Path, tmp_path: Path) -> None:
    asked = {"accuracy_set": "exam", "best_by": "accuracy", "max_steps": 2, "save_every_steps": 2, "sample_tokens": 0}
    folder = prepare(tmp_path / "run", tiny_base, **asked)
    status, output = finish(folder)
    assert status == 0, output
    assert read_events(folder.progress_file)[-1]["event"] == "trained"
    assert not folder.model.exists()


def test_weights_that_cannot_be_kept_are_said_and_the_training_goes_on(tiny_base: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", tiny_base, accuracy_set="exam", max_steps=2, save_every_steps=2, sample_tokens=0)
    shutil.rmtree(folder.accuracy)
    folder.accuracy.touch()
    status, output = finish(folder)
    assert status == 0, output
    (failed,) = events_of(folder, "unmeasured")
    assert failed["step"] == 2 and "its weights cannot be kept" in failed["message"]
    assert folder.gguf.is_file()
