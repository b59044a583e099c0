"""Fine-tunings planned, refused, run as jobs, and their models among the others."""

import asyncio
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m1app.errors import AppError
from m1app.gpus import Gpu
from m1app.jobs.errors import JobRefused
from m1app.jobs.files import JobFiles
from m1app.jobs.service import JobService
from m1app.settings import Settings
from m1app.training.accuracy.questions import AccuracyQuestions
from m1app.training.base_model import BaseModel, find_base
from m1app.training.curation import CurationPlan
from m1app.training.data_building import TrainingDataService
from m1app.training.environment import PROJECT, environment_state, install
from m1app.training.errors import DataSetNotFound, NoChatTemplate, RecipeRefused
from m1app.training.folder import TrainingFolder
from m1app.training.machine import Machine
from m1app.training.process import command_of, one_gpu, progress_of, run_training
from m1app.training.recipe import TrainingRecipe
from m1app.training.service import FineTuningService
from m1app.training.training_rows import row_of
from m1app.training.tuned_models import OWNER_FILE, TunedModels
from models.profiles import load_profiles
from models.weights.catalog import Catalog
from storage.database import Database
from storage.errors import RecordNotFound
from storage.jobs.records import JobKind, JobProgress, JobState, Resource
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from tests.m1app.training.conftest import make_base
from tests.m1app.training.preferences.pair_cases import stored_contrasts
from tests.m1app.training.trainings import ROOT, prepare

SIZES = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "vocab_size": 100,
    "num_attention_heads": 4,
    "max_position_embeddings": 2048,
}
DRUGS = ("aspirin", "insulin", "heparin", "digoxin", "lithium", "warfarin", "morphine", "atropine", "quinine", "iodine")

JOB, OTHER_JOB = "a" * 32, "b" * 32


def traces(count: int = 20) -> list[dict[str, Any]]:
    """Questions that share no run of eight words."""
    return [
        {
            "question": f"{DRUGS[number % 10].title()} in ward {number}: which organ number {number} matters most?",
            "options": {"A": f"Liver {number}", "B": f"Kidney {number}"},
            "answer": f"Kidney {number}",
            "answer_idx": "B",
            "reasoning": f"Ward {number} uses {DRUGS[number % 10]}, which leaves through the kidney.",
            "response": "The answer is B.",
        }
        for number in range(count)
    ]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home")


@contextmanager
def closing_service(settings: Settings) -> Iterator[FineTuningService]:
    database = Database(settings.database_address)
    database.migrate()
    profiles = load_profiles()
    jobs = JobService(database, settings)
    data = TrainingDataService(database, settings, profiles)
    yield FineTuningService(settings, profiles, jobs, data, AccuracyQuestions(database))
    database.dispose()


@pytest.fixture
def service(settings: Settings) -> Iterator[FineTuningService]:
    with closing_service(settings) as service:
        yield service


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder that says all a plan reads of a model."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SIZES))
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "traces.json"
    path.write_text(json.dumps(traces()))
    return path


def recipe(base: Path, data: Path | str, **changes: object) -> TrainingRecipe:
    preset = str(changes.pop("preset", "cpu-trial"))
    return TrainingRecipe.of_preset(preset, str(base), str(data), **({"profile": "m1"} | changes))


async def test_a_plan_says_what_it_will_train_on_and_need(service: FineTuningService, base: Path, data: Path) -> None:
    plan = await service.plan(recipe(base, data))
    assert (plan.train_samples, plan.evaluation_samples, plan.profile) == (18, 2, "m1")
    assert plan.estimate.steps == 30
    assert plan.estimate.memory_bytes > 0 and plan.estimate.disk_bytes > 0
    assert len(plan.preview) == 3 and "\\boxed{B}" in plan.preview[0].rendered.completion
    assert plan.data == "traces.json" and len(plan.data_sha256) == 64
    assert any("CPU" in note for note in plan.notes)
    assert "--preset cpu-trial" in plan.command_line


async def test_a_tuned_model_is_a_base_at_once(
    settings: Settings, service: FineTuningService, tmp_path: Path, base: Path, data: Path
) -> None:
    folder = finished(tmp_path, base)
    parent = find_base(str(base), Catalog.load(), tmp_path)
    place = TunedModels(settings).publish(folder, parent, JOB)
    (place / "model" / "model.safetensors").write_bytes(b"")
    plan = await service.plan(recipe(Path("tuned-vllm"), data, profile=""))
    assert (plan.base.kind, plan.base.location, plan.profile) == ("folder", str(place / "model"), "m1")


