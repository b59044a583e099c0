"""Losses are means over tokens, however samples are dealt out; a stop loses no evaluation; the first step learns."""

import signal
from pathlib import Path
from typing import Any

import pytest

from m1app.training.folder import TrainingFolder
from tests.m1app.training.trainings import TOPICS, events_of, finish, losses, prepare, rows, start, wait_for

pytestmark = [pytest.mark.training, pytest.mark.timeout(600)]
FEW: dict[str, Any] = {"max_steps": 4, "batch_size": 4, "lora_dropout": 0.0, "sample_tokens": 0, "warmup_ratio": 0.5}


def of_many_lengths() -> list[dict[str, Any]]:
    """Samples of very different lengths: a mean over batches weighs their tokens differently."""
    found = []
    for number, row in enumerate(rows(*TOPICS[:9])):
        parts = [(kind, text * (1 + 3 * number % 7) if kind == "reasoning" else text) for kind, text in row["parts"]]
        found.append(row | {"parts": parts, "completion": "".join(text for _, text in parts)})
    return found


def trained(path: Path, base: Path, **changes: Any) -> TrainingFolder:
    folder = prepare(path, base, of_many_lengths(), **(FEW | {"evaluate_every_steps": 2} | changes))
    lines = folder.train_file.read_text().splitlines(keepends=True)
    folder.evaluation_file.write_text("".join(lines[-5:]))
    status, output = finish(folder)
    assert status == 0, output
    return folder


def evaluated(folder: TrainingFolder) -> list[tuple[int, float]]:
    return [(each["step"], each["eval_loss"]) for each in events_of(folder, "evaluated")]


def test_losses_do_not_depend_on_the_parts_of_a_batch(tiny_base: Path, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", tiny_base)
    parts = trained(tmp_path / "parts", tiny_base, gradient_accumulation=2)
    assert [step for step, _ in evaluated(whole)] == [0, 2, 4]
    for of_whole, of_parts in ((evaluated(whole), evaluated(parts)), (losses(whole), losses(parts))):
        assert [loss for _, loss in of_parts] == pytest.approx([loss for _, loss in of_whole], abs=1e-5)


def test_a_stop_at_an_evaluation_loses_none_and_the_first_step_learns(tiny_base: Path, tmp_path: Path) -> None:
    every = {"evaluate_every_steps": 1, "save_every_steps": 1, "early_stop_patience": 3, "max_steps": 6}
    straight = trained(tmp_path / "straight", tiny_base, **every)
    rates = [each["learning_rate"] for each in events_of(straight, "log")]
    assert 0 < rates[0] < rates[1] < rates[2]

    folder = prepare(tmp_path / "stopped", tiny_base, of_many_lengths(), **(FEW | every))
    folder.evaluation_file.write_text(straight.evaluation_file.read_text())
    process = start(folder)
    # Whatever step it stops at is one that is evaluated.
    wait_for(folder, process, lambda event: event["event"] == "evaluated" and event["step"] == 1)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    (stopped,) = events_of(folder, "stopped")
    assert stopped["step"] not in [step for step, _ in evaluated(folder)]

    status, output = finish(folder)
    assert status == 0, output
    assert evaluated(folder) == evaluated(straight)
    assert losses(folder) == losses(straight)
    ours, theirs = (each.model / "model.safetensors" for each in (folder, straight))
    assert ours.read_bytes() == theirs.read_bytes()
