"""Preference training, for real: what is learnt, on which tokens, and after a stop and a kill."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from m1app.training.events import read_events, summarise
from m1app.training.folder import TrainingFolder
from tests.m1app.training.trainings import (
    ROOT,
    TOPICS,
    TRAIN_PYTHON,
    events_of,
    finish,
    losses,
    pair_rows,
    prepare,
    start,
    wait_for,
)

pytestmark = [pytest.mark.training, pytest.mark.timeout(600)]
FEW: dict[str, Any] = {
    "objective": "dpo",
    "max_steps": 4,
    "learning_rate": 0.003,
    "evaluate_every_steps": 2,
    "save_every_steps": 1,
}
_TOKENIZED = """
import json, sys
from pathlib import Path
from m1app.training.folder import TrainingFolder, read_rows
from m1app.training.sft.arguments import training_arguments
from m1app.training.sft.base_weights import load_tokenizer
from m1app.training.sft.tokenized_rows import tokenize_rows
from m1app.training.sft.training import _trainer
def batch(place):
    folder = TrainingFolder(Path(place))
    recipe, run = folder.recipe(), folder.run()
    tokenizer = load_tokenizer(run)
    found = tokenize_rows(read_rows(folder.train_file), tokenizer, recipe.block_size)
    held_out = tokenize_rows(read_rows(folder.evaluation_file), tokenizer, recipe.block_size)
    options = training_arguments(folder, recipe, has_evaluation=True)
    trainer = _trainer(options, recipe, run, tokenizer, found, held_out)
    (made,) = [trainer.data_collator([trainer.train_dataset[0]])]
    return {name: value.tolist() for name, value in made.items()}
print(json.dumps([batch(place) for place in sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def straight(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingFolder:
    """A training that nothing disturbed, with a pair of which the worse response is too long."""
    long = pair_rows("gout")[0]
    long["rejected"] = {"completion": "rest " * 500, "parts": []}
    folder = prepare(tmp_path_factory.mktemp("straight") / "run", tiny_base, [long], **FEW)
    status, output = finish(folder)
    assert status == 0, output
    return folder


def test_the_better_responses_gain_on_the_others(straight: TrainingFolder) -> None:
    logs, evaluated = events_of(straight, "log"), events_of(straight, "evaluated")
    assert [each["step"] for each in logs] == [1, 2, 3, 4]
    # Before the first step, the model is its own base: no margin, and a loss of ln 2.
    assert logs[0]["reward_margin"] == pytest.approx(0.0, abs=1e-5)
    assert logs[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert [each["step"] for each in evaluated] == [0, 2, 4]
    assert evaluated[-1]["reward_margin"] > evaluated[0]["reward_margin"] + 0.01
    assert evaluated[-1]["pair_accuracy"] == 1.0
    summary = summarise(read_events(straight.progress_file))
    assert summary.eval_loss_before and summary.eval_loss_after
    assert summary.eval_loss_after < summary.eval_loss_before


def test_a_pair_with_a_response_that_is_too_long_is_left_out(straight: TrainingFolder) -> None:
    (started,) = events_of(straight, "started")
    assert (started["samples"], started["too_long"], started["evaluation_samples"]) == (9, 1, 2)


def test_the_finished_model_is_exported_like_any_other(straight: TrainingFolder) -> None:
    assert (straight.model / "model.safetensors").is_file()
    assert straight.gguf.is_file()
    assert (straight.adapter / "adapter_model.safetensors").is_file()
    card = straight.card.read_text()
    assert "9 preference pairs, 2 held out, 1 left out" in card
    assert "Direct preference optimization" in card


def test_pairs_are_trained_on_the_tokens_that_samples_are_trained_on(tiny_base: Path, tmp_path: Path) -> None:
    pairs = prepare(tmp_path / "pairs", tiny_base, **FEW)
    samples = prepare(tmp_path / "samples", tiny_base)
    places = [str(pairs.path), str(samples.path)]
    done = subprocess.run(
        [TRAIN_PYTHON, "-c", _TOKENIZED, *places], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    of_pairs, of_samples = json.loads(done.stdout.splitlines()[-1])
    chosen, rejected = of_pairs["input_ids"]
    (sample,), (labels,) = of_samples["input_ids"], of_samples["labels"]
    whole = [each for each, is_there in zip(chosen, of_pairs["attention_mask"][0], strict=True) if is_there]
    assert whole == sample
    prompt = labels.count(-100)
    assert of_pairs["completion_mask"][0][: len(sample)] == [0] * prompt + [1] * (len(sample) - prompt)
    assert rejected[:prompt] == sample[:prompt]
    assert rejected != chosen


def test_killed_and_stopped_it_goes_on_with_the_same_curve_and_ends_with_the_same_weights(
    straight: TrainingFolder, tiny_base: Path, tmp_path: Path
) -> None:
    folder = prepare(tmp_path / "run", tiny_base, **FEW)
    process = start(folder)
    wait_for(folder, process, lambda event: event["event"] == "checkpoint" and event["step"] >= 1)
    process.kill()
    process.communicate()

    process = start(folder)
    wait_for(folder, process, lambda event: event["event"] == "resumed")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0
    assert events_of(folder, "stopped")

    status, output = finish(folder)
    assert status == 0, output
    assert losses(folder) == losses(straight)
    margins = [[each["reward_margin"] for each in events_of(run, "log")] for run in (folder, straight)]
    assert margins[0] == margins[1]
    assert [each["step"] for each in events_of(folder, "evaluated")] == [0, 2, 4]
    ours, theirs = (each.model / "model.safetensors" for each in (folder, straight))
    assert ours.read_bytes() == theirs.read_bytes()


def test_held_out_figures_are_means_over_pairs(tiny_base: Path, tmp_path: Path) -> None:
    """Three pairs in batches of two: a mean over batches would weigh the last pair twice."""
    found = []
    for at_once in (1, 2):
        changes = FEW | {"batch_size": 2, "gradient_accumulation": 2 // at_once, "sample_tokens": 0, "max_steps": 2}
        folder = prepare(tmp_path / str(at_once), tiny_base, **changes)
        folder.evaluation_file.write_text("".join(json.dumps(row) + "\n" for row in pair_rows(*TOPICS[8:])))
        status, output = finish(folder)
        assert status == 0, output
        found.append(events_of(folder, "evaluated")[-1])
    one, two = found
    for name in ("eval_loss", "reward_margin", "pair_accuracy"):
        assert one[name] == pytest.approx(two[name], abs=1e-5)