async def test_a_base_without_a_chat_template_is_refused(service: FineTuningService, base: Path, data: Path) -> None:
    with pytest.raises(NoChatTemplate):
        await service.plan(recipe(base, data, profile="plain"))


async def test_a_file_is_curated_as_a_data_set_built_from_it(
    service: FineTuningService, settings: Settings, base: Path, tmp_path: Path
) -> None:
    mixed = traces(20) + [
        each | {"response": "Hard to say.", "question": f"{each['question']} Why?"} for each in traces(12)
    ]
    path = tmp_path / "mixed.json"
    path.write_text(json.dumps(mixed))
    plan = await service.plan(TrainingRecipe.of_preset("cpu-trial", str(base), str(path), profile="m1"))
    built = await service._planner._data.collect([path], CurationPlan())
    assert plan.train_samples + plan.evaluation_samples == len(built.curated.samples) == 20
    assert plan.reports[: len(built.curated.reports)] == built.curated.reports


async def test_preferences_are_planned_on_pairs_and_samples_on_samples(
    service: FineTuningService, settings: Settings, base: Path, data: Path
) -> None:
    database = Database(settings.database_address)
    stored_contrasts(database, 8)
    await service._planner._data.build([], CurationPlan(pairs=("passes",)), "preferred")
    await service._planner._data.build([data], CurationPlan(), "exam")
    database.dispose()
    learns = {"preset": "dpo-cpu-trial", "evaluation_share": 0.25}
    plan = await service.plan(recipe(base, "preferred", **learns))
    assert (plan.data, plan.train_samples, plan.evaluation_samples) == ("preferred:v1", 6, 2)
    assert all(each.rejected for each in plan.rows.all)
    for named, changes, said in (
        ("preferred", {}, "holds 8 preference pairs. Choose a data set of samples, or objective dpo"),
        ("exam", learns, "Objective dpo learns from preference pairs"),
        (data, learns, "is a file of samples. Objective dpo learns from preference pairs"),
    ):
        with pytest.raises(RecipeRefused, match=said) as refused:
            await service.plan(recipe(base, named, **dict(changes)))
        assert refused.value.field == "data"


async def test_evaluation_data_of_ones_own_is_used_without_what_is_trained_on(
    service: FineTuningService, base: Path, data: Path, tmp_path: Path
) -> None:
    rows = traces(24)
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(rows[18:]))
    plan = await service.plan(recipe(base, data, evaluation_data=str(path)))
    assert (plan.train_samples, plan.evaluation_samples) == (20, 4)
    (report,) = [each for each in plan.reports if each.step == "evaluation data"]
    assert (report.before, report.kept) == (6, 4)
    for named in ("nowhere", str(tmp_path / "nowhere.json")):
        with pytest.raises(RecipeRefused) as refused:
            await service.plan(recipe(base, data, evaluation_data=named))
        assert refused.value.field == "evaluation_data"


async def test_grpo_is_planned_on_questions_whose_answers_can_be_checked(
    service: FineTuningService, base: Path, data: Path, tmp_path: Path
) -> None:
    rows = traces(20)
    await service._planner._data.build([data], CurationPlan(), "exam")
    version = service._planner._data.get("exam")
    assert version.samples == 20
    plan = await service.plan(recipe(base, "exam", preset="grpo-cpu-trial"))
    assert plan.train_samples == 20
    (report,) = [each for each in plan.reports if each.step == "reward"]
    assert (report.before, report.kept) == (20, 20)
    row = row_of(plan.rows.train[0], "grpo")
    assert (row["opens"].strip(), row["closes"].strip()) == ("<|im_start|>think", "<|im_start|>answer")
    assert (row["target"], set(row["options"])) == ("B", {"A", "B"})
    assert rows[0]["question"] in row["prompt"]


async def test_weights_in_four_bits_need_safetensors(
    service: FineTuningService, data: Path, smollm2_path: Path
) -> None:
    wanted = recipe(smollm2_path, data, preset="lora", quantization="nf4")
    with pytest.raises(RecipeRefused, match="is a GGUF file, and its weights cannot be held in four bits"):
        await service.plan(wanted)


