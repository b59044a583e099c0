"""What TRL's packing and transformers' grouping by length do, on which docs/fine-tuning.md relies."""

import json
import subprocess
from typing import Any

import pytest

from tests.m1app.training.trainings import ROOT, TRAIN_PYTHON

pytestmark = [pytest.mark.training, pytest.mark.timeout(170)]
SCRIPT = """
import json, torch
from datasets import Dataset, disable_progress_bars
from transformers import LlamaConfig, LlamaForCausalLM, set_seed
from transformers.trainer_pt_utils import LengthGroupedSampler
from trl import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

disable_progress_bars()
set_seed(0)
sizes = dict(hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
model = LlamaForCausalLM(LlamaConfig(vocab_size=200, max_position_embeddings=64, **sizes)).eval()
samples = [torch.randint(0, 200, (length,)).tolist() for length in (7, 5, 9, 4)]
packed = pack_dataset(Dataset.from_dict({"input_ids": samples, "labels": samples}), 16, "bfd")
batch = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(list(packed))
ids, positions = batch["input_ids"], batch["position_ids"]
starts = [*(positions[0] == 0).nonzero().flatten().tolist(), ids.shape[1]]


def largest_difference(use_cache):
    with torch.no_grad():
        together = model(input_ids=ids, position_ids=positions, use_cache=use_cache).logits[0]
        alone = [model(input_ids=ids[:, a:b], use_cache=False).logits[0] for a, b in zip(starts, starts[1:])]
    return (together - torch.cat(alone)).abs().max().item()


orders = []
for seed in (1, 2):
    torch.manual_seed(seed)
    orders.append(list(LengthGroupedSampler(2, lengths=list(range(40)))))
print(json.dumps({
    "positions": positions[0].tolist(),
    "has_mask": "attention_mask" in batch,
    "without_cache": largest_difference(False),
    "with_cache": largest_difference(True),
    "is_order_fixed": orders[0] == orders[1],
}))
"""


@pytest.fixture(scope="module")
def found() -> Any:
    if not TRAIN_PYTHON.is_file():
        pytest.skip("there is no .venv-train; run make train-env")
    done = subprocess.run(
        [str(TRAIN_PYTHON), "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=160, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_packed_samples_are_kept_apart_by_their_positions_while_no_cache_is_used(found: Any) -> None:
    assert found["positions"] == [*range(9), *range(7), *range(5), *range(4)]
    assert not found["has_mask"]
    assert found["without_cache"] < 1e-5
    assert found["with_cache"] > 0.01


def test_the_order_of_samples_grouped_by_length_depends_on_what_was_drawn_before(found: Any) -> None:
    assert found["is_order_fixed"] is False
