"""One training, from the prepared folder to the finished model: tokenize, load, train or resume, export."""

import os
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PreTrainedTokenizerBase, set_seed
from transformers.utils import logging as transformers_logging
from trl import SFTConfig, SFTTrainer

from m1app.training.errors import TrainingFailed
from m1app.training.estimate import disk_to_write, most_checkpoints, samples_at_once
from m1app.training.events import EventWriter, read_events, summarise
from m1app.training.folder import TrainingFolder, TrainingRun, read_rows
from m1app.training.recipe import TrainingRecipe
from m1app.training.recipe_check import LEAST_SAMPLES, check_disk_left
from m1app.training.sft.base_weights import load_tokenizer, load_weights
from m1app.training.sft.callbacks import Guard, Reporter, Sampler
from m1app.training.sft.checkpoints import finished_weights, newest_checkpoint, step_of
from m1app.training.sft.export import export_model
from m1app.training.sft.stop_request import StopRequest
from m1app.training.sft.tokenized_rows import TokenizedRows, tokenize_rows


def train(
    folder: TrainingFolder, recipe: TrainingRecipe, run: TrainingRun, writer: EventWriter, stop: StopRequest
) -> None:
    """Train, or resume from the newest checkpoint, until finished or told to stop; writes events.

    Raises:
        TrainingFailed: base or data cannot be used, or the loss diverged.
    """
    began = time.monotonic()
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(run.threads)
    set_seed(recipe.seed)
    tokenizer = load_tokenizer(run)
    train_rows = _rows(folder.train_file, tokenizer, recipe, "training")
    evaluation_rows = tokenize_rows(read_rows(folder.evaluation_file), tokenizer, recipe.block_size)
    unheld = _without_evaluation(recipe, evaluation_rows)
    guard = Guard(stop, recipe.early_stop_patience)
    checkpoint = newest_checkpoint(folder.checkpoints)
    options = training_arguments(folder, recipe, has_evaluation=bool(evaluation_rows.rows), is_new=checkpoint is None)
    trainer = _trainer(options, recipe, run, tokenizer, train_rows, evaluation_rows)
    parameters = sum(each.numel() for each in trainer.model.parameters())
    trainable = sum(each.numel() for each in trainer.model.parameters() if each.requires_grad)
    trainer.add_callback(guard)
    trainer.add_callback(Reporter(writer, recipe))
    trainer.add_callback(Sampler(writer, tokenizer, run.sample_prompt, recipe.sample_tokens))

    to_come = _checkpoints_to_come(folder, recipe, checkpoint)
    to_write = disk_to_write(recipe, parameters, trainable, to_come, options.world_size)
    check_disk_left(to_write, shutil.disk_usage(folder.path).free)
    writer.write(
        "resumed" if checkpoint else "started",
        step_of(checkpoint) if checkpoint else 0,
        steps=_planned_steps(recipe, len(train_rows.rows)),
        samples=len(train_rows.rows),
        evaluation_samples=len(evaluation_rows.rows),
        too_long=train_rows.too_long + evaluation_rows.too_long,
        parameters=parameters,
        trainable=trainable,
    )
    if unheld and not checkpoint:
        writer.write("note", 0, message=unheld)
    if stop.is_set:
        writer.write("stopped", step_of(checkpoint) if checkpoint else 0, message="Stopped before its next step.")
        return
    step = _train_on(trainer, checkpoint, recipe)
    if guard.failure:
        raise TrainingFailed(guard.failure)
    if guard.is_stopped:
        writer.write("stopped", step, message=f"Stopped at step {step}, with a checkpoint to resume from.")
        return
    if guard.is_early:
        best = Path(trainer.state.best_model_checkpoint or "").name
        writer.write("stopping_early", step, message=f"The evaluation loss is no longer falling; using {best}.")
    export_model(trainer, tokenizer, folder, run, recipe, writer, step)
    _finish(folder, writer, step, time.monotonic() - began)