async def test_data_that_is_nowhere_is_refused(service: FineTuningService, base: Path) -> None:
    with pytest.raises(DataSetNotFound):
        await service.plan(recipe(base, "nothing-here"))
    with pytest.raises(RecipeRefused, match=r"File nothing/here\.json not found") as refused:
        await service.plan(recipe(base, "nothing/here.json"))
    assert refused.value.field == "data"


async def test_a_recipe_for_a_gpu_is_refused_before_a_job_exists(
    service: FineTuningService, base: Path, data: Path
) -> None:
    with pytest.raises(RecipeRefused) as refused:
        await service.launch(TrainingRecipe.of_preset("lora", str(base), str(data), block_size=2048, profile="m1"))
    assert refused.value.field == "precision"


async def test_what_a_cluster_has_is_not_looked_for_here(
    settings: Settings, service: FineTuningService, base: Path, data: Path
) -> None:
    # Refused by the queue, which knows no cluster, and not for want of a GPU on this machine.
    with pytest.raises(JobRefused, match="M1_RAY_ADDRESS"):
        await service.launch(
            TrainingRecipe.of_preset("lora", str(base), str(data), block_size=2048, profile="m1"), executor="ray"
        )


async def test_a_training_on_several_nodes_is_planned_here_and_launched_on_ray_alone(
    service: FineTuningService, base: Path, data: Path
) -> None:
    wide = {"block_size": 2048, "profile": "m1", "nodes": 2, "gpus_per_node": 8}
    spread = TrainingRecipe.of_preset("m1", str(base), str(data), **wide)
    plan = await service.plan(spread)
    assert plan.estimate.devices == 16
    assert "16 GPUs of the Ray cluster, 8 of each node" in plan.notes[0]
    with pytest.raises(RecipeRefused, match="choose the executor ray") as refused:
        await service.launch(spread)
    assert refused.value.field == "gpus_per_node"
    with pytest.raises(JobRefused, match="M1_RAY_ADDRESS"):
        await service.launch(spread, executor="ray")


async def test_a_launched_recipe_is_a_job_that_can_be_made_again(
    service: FineTuningService, base: Path, data: Path
) -> None:
    asked = recipe(base, data, name="Try 1")
    job = await service.launch(asked, priority=3)
    assert (job.kind, job.name, job.state, job.resource) == (
        JobKind.FINE_TUNING,
        "Try 1",
        JobState.QUEUED,
        Resource.CPU,
    )
    assert TrainingRecipe.parse(dict(job.recipe)) == asked
    assert service.read_progress(job.id) == []
    assert service.result(job.id) is None


async def test_a_job_trains_on_the_version_that_its_data_had_when_it_was_launched(
    service: FineTuningService, base: Path, data: Path
) -> None:
    for name in ("exam", "held"):
        await service._planner._data.build([data], CurationPlan(), name)
    job = await service.launch(recipe(base, "exam", evaluation_data="held"))
    assert (job.recipe["data"], job.recipe["evaluation_data"]) == ("exam:v1", "held:v1")


def test_progress_of_what_is_no_job_is_not_looked_for(service: FineTuningService) -> None:
    with pytest.raises(RecordNotFound):
        service.read_progress("../../etc")


