"""Loads the base model and its tokenizer from a GGUF file, a folder, or the hub."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from m1app.training.errors import TrainingFailed
from m1app.training.folder import TrainingRun
from m1app.training.recipe import TrainingRecipe


def load_tokenizer(run: TrainingRun) -> PreTrainedTokenizerBase:
    """Load the base's tokenizer; raises TrainingFailed if there is none."""
    name, options = _place(run)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name, **options)
    except (OSError, ValueError) as exc:
        raise TrainingFailed(f"The tokenizer of {run.base_location} cannot be read: {exc}") from exc
    return tokenizer


def load_weights(run: TrainingRun, recipe: TrainingRecipe) -> PreTrainedModel:
    """Load the base's weights, dequantized; raises TrainingFailed if they cannot be read.

    float32 if they are trained (bfloat16 loses Adam's small steps), bfloat16 if they are frozen under a LoRA.
    """
    dtype = torch.bfloat16 if recipe.precision == "bf16" and recipe.method == "lora" else torch.float32
    name, options = _place(run)
    if run.base_kind == "gguf":
        from transformers import GgufConfig

        options["quantization_config"] = GgufConfig(dequantize=True)  # Otherwise they stay quantized.
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, **options)
    except (OSError, ValueError) as exc:
        raise TrainingFailed(f"The weights of {run.base_location} cannot be read: {exc}") from exc
    model.config.use_cache = False
    return model


def _place(run: TrainingRun) -> tuple[str, dict[str, Any]]:
    if run.base_kind != "hub" and not Path(run.base_location).exists():
        raise TrainingFailed(f"Base model not found at {run.base_location}. Put it back, then resume.")
    if run.base_kind == "gguf":
        path = Path(run.base_location)
        return str(path.parent), {"gguf_file": path.name}
    return run.base_location, {"revision": run.base_revision} if run.base_revision else {}
