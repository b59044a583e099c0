"""Loads the base model and its tokenizer from a GGUF file, a folder, or the hub."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from m1app.training.errors import TrainingFailed
from m1app.training.folder import TrainingRun
from m1app.training.recipe import ALL_LINEAR, TrainingRecipe


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
    elif recipe.quantization == "nf4":
        options["quantization_config"] = _four_bits(dtype)
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, **options)
    except (OSError, ValueError) as exc:
        raise TrainingFailed(f"The weights of {run.base_location} cannot be read: {exc}") from exc
    model.config.use_cache = False
    _keep_layout(model)
    return model


def load_whole_weights(run: TrainingRun, recipe: TrainingRecipe) -> PreTrainedModel:
    """Load the base's weights as a finished LoRA is merged into: not in four bits, which would round most of it away.

    Raises TrainingFailed as above.
    """
    if recipe.quantization != "none":
        recipe = recipe.model_copy(update={"quantization": "none", "precision": "fp32"})
    return load_weights(run, recipe)


def check_layers(model: PreTrainedModel, recipe: TrainingRecipe) -> None:
    """Refuse names of layers that the model does not have, or that cannot be trained whole; raises TrainingFailed."""
    names = {part for name, _ in model.named_modules() for part in (name, name.rpartition(".")[2]) if part}
    targets = [] if recipe.lora_targets == ALL_LINEAR else recipe.lora_targets.split(",")
    saved = recipe.modules_to_save.split(",") if recipe.modules_to_save else []
    for field, wanted in (("lora_targets", targets), ("modules_to_save", saved)):
        if missing := next((name for name in wanted if name not in names), ""):
            known = sorted(name for name in names if "." not in name and not name.isdigit())
            raise TrainingFailed(f"{field}: the base has no layer {missing!r}. Its layers: {', '.join(known)}.")
    if "embed_tokens" in saved and model.config.tie_word_embeddings:
        raise TrainingFailed(
            "modules_to_save: the base uses its embeddings as its output too, so embed_tokens cannot be trained "
            "alone. Leave it out, or choose method full."
        )


def _four_bits(dtype: torch.dtype) -> Any:
    """NF4 with double quantization, as QLoRA; `dtype` is that of everything else."""
    if find_spec("bitsandbytes") is None:
        raise TrainingFailed(
            "Weights in four bits need bitsandbytes, which is not in the training environment. Install it there with "
            "`.venv-train/bin/python -m pip install bitsandbytes`, then resume; or choose quantization none."
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _keep_layout(model: PreTrainedModel) -> None:
    """Keep weights in four bits as they are: bitsandbytes 0.50 rearranges them in an evaluation on a CPU with bfloat16
    instructions, and no gradient passes through layers that are left so.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _place(run: TrainingRun) -> tuple[str, dict[str, Any]]:
    if run.base_kind != "hub" and not Path(run.base_location).exists():
        raise TrainingFailed(f"Base model not found at {run.base_location}. Put it back, then resume.")
    if run.base_kind == "gguf":
        path = Path(run.base_location)
        return str(path.parent), {"gguf_file": path.name}
    return run.base_location, {"revision": run.base_revision} if run.base_revision else {}