async def test_an_environment_without_pytorch_fails_the_job_with_the_reason(settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings.model_copy(update={"train_python": Path(sys.executable)})
    folder = prepare(tmp_path / "run", tmp_path / "base")
    reports: list[JobProgress] = []
    with pytest.raises(AppError, match="unexpected error"):
        await run_training(folder, elsewhere, reports.append, asyncio.Event())
    assert "ModuleNotFoundError" in reports[-1].message


async def test_a_process_that_ends_without_a_word_is_told_from_a_finished_one(
    settings: Settings, tmp_path: Path
) -> None:
    silent = settings.model_copy(update={"train_python": Path("/bin/false")})
    folder = prepare(tmp_path / "run", tmp_path / "base")
    with pytest.raises(AppError, match="without reporting a result"):
        await run_training(folder, silent, lambda _: None, asyncio.Event())
    # Nor is it taken for the end that an earlier attempt came to.
    folder.progress_file.write_text('{"event": "failed", "time": 1, "step": 2, "message": "The disk was full."}\n')
    with pytest.raises(AppError, match="without reporting a result"):
        await run_training(folder, silent, lambda _: None, asyncio.Event())


async def test_a_process_that_hears_nothing_else_is_ended_when_the_job_is_stopped(
    settings: Settings, tmp_path: Path
) -> None:
    deaf = tmp_path / "python"
    deaf.write_text("#!/bin/sh\nexec sleep 600\n")
    deaf.chmod(0o755)
    stopping = asyncio.Event()
    stopping.set()
    folder = prepare(tmp_path / "run", tmp_path / "base")
    asked = settings.model_copy(update={"train_python": deaf})
    assert await run_training(folder, asked, lambda _: None, stopping) is False


def test_every_weight_is_trained_by_a_process_for_each_gpu(settings: Settings, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", tmp_path / "base")
    alone, shared, spread = (
        command_of(settings, folder, folder.run().model_copy(update=changes))
        for changes in ({}, {"devices": 8}, {"devices": 8, "nodes": 3})
    )
    assert "accelerate.commands.launch" not in alone
    assert shared[shared.index("--num_processes") + 1] == "8"
    assert (PROJECT / shared[shared.index("--config_file") + 1]).is_file()
    assert spread[spread.index("m1app.jobs.ray_nodes") :][1:5] == ["--nodes", "3", "--gpus", "8"]
    assert spread[spread.index("--num_processes") + 1] == "24"
    assert alone[-3:] == shared[-3:] == spread[-3:] == ["-m", "m1app.training.sft", str(folder.path)]


def test_a_single_process_sees_the_gpu_with_the_most_room() -> None:
    nothing = Machine(cores=1, memory_bytes=1, available_bytes=1, disk_free_bytes=1)
    assert one_gpu(nothing) == {}
    assert one_gpu(replace(nothing, gpus=(Gpu("a", 9, 1), Gpu("b", 9, 8))))["CUDA_VISIBLE_DEVICES"] == "1"


def test_progress_tells_steps_rate_and_losses() -> None:
    events = [
        {"event": "started", "step": 0, "steps": 10},
        {"event": "evaluated", "step": 0, "eval_loss": 3.0},
        {"event": "log", "step": 4, "loss": 2.0, "learning_rate": 0.1, "tokens_per_second": 9.0, "seconds_left": 12.0},
    ]
    found = progress_of(events)
    assert (found.done, found.total, found.unit, found.seconds_left, found.per_second) == (4, 10, "steps", 12.0, 0.5)
    assert found.figures == {"loss": 2.0, "learning_rate": 0.1, "tokens_per_second": 9.0, "eval_loss": 3.0}


def test_a_missing_environment_says_what_it_costs_or_where_it_was_looked_for(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"train_python": Path("/nowhere/python")})
    assert "/nowhere/python" in environment_state(elsewhere)
    said = environment_state(settings)
    assert said.startswith("Ready") or ("GB" in said and "make train-env" in said)


async def test_an_environment_of_ones_own_is_not_installed_over(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"train_python": Path("/nowhere/python")})
    with pytest.raises(AppError, match="/nowhere/python"):
        await install(elsewhere, asyncio.Event())


def finished(tmp_path: Path, base: Path, name: str = "run") -> TrainingFolder:
    folder = prepare(tmp_path / name, base)
    folder.model.mkdir()
    (folder.model / "config.json").write_text(json.dumps(SIZES))
    (folder.model / f"of-{name}").touch()
    folder.gguf.write_bytes(b"GGUF" + name.encode())
    folder.card.write_text("# tuned\n\nMade here.\n")
    return folder


def test_a_finished_model_is_in_the_catalog_beside_its_parent(settings: Settings, tmp_path: Path, base: Path) -> None:
    mine = settings.home / "catalog.toml"
    mine.write_text("# My own models.\n")
    folder = finished(tmp_path, base)
    parent = find_base("smollm2-135m", Catalog.load(), tmp_path)
    place = TunedModels(settings).publish(folder, parent, JOB)
    catalog = Catalog.load(extra=mine)
    tuned = catalog.get("tuned")
    assert (tuned.parent, tuned.profile, tuned.engines) == ("tiny", "m1", ("embedded",))
    assert str(tuned.source) == f"file:{place / 'tuned.gguf'}"
    assert catalog.get("tuned-vllm").engines == ("vllm",)
    assert (place / "model" / "config.json").is_file() and (place / "card.md").is_file()
    assert mine.read_text().startswith("# My own models.\n")


