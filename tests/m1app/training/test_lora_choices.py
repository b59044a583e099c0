"""Which layers a LoRA trains, for real; and what is said of layers that there are not."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.m1app.training.trainings import ROOT, TRAIN_PYTHON, events_of, finish, prepare

pytestmark = [pytest.mark.training, pytest.mark.timeout(600)]
FEW: dict[str, Any] = {"max_steps": 2, "sample_tokens": 0, "save_every_steps": 2, "evaluate_every_steps": 2}
_COMPARED = """
import json, sys, torch
from pathlib import Path
from safetensors.torch import load_file
from m1app.training.folder import TrainingFolder
from m1app.training.sft.export import _on_whole_weights
folder = TrainingFolder(Path(sys.argv[1]))
recipe, run = folder.recipe(), folder.run()
made = load_file(folder.model / "model.safetensors")
again = _on_whole_weights(folder, run, recipe).merge_and_unload().to(torch.bfloat16).state_dict()
base = load_file(Path(run.base_location) / "model.safetensors")
print(json.dumps({
    "equal": all(torch.equal(value, again[name]) for name, value in made.items()),
    "changed": sorted({name.rpartition("layers.")[2].partition(".")[2] or name for name, value in made.items()
                       if not torch.equal(value, base[name].to(torch.bfloat16))}),
}))
"""


def test_only_the_chosen_layers_are_trained_and_merged(tiny_base: Path, tmp_path: Path) -> None:
    folder = prepare(
        tmp_path / "run", tiny_base, **FEW, lora_targets="q_proj,v_proj", modules_to_save="input_layernorm"
    )
    status, output = finish(folder)
    assert status == 0, output
    # Two layers with a rank of 16: q from 64 to 64, v from 64 to 32; and a norm of 64 in each.
    assert events_of(folder, "started")[0]["trainable"] == 2 * 16 * (64 + 64 + 64 + 32) + 2 * 64
    command = [str(TRAIN_PYTHON), "-c", _COMPARED, str(folder.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    trained = ["self_attn.q_proj.weight", "self_attn.v_proj.weight"]
    # A norm moves little in two steps; rounded to bfloat16, it may be where it was.
    assert [name for name in found["changed"] if name != "input_layernorm.weight"] == trained
    # The way of weights in four bits, whose adapter is merged into the base's own weights.
    assert found["equal"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lora_targets": "q_proj,query"}, "lora_targets: the base has no layer 'query'. Its layers: act_fn,"),
        ({"modules_to_save": "embed_tokens"}, "uses its embeddings as its output too"),
    ],
)
def test_layers_that_cannot_be_trained_are_said(
    tiny_base: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    folder = prepare(tmp_path / "run", tiny_base, **FEW, **changes)
    status, output = finish(folder)
    assert status == 1
    assert said in output
