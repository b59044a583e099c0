"""Every weight trained by two processes under the real launcher and FSDP settings, on a CPU."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from m1app.errors import AppError
from m1app.settings import Settings
from m1app.training.folder import TrainingFolder
from m1app.training.process import run_training
from storage.jobs.records import JobProgress
from tests.m1app.training.on_cpu import python_on_cpu
from tests.m1app.training.trainings import events_of, losses, prepare

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