def test_publishing_again_after_an_interruption_changes_nothing(settings: Settings, tmp_path: Path, base: Path) -> None:
    folder = finished(tmp_path, base)
    parent: BaseModel = find_base(str(base), Catalog.load(), tmp_path)
    for _ in range(2):
        TunedModels(settings).publish(folder, parent, JOB)
    assert (settings.home / "catalog.toml").read_text().count('id = "tuned"') == 1


def test_a_catalog_that_is_broken_is_left_as_it_is(settings: Settings, tmp_path: Path, base: Path) -> None:
    from models.errors import CatalogError

    mine = settings.home / "catalog.toml"
    mine.write_text("[[model]]\nid = 'half'\n")
    folder = finished(tmp_path, base)
    parent = find_base(str(base), Catalog.load(), tmp_path)
    with pytest.raises(CatalogError, match="half"):
        TunedModels(settings).publish(folder, parent, JOB)
    assert mine.read_text() == "[[model]]\nid = 'half'\n"


def test_a_new_model_takes_no_name_that_is_taken(settings: Settings) -> None:
    tuned, models = TunedModels(settings), settings.models_directory
    (models / "fresh").mkdir(parents=True)
    JobFiles(settings.jobs_directory).create(JOB)
    assert tuned.reserve("Fresh!", JOB) == "fresh-2"
    assert tuned.reserve("smollm2-135m", JOB) == "smollm2-135m-2"
    # A model has a second entry, for vLLM.
    assert tuned.reserve("fresh-2-vllm", OTHER_JOB) == "fresh-2-vllm-2"
    assert tuned.reserve("other-vllm", JOB) == "other-vllm"
    assert tuned.reserve("other", OTHER_JOB) == "other-2"


def test_two_jobs_with_one_name_publish_two_models(settings: Settings, tmp_path: Path, base: Path) -> None:
    # One was stopped, and another with the same name ran meanwhile.
    stopped, ran = finished(tmp_path, base, "stopped"), finished(tmp_path, base, "ran")
    parent, tuned = find_base(str(base), Catalog.load(), tmp_path), TunedModels(settings)
    first = tuned.publish(ran, parent, OTHER_JOB)
    second = tuned.publish(stopped, parent, JOB)
    assert (first.name, second.name, stopped.run().model_id) == ("tuned", "tuned-2", "tuned-2")
    assert sorted(each.name for each in (first / "model").iterdir()) == ["config.json", "of-ran"]
    assert sorted(each.name for each in (second / "model").iterdir()) == ["config.json", "of-stopped"]
    assert (first / "tuned.gguf").read_bytes() == b"GGUFran"
    assert (second / "tuned-2.gguf").read_bytes() == b"GGUFstopped"
    assert (second / "card.md").read_text().startswith("# tuned-2\n")
    catalog = Catalog.load(extra=settings.home / "catalog.toml")
    assert str(catalog.get("tuned").source) == f"file:{first / 'tuned.gguf'}"
    assert str(catalog.get("tuned-2-vllm").source) == f"file:{second / 'model'}"
    assert (tuned.find("tuned", JOB), tuned.find("tuned-2", JOB)) == (None, second)


def test_jobs_that_begin_at_once_reserve_different_names(settings: Settings) -> None:
    def begin(number: int) -> str:
        job_id = f"{number:032x}"
        JobFiles(settings.jobs_directory).create(job_id)
        return TunedModels(settings).reserve("same", job_id)

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(begin, range(16)))
    assert len(set(ids)) == 16


def test_a_stopped_job_keeps_its_name_and_a_deleted_one_gives_it_back(settings: Settings) -> None:
    tuned, files = TunedModels(settings), JobFiles(settings.jobs_directory)
    files.create(JOB)
    assert tuned.reserve("same", JOB) == "same"
    assert tuned.reserve("same", JOB) == "same"
    assert tuned.reserve("same", OTHER_JOB) == "same-2"
    files.delete(JOB)
    assert tuned.reserve("same", "c" * 32) == "same"
    tuned.release("c" * 32)
    assert not (settings.models_directory / "same").exists()


