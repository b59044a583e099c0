"""Writes one checkpoint as the GGUF file that the embedded engine would serve if the training had ended there.

    python -m m1app.training.sft.checkpoint_gguf FOLDER STEP

A process of its own, on the CPU: the training goes on meanwhile. Exit status: 0 written; 1 failed, and the last line of
standard error says why.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from m1app.training.errors import TrainingError, TrainingFailed
from m1app.training.folder import TrainingFolder


def main(arguments: Sequence[str]) -> int:
    """Write the file for FOLDER and STEP; 0 is the base model."""
    if len(arguments) != 2 or not arguments[1].isdecimal():
        sys.stderr.write("usage: python -m m1app.training.sft.checkpoint_gguf FOLDER STEP\n")
        return 2
    folder = TrainingFolder(Path(arguments[0]).absolute())
    try:
        write_checkpoint(folder, int(arguments[1]))
    except (TrainingError, OSError, ValueError) as exc:
        sys.stderr.write(" ".join(str(exc).split()) + "\n")
        return 1
    return 0


def write_checkpoint(folder: TrainingFolder, step: int) -> None:
    """Write `folder.asked_gguf`.

    Raises:
        TrainingError: the weights are missing, or no GGUF file can be written for this model.
        OSError: a file cannot be read or written.
    """
    recipe, run = folder.recipe(), folder.run()
    threads = str(run.threads)
    # Libraries read these on import.
    os.environ.update({"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "CUDA_VISIBLE_DEVICES": ""})
    os.environ.update({"TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"})
    if run.base_kind != "hub":
        os.environ["HF_HUB_OFFLINE"] = "1"
    if recipe.niceness:
        os.nice(max(0, recipe.niceness - os.nice(0)))
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    from m1app.training.sft.base_weights import load_tokenizer, load_whole_weights
    from m1app.training.sft.export import ask_as_trained, merge, rounded
    from m1app.training.sft.gguf_file import UnsupportedModel, write_gguf

    logging.disable_progress_bar()
    torch.set_num_threads(run.threads)
    weights = folder.weights_to_ask(step)
    if step and not weights.is_dir():
        raise TrainingFailed(f"The weights of step {step} are missing in {weights}.")
    tokenizer = load_tokenizer(run)
    ask_as_trained(tokenizer, run)
    has_adapter = (weights / "adapter_config.json").is_file()
    if step and not has_adapter:
        model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32)
    else:
        model = load_whole_weights(run, recipe)
    if has_adapter:
        model = merge(PeftModel.from_pretrained(model, weights))
    base = Path(run.base_location) if run.base_kind == "gguf" else None
    state = rounded(model, model.state_dict())
    try:
        write_gguf(folder.asked_gguf, state, model.config, tokenizer, name=run.model_id, base=base)
    except UnsupportedModel as exc:
        raise TrainingFailed(f"{exc} Its checkpoints cannot be asked here.") from exc


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
