"""The trainer's arguments from a recipe."""

import os
from importlib.util import find_spec
from typing import Any

import torch
from transformers import TrainingArguments
from trl import DPOConfig, GRPOConfig, SFTConfig

from m1app.training.errors import TrainingFailed
from m1app.training.estimate import samples_at_once
from m1app.training.folder import TrainingFolder
from m1app.training.recipe import TrainingRecipe

_CHECKPOINTING = (
    "activation_checkpointing"
    if "activation_checkpointing" in TrainingArguments.__dataclass_fields__
    else "gradient_checkpointing"
)
"""Its name in transformers: from 5.23 on the first, and the second in the older version that vLLM 0.32 wants."""


def training_arguments(
    folder: TrainingFolder, recipe: TrainingRecipe, *, has_evaluation: bool, is_new: bool = True
) -> TrainingArguments:
    """Convert the recipe to the trainer's arguments.

    Args:
        folder: folder for the checkpoints.
        recipe: the recipe.
        has_evaluation: whether there are held-out samples.
        is_new: False if it resumes from a checkpoint.

    Raises:
        TrainingFailed: the batch cannot be divided among the devices, or the recipe needs a GPU and there is none.
    """
    has_gpu = _needs_gpu(recipe)
    per_device, accumulation = _dealt_out(recipe)
    shared: dict[str, Any] = dict(
        output_dir=str(folder.checkpoints),
        learning_rate=recipe.learning_rate,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        per_device_train_batch_size=per_device,
        per_device_eval_batch_size=per_device,
        gradient_accumulation_steps=accumulation,
        warmup_steps=recipe.warmup_ratio,  # A value below 1 is a share of all steps.
        lr_scheduler_type=recipe.scheduler,
        optim="adamw_torch_fused" if has_gpu else "adamw_torch",
        weight_decay=recipe.weight_decay,
        adam_beta1=recipe.beta1,
        adam_beta2=recipe.beta2,
        max_grad_norm=recipe.max_gradient_norm,
        bf16=recipe.precision == "bf16",
        use_cpu=not has_gpu,
        **{_CHECKPOINTING: recipe.gradient_checkpointing},
        seed=recipe.seed,
        data_seed=recipe.seed,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,  # It would show an old loss instead of a NaN.
        save_strategy="steps",
        save_steps=recipe.save_every_steps,
        save_total_limit=recipe.keep_checkpoints,
        report_to=[],
        disable_tqdm=True,
        log_level="warning",
        dataloader_pin_memory=has_gpu,
        **_evaluation_options(recipe, has_evaluation=has_evaluation, is_new=is_new),
    )
    if recipe.objective == "grpo":
        return GRPOConfig(**shared, **_generation_options(recipe))
    # Rows are already tokenized, labelled, and short enough.
    if recipe.objective == "dpo":
        return DPOConfig(**shared, max_length=None, beta=recipe.kl_beta)
    return SFTConfig(
        **shared,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        padding_free=recipe.packing,
        train_sampling_strategy="group_by_length" if recipe.group_by_length else "random",
    )


def _generation_options(recipe: TrainingRecipe) -> dict[str, Any]:
    """How GRPO lets the model answer; held-out questions are answered once each."""
    options: dict[str, Any] = {
        "beta": recipe.kl_beta,
        "num_generations": recipe.generations,
        "num_generations_eval": 1,
        "max_completion_length": recipe.completion_tokens,
        "temperature": recipe.temperature,
    }
    if recipe.generator != "vllm":
        return options
    if find_spec("vllm") is None:
        raise TrainingFailed(
            "The recipe lets vLLM write the answers, but it is not in the training environment. docs/fine-tuning.md "
            "says under Objectives how to make one that has both; or choose generator transformers."
        )
    return options | {"use_vllm": True, "vllm_mode": "colocate", "vllm_max_model_length": recipe.block_size}


def _needs_gpu(recipe: TrainingRecipe) -> bool:
    """Raise TrainingFailed if there is no GPU."""
    if recipe.precision != "bf16":
        return False
    if not torch.cuda.is_available():
        raise TrainingFailed(
            "The recipe uses bf16 on a GPU, but PyTorch finds none here. Check the driver with nvidia-smi, "
            "rebuild .venv-train on this machine, or choose precision fp32."
        )
    return True


def _evaluation_options(recipe: TrainingRecipe, *, has_evaluation: bool, is_new: bool) -> dict[str, Any]:
    """When to measure the held-out loss, and whether to use the best checkpoint; the base is measured once."""
    if not has_evaluation:
        return {"eval_strategy": "no"}
    options = {"eval_strategy": "steps", "eval_steps": recipe.evaluate_every_steps, "eval_on_start": is_new}
    if recipe.is_best_by_loss:
        options |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False}
    return options


def _dealt_out(recipe: TrainingRecipe) -> tuple[int, int]:
    """Samples per device and pass, and passes per step: their product over all devices is the batch size."""
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    if recipe.batch_size % devices:
        raise TrainingFailed(
            f"A batch of {recipe.batch_size} samples cannot be split across {devices} devices; choose a multiple."
        )
    at_once = samples_at_once(recipe, devices)
    return at_once, recipe.batch_size // devices // at_once