def test_what_a_deleted_job_published_keeps_its_name(settings: Settings, tmp_path: Path, base: Path) -> None:
    folder, parent = finished(tmp_path, base), find_base(str(base), Catalog.load(), tmp_path)
    place = TunedModels(settings).publish(folder, parent, JOB)
    (settings.home / "catalog.toml").unlink()
    assert TunedModels(settings).reserve("tuned", OTHER_JOB) == "tuned-2"
    TunedModels(settings).release(JOB)
    assert (place / "model").is_dir()


def test_a_half_published_model_is_replaced_whole(settings: Settings, tmp_path: Path, base: Path) -> None:
    folder, parent = finished(tmp_path, base), find_base(str(base), Catalog.load(), tmp_path)
    place = settings.models_directory / "tuned"
    for half in ("model", "model.new", "adapter"):
        (place / half).mkdir(parents=True)
        (place / half / "half").touch()
    (place / OWNER_FILE).write_text(JOB)
    folder.adapter.mkdir()
    assert TunedModels(settings).publish(folder, parent, JOB) == place
    assert sorted(each.name for each in (place / "model").iterdir()) == ["config.json", "of-run"]
    assert list((place / "adapter").iterdir()) == []
    assert not (place / "model.new").exists()


def test_publishing_to_another_disk_is_gone_on_with(
    settings: Settings, tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, parent = finished(tmp_path, base), find_base(str(base), Catalog.load(), tmp_path)
    rename = Path.rename

    def across(self: Path, target: Path) -> Path:
        if self.parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
    place = TunedModels(settings).publish(folder, parent, JOB)
    assert sorted(each.name for each in (place / "model").iterdir()) == ["config.json", "of-run"]
    assert not folder.model.exists()
    assert not folder.gguf.exists()


async def test_a_job_that_fails_gives_its_name_back_and_takes_it_again(
    settings: Settings, tmp_path: Path, base: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = settings.model_copy(update={"train_python": Path("/bin/false")})
    monkeypatch.setattr("m1app.training.service.install", _installed)
    with closing_service(broken) as service:
        job = await service.launch(recipe(base, data, name="mine"))
        artifacts = JobFiles(settings.jobs_directory).artifacts_folder(job.id)
        with pytest.raises(AppError, match="without reporting a result"):
            await service.run(job, artifacts, lambda _: None, asyncio.Event())
        assert TrainingFolder(artifacts).run().model_id == "mine"
        assert not (settings.models_directory / "mine").exists()
        # Another job took the name meanwhile.
        TunedModels(settings).reserve("mine", OTHER_JOB)
        JobFiles(settings.jobs_directory).create(OTHER_JOB)
        stopping = asyncio.Event()
        stopping.set()
        assert await service.run(job, artifacts, lambda _: None, stopping) is False
    assert TrainingFolder(artifacts).run().model_id == "mine-2"
    assert (settings.models_directory / "mine-2" / OWNER_FILE).read_text().strip() == job.id


async def _installed(*_: object) -> bool:
    return True


async def test_paths_of_a_job_are_absolute(
    service: FineTuningService, base: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    job = await service.launch(recipe(Path(base.name), data.name))
    assert (job.recipe["base"], job.recipe["data"]) == (str(base), str(data))


async def test_a_catalog_id_is_no_path_even_where_a_folder_has_its_name(
    service: FineTuningService, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smollm2-135m").mkdir()
    job = await service.launch(recipe(Path("smollm2-135m"), data))
    assert job.recipe["base"] == "smollm2-135m"


@pytest.mark.parametrize(("method", "is_refused"), [("full", True), ("lora", False)])
async def test_a_batch_that_cannot_be_dealt_out_is_refused_before_it_starts(
    service: FineTuningService, base: Path, data: Path, monkeypatch: pytest.MonkeyPatch, method: str, is_refused: bool
) -> None:
    many = Machine(8, 10**12, 10**12, 10**12, (Gpu("H100", 10**11, 10**11),) * 3)
    monkeypatch.setattr("m1app.training.planning.examine_machine", lambda _: many)
    asked = TrainingRecipe.of_preset("m1", str(base), str(data), method=method, block_size=1024, profile="m1")
    if is_refused:
        with pytest.raises(RecipeRefused, match=r"16 samples cannot be split evenly across 3 GPUs.* such as 18") as why:
            await service.plan(asked)
        assert why.value.field == "batch_size"
        asked = asked.model_copy(update={"batch_size": 18})
    plan = await service.plan(asked)
    (cost,) = [note for note in plan.notes if "GPU" in note]
    assert cost.startswith("It trains on all 3 GPUs." if is_refused else "It trains on one GPU.")
    assert "stop the engine" in cost


def keep_set(settings: Settings, name: str, rows: list[dict[str, Any]]) -> None:
    """Store the questions of traces as a question set."""
    database = Database(settings.database_address)
    database.migrate()
    questions = [
        NewQuestion(stem=row["question"], options=row["options"], target=row["answer_idx"], source=name) for row in rows
    ]
    with database.session() as session:
        QuestionSetRepository(session).add(name, "test", "m1", "", questions)
    database.dispose()


async def test_a_plan_draws_what_checkpoints_are_asked_and_says_what_it_costs(
    service: FineTuningService, settings: Settings, base: Path, data: Path
) -> None:
    keep_set(settings, "exam", [row | {"question": f"Who found item {n}?"} for n, row in enumerate(traces(5))])
    without = await service.plan(recipe(base, data))
    plan = await service.plan(recipe(base, data, accuracy_set="exam", accuracy_questions=3, best_by="accuracy"))
    assert (len(without.asked), len(plan.asked)) == (0, 3)
    assert plan.notes == (*without.notes, *plan.accuracy_notes) and len(plan.accuracy_notes) == 2
    assert "The base model and 3 checkpoints are asked 3 questions of exam" in plan.notes[-2]
    assert plan.estimate.memory_bytes > without.estimate.memory_bytes
    assert plan.estimate.disk_bytes > without.estimate.disk_bytes


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"accuracy_set": "leaked"}, "accuracy_set", "1 sample of the data overlaps with questions drawn from leaked"),
        ({"accuracy_set": "unheard"}, "accuracy_set", "not found"),
        ({"accuracy_set": "leaked", "accuracy_budget_tokens": 2000}, "accuracy_budget_tokens", "2,048 tokens"),
    ],
)
async def test_a_set_that_cannot_be_asked_is_refused_before_anything_is_launched(
    service: FineTuningService,
    settings: Settings,
    base: Path,
    data: Path,
    changes: dict[str, Any],
    field: str,
    said: str,
) -> None:
    # Built before the set was imported: a file would lose the sample now.
    built = await service._planner._data.build([data], CurationPlan(), "traces")
    keep_set(settings, "leaked", traces(1))
    with pytest.raises(RecipeRefused, match=said) as refused:
        await service.launch(recipe(base, built.id, **changes))
    assert refused.value.field == field
    assert await JobService(Database(settings.database_address), settings).recent() == ()