def _train_on(trainer: SFTTrainer, checkpoint: Path | None, recipe: TrainingRecipe) -> int:
    """Run the remaining steps, after the checkpoint's if there is one; return the steps done in total."""
    weights = finished_weights(checkpoint, recipe.early_stop_patience) if checkpoint else None
    if checkpoint and weights:
        # The trainer would run one step too many. Only the export was missing, which needs nothing but the weights.
        trainer._load_from_checkpoint(str(weights))
        return step_of(checkpoint)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return int(trainer.state.global_step)


def _rows(path: Path, tokenizer: PreTrainedTokenizerBase, recipe: TrainingRecipe, which: str) -> TokenizedRows:
    found = tokenize_rows(read_rows(path), tokenizer, recipe.block_size)
    left, everything = len(found.rows), len(found.rows) + found.too_long
    if left >= LEAST_SAMPLES:
        return found
    if not found.too_long:
        raise TrainingFailed(
            f"{path.name} has {left} {which} samples; choose a data set that leaves at least {LEAST_SAMPLES}."
        )
    few = "None" if not left else f"Only {left}"
    raise TrainingFailed(
        f"{few} of the {everything:,} {which} samples {'fits' if left < 2 else 'fit'} into {recipe.block_size:,} "
        f"tokens; choose a larger block_size or shorter samples, so that at least {LEAST_SAMPLES} are left."
    )


def _without_evaluation(recipe: TrainingRecipe, held_out: TokenizedRows) -> str:
    """Return a note if the recipe holds samples out but none is usable; empty otherwise.

    Raises:
        TrainingFailed: early stopping needs them.
    """
    if not recipe.evaluation_share or held_out.rows:
        return ""
    found = f"None of the {held_out.too_long:,} held-out samples fits into {recipe.block_size:,} tokens"
    if not held_out.too_long:
        found = "No sample is held out"
    if recipe.early_stop_patience:
        raise TrainingFailed(
            f"{found}, and early stopping compares the loss on them. Choose a larger block_size, a larger "
            "evaluation_share, or early_stop_patience 0."
        )
    return f"{found}, so there is no evaluation loss. A larger block_size or evaluation_share gives one."


def _checkpoints_to_come(folder: TrainingFolder, recipe: TrainingRecipe, newest: Path | None) -> int:
    """Maximum number of checkpoints still to be added to the existing ones."""
    if newest and finished_weights(newest, recipe.early_stop_patience):
        return 0
    return max(1, most_checkpoints(recipe) - len(list(folder.checkpoints.glob("checkpoint-*"))))


def _planned_steps(recipe: TrainingRecipe, samples: int) -> int:
    if recipe.max_steps:
        return recipe.max_steps
    per_epoch = max(1, -(-samples // recipe.batch_size))
    return max(1, -(-int(recipe.epochs * per_epoch * 1000) // 1000))


def _trainer(
    options: SFTConfig,
    recipe: TrainingRecipe,
    run: TrainingRun,
    tokenizer: PreTrainedTokenizerBase,
    train_rows: TokenizedRows,
    evaluation_rows: TokenizedRows,
) -> SFTTrainer:
    adapter = None
    if recipe.method == "lora":
        adapter = LoraConfig(
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
    return SFTTrainer(
        model=load_weights(run, recipe),
        args=options,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(train_rows.rows),
        eval_dataset=Dataset.from_list(evaluation_rows.rows) if evaluation_rows.rows else None,
        peft_config=adapter,
    )


def training_arguments(
    folder: TrainingFolder, recipe: TrainingRecipe, *, has_evaluation: bool, is_new: bool = True
) -> SFTConfig:
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
    return SFTConfig(
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
        activation_checkpointing=recipe.gradient_checkpointing,
        seed=recipe.seed,
        data_seed=recipe.seed,
        # Rows are already tokenized, labelled, and short enough.
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
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
    if recipe.early_stop_patience:
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


def _finish(folder: TrainingFolder, writer: EventWriter, step: int, seconds: float) -> None:
    summary = summarise(read_events(folder.progress_file))
    on_gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    writer.write(
        "finished",
        step,
        seconds=seconds,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        peak_gpu_memory_bytes=on_gpu,
        first_loss=summary.first_loss,
        last_loss=summary.last_loss,
        eval_loss_before=summary.eval_loss_before,
        eval_loss_after=summary.eval_loss_after,
    )
