"""Every weight trained by two processes under the real launcher and FSDP settings, on a CPU."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from m1app.errors import AppError
from m1app.settings import Settings
from m1app.training.events import EventWriter, read_events
from m1app.training.folder import TrainingFolder
from m1app.training.process import run_training
from storage.jobs.records import JobProgress
from tests.m1app.training.on_cpu import python_on_cpu
from tests.m1app.training.trainings import ROOT, TRAIN_PYTHON, events_of, losses, prepare

pytestmark = [pytest.mark.training, pytest.mark.timeout(400)]
STEPS = 20


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", train_python=python_on_cpu(tmp_path))


def prepared(path: Path, base: Path) -> TrainingFolder:
    folder = prepare(path, base, method="full", max_steps=STEPS, save_every_steps=4, evaluate_every_steps=4)
    run = folder.run().model_copy(update={"devices": 2})
    folder.run_file.write_text(run.model_dump_json())
    return folder


async def train(folder: TrainingFolder, settings: Settings, *, stop_at: int = STEPS, kill_at: int = STEPS) -> bool:
    is_stopping = asyncio.Event()

    def look(progress: JobProgress) -> None:
        if progress.done >= stop_at and progress.done < STEPS:
            is_stopping.set()
        if kill_at <= progress.done < STEPS:
            with suppress(ProcessLookupError):  # The last look is after its end.
                os.kill(int((settings.train_python.parent / "launcher.pid").read_text()), signal.SIGKILL)

    return await run_training(folder, settings, look, is_stopping)


async def test_training_that_is_stopped_and_killed_ends_like_one_left_alone(
    tiny_base: Path, settings: Settings, tmp_path: Path
) -> None:
    alone, disturbed = (prepared(tmp_path / name, tiny_base) for name in ("alone", "disturbed"))
    assert await train(alone, settings)
    assert await train(disturbed, settings, stop_at=2) is False
    assert not disturbed.stop_file.exists()
    [stopped] = events_of(disturbed, "stopped")
    assert 2 <= stopped["step"] < STEPS, "with a checkpoint of its own, made by both"
    with suppress(AppError):
        assert await train(disturbed, settings, kill_at=stopped["step"] + 1) is False
    assert await train(disturbed, settings)
    said = disturbed.progress_file.read_text()
    assert said.count('"stopped"') == 2, "they stop by themselves when the launcher is gone, with a checkpoint"

    assert dict(losses(disturbed)) == dict(losses(alone)), "doubled steps had the same losses"
    assert len(losses(alone)) == STEPS
    assert (disturbed.model / "model.safetensors").read_bytes() == (alone.model / "model.safetensors").read_bytes()
    assert disturbed.gguf.is_file()
    for kind in ("evaluated", "sample"):
        assert [each["step"] for each in events_of(alone, kind)] == [0, 4, 8, 12, 16, 20]


async def test_the_most_accurate_checkpoint_of_two_processes_is_exported_once_all_were_asked(
    tiny_base: Path, settings: Settings, tmp_path: Path
) -> None:
    changes = {"accuracy_set": "exam", "best_by": "accuracy", "max_steps": 4, "save_every_steps": 2, "sample_tokens": 0}
    folder = prepare(tmp_path / "asked", tiny_base, method="full", **changes)
    folder.run_file.write_text(folder.run().model_copy(update={"devices": 2}).model_dump_json())
    assert await train(folder, settings)
    assert read_events(folder.progress_file)[-1]["event"] == "trained"
    assert folder.steps_to_ask() == (0, 2, 4) and not folder.model.exists()

    writer = EventWriter(folder.progress_file)
    for step, correct in {0: 4, 2: 3, 4: 1}.items():
        writer.write("accuracy", step, value=correct / 4, low=0.0, high=1.0, correct=correct, n=4)
    assert await train(folder, settings)
    assert "step 2, which answered 3 of 4" in events_of(folder, "note")[0]["message"]
    command = [str(TRAIN_PYTHON), "-m", "m1app.training.sft.checkpoint_gguf", str(folder.path), "2"]
    await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=True, capture_output=True, timeout=170)
    assert folder.asked_gguf.read_bytes() == folder.gguf.read_bytes()