@pytest.mark.training
@pytest.mark.timeout(600)
def test_from_a_file_of_traces_to_a_model_that_the_app_can_ask(smollm2_path: Path, tmp_path: Path, data: Path) -> None:
    base = make_base(smollm2_path, tmp_path / "tiny")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("M1_")}
    environment |= {"M1_HOME": str(tmp_path / "home")}

    def m1app(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "m1app", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=environment | more, capture_output=True, text=True, timeout=300, check=False
        )

    small = ("--set", "batch_size=2", "--set", "gradient_accumulation=1", "--set", "evaluate_every_steps=3")
    done = m1app(
        *("finetune", "--data", str(data), "--base", str(base), "--preset", "cpu-trial", "--max-steps", "6"),
        *(*small, "--set", "niceness=0", "--set", "sample_tokens=4", "--name", "My tuned", "--json"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["model_id"], found["steps"]) == ("my-tuned", 6)
    assert found["last_loss"] < found["first_loss"]
    assert found["eval_loss_after"] < found["eval_loss_before"]
    assert (Path(found["folder"]) / "model" / "model.safetensors").is_file()

    question = tmp_path / "question.json"
    question.write_text(json.dumps(traces(1)[0]))
    asked = m1app(
        "probe", "--question", str(question), "--budget", "8", "--answer-cap", "8", "--json", M1_MODEL="my-tuned"
    )
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert "my-tuned" in json.dumps(answer)
