"""What is made of the end of the process that trains, and of what it said before."""

import asyncio
from collections import namedtuple
from pathlib import Path

import pytest

from m1app.benchmark.intervals import Proportion
from m1app.benchmark.run_progress import accuracy_so_far
from m1app.errors import AppError
from m1app.settings import Settings
from m1app.training.process import progress_of, run_training
from tests.m1app.training.trainings import prepare

_Usage = namedtuple("_Usage", "total used free")
GOES_WRONG = """#!/bin/sh
now=$(date +%s.%N)
for event in '"started", "steps": 9' '"log", "loss": null' '"failed", "message": "The loss is no longer a number."'; do
  echo "{\\"event\\": $event, \\"step\\": 0, \\"time\\": $now}" >> "$3/progress.jsonl"
done
exit 1
"""
"""In place of a Python: NaN before the first checkpoint."""
IS_TRAINED = """#!/bin/sh
echo '{"event": "trained", "step": 9, "message": "Done.", "time": '$(date +%s.%N)'}' >> "$3/progress.jsonl"
"""


def settings_with(tmp_path: Path, script: str) -> Settings:
    python = tmp_path / "python"
    python.write_text(script)
    python.chmod(0o755)
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home", train_python=python)


async def test_what_went_wrong_is_said_again_when_it_goes_wrong_again(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, GOES_WRONG)
    folder = prepare(tmp_path / "run", tmp_path / "base")
    # The second one leaves as many events as the first: a start from the base takes back all before it.
    for _ in range(2):
        with pytest.raises(AppError, match="no longer a number"):
            await run_training(folder, settings, lambda _: None, asyncio.Event())


async def test_a_full_disk_is_told_from_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(tmp_path, "#!/bin/sh\nexit 1\n")
    folder = prepare(tmp_path / "run", tmp_path / "base")
    with pytest.raises(AppError, match=r"without reporting a result.*It may have been killed"):
        await run_training(folder, settings, lambda _: None, asyncio.Event())
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage(1, 1, 4096))
    with pytest.raises(AppError, match=r"without reporting a result.*The disk is full.*resume"):
        await run_training(folder, settings, lambda _: None, asyncio.Event())


def test_a_note_stays_beside_the_progress() -> None:
    events = [
        {"event": "started", "step": 0, "steps": 9},
        {"event": "note", "step": 0, "message": "There is no evaluation loss."},
        {"event": "log", "step": 1, "loss": 2.0},
    ]
    assert progress_of(events).message == "Training. There is no evaluation loss."


async def test_a_process_that_waits_for_accuracies_has_not_failed(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, IS_TRAINED)
    folder = prepare(tmp_path / "run", tmp_path / "base")
    assert await run_training(folder, settings, lambda _: None, asyncio.Event()) is True


def test_the_latest_accuracy_is_among_the_figures_as_that_of_a_benchmark_is() -> None:
    events = [
        {"event": "started", "step": 0, "steps": 9},
        *({"event": "accuracy", "step": step, "value": 0.5, "low": 0.2, "high": 0.8, "n": step} for step in (8, 4)),
        {"event": "unmeasured", "step": 9, "message": "It could not be measured."},
    ]
    progress = progress_of(events)
    assert accuracy_so_far(progress) == Proportion(0.5, 0.2, 0.8, 8)
    assert progress.message == "It could not be measured."
    assert accuracy_so_far(progress_of(events[:1])) is None
