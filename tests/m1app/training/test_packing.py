"""Packed samples and samples grouped by length: kept apart, and in the steps that they were drawn for."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from m1app.training.events import last_ending, read_events
from m1app.training.folder import TrainingFolder
from tests.m1app.training.test_sft_losses import FEW, evaluated, of_many_lengths, trained
from tests.m1app.training.trainings import ROOT, TRAIN_PYTHON, events_of, finish, losses, prepare, start, wait_for

pytestmark = [pytest.mark.training, pytest.mark.timeout(600)]
PARTS: dict[str, Any] = {"gradient_accumulation": 2}
THREES: dict[str, Any] = {"batch_size": 9, "gradient_accumulation": 3}
SAVING: list[dict[str, Any]] = [{"packing": True}, {"group_by_length": True}]
_KEPT_APART = """
import json, torch
from datasets import Dataset
from transformers import AutoConfig, AutoModelForCausalLM, set_seed
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

sizes = dict(hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
found = {}
for kind in ("llama", "qwen2", "qwen3", "mistral"):
    set_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=200, max_position_embeddings=64, **sizes)
    model = AutoModelForCausalLM.from_config(config).eval()
    samples = [{"input_ids": torch.randint(0, 200, (length,)).tolist()} for length in (7, 5, 9, 4)]
    batch = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(samples)
    ids, positions = batch["input_ids"], batch["position_ids"]
    starts = batch["cu_seq_lens_q"].tolist()

    def largest_difference(use_cache):
        with torch.no_grad():
            together = model(input_ids=ids, position_ids=positions, use_cache=use_cache).logits[0]
            alone = [model(input_ids=ids[:, a:b], use_cache=False).logits[0] for a, b in zip(starts, starts[1:])]
        return (together - torch.cat(alone)).abs().max().item()

    found[kind] = {"without_cache": largest_difference(False), "with_cache": largest_difference(True)}
print(json.dumps(found))
"""
_BATCHES = """
import json, sys
from pathlib import Path
from m1app.training.folder import TrainingFolder, read_rows
from m1app.training.sft.arguments import training_arguments
from m1app.training.sft.base_weights import load_tokenizer
from m1app.training.sft.tokenized_rows import TokenizedRows, tokenize_rows
from m1app.training.sft.training import _trainer

def steps(place):
    '''The micro-batches of each step in the second epoch: rows, columns, and the tokens of each sample.'''
    folder = TrainingFolder(Path(place))
    recipe, run = folder.recipe(), folder.run()
    tokenizer = load_tokenizer(run)
    found = tokenize_rows(read_rows(folder.train_file), tokenizer, recipe.block_size)
    options = training_arguments(folder, recipe, has_evaluation=False)
    trainer = _trainer(options, recipe, run, tokenizer, found, TokenizedRows([], 0))
    loader = trainer.get_train_dataloader()
    loader.set_epoch(1)
    batches = []
    for batch in loader:
        if "attention_mask" in batch:
            samples = batch["attention_mask"].sum(dim=1)
        else:
            samples = batch["cu_seq_lens_q"].diff()
        batches.append([*batch["input_ids"].shape, samples.tolist()])
    parts = recipe.gradient_accumulation
    return [batches[at : at + parts] for at in range(0, len(batches), parts)]

print(json.dumps([steps(place) for place in sys.argv[1:]]))
"""


def _printed(script: str, *arguments: str) -> Any:
    if not TRAIN_PYTHON.is_file():
        pytest.skip("there is no .venv-train; run make train-env")
    command = [str(TRAIN_PYTHON), "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_packed_samples_are_kept_apart_while_no_cache_is_used() -> None:
    for found in _printed(_KEPT_APART).values():
        assert found["without_cache"] < 1e-5
        assert found["with_cache"] > 0.001


def test_a_step_keeps_its_samples_and_needs_less_padding(tiny_base: Path, tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [{}, *SAVING]
    folders = [
        prepare(tmp_path / str(number), tiny_base, of_many_lengths(), **(FEW | THREES | more))
        for number, more in enumerate(changes)
    ]
    padded, packed, grouped = _printed(_BATCHES, *(str(folder.path) for folder in folders))
    assert of_each_step(padded) == of_each_step(packed) == of_each_step(grouped)
    assert all((rows, columns) == (1, sum(samples)) for step in packed for rows, columns, samples in step)
    assert padding(packed) == 0 < padding(grouped) < 0.6 * padding(padded)
    # The longest first, so that memory that does not suffice shows at once.
    assert all(step[0][1] >= step[-1][1] for step in grouped)


def of_each_step(steps: list[Any]) -> list[list[int]]:
    """Tokens of the samples of each step, in no order."""
    return [sorted(tokens for _, _, samples in step for tokens in samples) for step in steps]


def padding(steps: list[Any]) -> int:
    return sum(rows * columns - sum(samples) for step in steps for rows, columns, samples in step)


def test_losses_and_gradients_are_those_of_padded_samples(tiny_base: Path, tmp_path: Path) -> None:
    padded, packed, grouped = (
        trained(tmp_path / str(number), tiny_base, **PARTS, **more) for number, more in enumerate(({}, *SAVING))
    )
    for other in (packed, grouped):
        for figures in (evaluated, losses, gradient_norms, tokens):
            found, wanted = ([value for _, value in figures(each)] for each in (other, padded))
            assert found == pytest.approx(wanted, rel=1e-4)


def gradient_norms(folder: TrainingFolder) -> list[tuple[int, float]]:
    return [(each["step"], each["gradient_norm"]) for each in events_of(folder, "log")]


def tokens(folder: TrainingFolder) -> list[tuple[int, float]]:
    return [(each["step"], each["tokens"]) for each in events_of(folder, "log")]


@pytest.mark.parametrize("saving", SAVING, ids=lambda each: next(iter(each)))
def test_killed_in_its_second_epoch_it_sees_the_same_samples_and_ends_with_the_same_weights(
    saving: dict[str, Any], tiny_base: Path, tmp_path: Path
) -> None:
    every = FEW | PARTS | saving | {"max_steps": 9, "save_every_steps": 1, "lora_dropout": 0.1}
    straight, killed = (prepare(tmp_path / name, tiny_base, of_many_lengths(), **every) for name in ("a", "b"))
    status, output = finish(straight)
    assert status == 0, output
    process = start(killed)
    wait_for(killed, process, lambda event: event["event"] == "log" and event["step"] >= 6)
    process.kill()
    process.communicate()
    assert last_ending(read_events(killed.progress_file)) is None
    status, output = finish(killed)
    assert status == 0, output
    assert events_of(killed, "resumed")[0]["step"] >= 5, "an epoch has five steps"
    assert losses(killed) == losses(straight)
    ours, theirs = (each.model / "model.safetensors" for each in (killed, straight))
    assert ours.read_bytes() == theirs.read_bytes()
