"""One training, from the prepared folder to the finished model: tokenize, load, train or resume, export."""

import math
import resource
import shutil
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PreTrainedTokenizerBase, TrainingArguments, set_seed
from transformers.utils import logging as transformers_logging

from m1app.training.errors import DataTooLong, TrainingFailed
from m1app.training.estimate import disk_to_write, most_checkpoints
from m1app.training.events import EventWriter, read_events, summarise
from m1app.training.folder import TrainingFolder, TrainingRun, read_rows
from m1app.training.recipe import ALL_LINEAR, Objective, TrainingRecipe
from m1app.training.recipe_check import LEAST_SAMPLES, check_disk_left
from m1app.training.sft.arguments import training_arguments
from m1app.training.sft.base_weights import check_layers, load_tokenizer, load_weights
from m1app.training.sft.callbacks import Guard, Keeper, Reporter, Sampler
from m1app.training.sft.checkpoints import finished_weights, newest_checkpoint, step_of
from m1app.training.sft.choosing import choose_by_accuracy, forget_later_weights
from m1app.training.sft.export import ask_as_trained, export_model
from m1app.training.sft.mean_loss_trainer import MeanLossTrainer
from m1app.training.sft.preference_trainer import PreferenceTrainer
from m1app.training.sft.reward_trainer import RewardTrainer, question_rows, verdict_reward
from m1app.training.sft.stop_request import StopRequest
from m1app.training.sft.tokenized_rows import TokenizedRows, tokenize_rows

Trainer = MeanLossTrainer | PreferenceTrainer | RewardTrainer
_TRAINERS: dict[Objective, type[Trainer]] = {
    "sft": MeanLossTrainer,
    "dpo": PreferenceTrainer,
    "grpo": RewardTrainer,
}


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
    evaluation_rows = _tokenized(folder.evaluation_file, tokenizer, recipe)
    unheld = _without_evaluation(recipe, evaluation_rows)
    guard = Guard(stop, recipe.early_stop_patience)
    checkpoint = newest_checkpoint(folder.checkpoints)
    options = training_arguments(folder, recipe, has_evaluation=bool(evaluation_rows.rows), is_new=checkpoint is None)
    trainer = _trainer(options, recipe, run, tokenizer, train_rows, evaluation_rows)
    parameters = sum(map(_size, trainer.model.parameters()))
    trainable = sum(each.numel() for each in trainer.model.parameters() if each.requires_grad)
    trainer.add_callback(guard)
    trainer.add_callback(Reporter(writer, recipe))
    if recipe.accuracy_set:
        trainer.add_callback(Keeper(writer, folder))
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
    forget_later_weights(folder, step_of(checkpoint) if checkpoint else 0)
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
        _note_early_stop(trainer, recipe, writer, step)
    if recipe.best_by == "accuracy" and not choose_by_accuracy(trainer, folder, writer, step):
        return
    export_model(trainer, tokenizer, folder, run, recipe, writer, step)
    _finish(folder, writer, step, time.monotonic() - began)


def _note_early_stop(trainer: Trainer, recipe: TrainingRecipe, writer: EventWriter, step: int) -> None:
    best = Path(trainer.state.best_model_checkpoint or "").name
    using = f"; using {best}" if recipe.is_best_by_loss else ""
    writer.write("stopping_early", step, message=f"The evaluation loss is no longer falling{using}.")


def _train_on(trainer: Trainer, checkpoint: Path | None, recipe: TrainingRecipe) -> int:
    """Run the remaining steps, after the checkpoint's if there is one; return the steps done in total."""
    if checkpoint and trainer.args.world_size == 1:
        trainer.make_up_for(checkpoint)
    weights = _finished(checkpoint, recipe) if checkpoint else None
    if checkpoint and weights:
        # The trainer would run one step too many. Only the export was missing, which needs nothing but the weights.
        trainer._load_from_checkpoint(str(weights))
        return step_of(checkpoint)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return int(trainer.state.global_step)


def _finished(checkpoint: Path, recipe: TrainingRecipe) -> Path | None:
    return finished_weights(checkpoint, recipe.early_stop_patience, is_best_by_loss=recipe.is_best_by_loss)


def _tokenized(path: Path, tokenizer: PreTrainedTokenizerBase, recipe: TrainingRecipe) -> TokenizedRows:
    if recipe.objective == "grpo":
        return question_rows(read_rows(path), tokenizer, recipe.block_size, recipe.completion_tokens or 0)
    return tokenize_rows(read_rows(path), tokenizer, recipe.block_size)


def _rows(path: Path, tokenizer: PreTrainedTokenizerBase, recipe: TrainingRecipe, which: str) -> TokenizedRows:
    found = _tokenized(path, tokenizer, recipe)
    left, everything = len(found.rows), len(found.rows) + found.too_long
    if left >= LEAST_SAMPLES:
        return found
    if not found.too_long:
        raise DataTooLong(
            f"{path.name} has {left} {which} samples; choose a data set that leaves at least {LEAST_SAMPLES}."
        )
    few = "None" if not left else f"Only {left}"
    raise DataTooLong(
        f"{few} of the {everything:,} {which} samples {'fits' if left < 2 else 'fit'} into {recipe.block_size:,} "
        f"tokens; start again with a larger block_size or shorter samples, so that at least {LEAST_SAMPLES} are left."
    )


def _without_evaluation(recipe: TrainingRecipe, held_out: TokenizedRows) -> str:
    """Return a note if the recipe holds samples out but none is usable; empty otherwise.

    Raises:
        TrainingFailed: early stopping needs them.
    """
    if not recipe.evaluates or held_out.rows:
        return ""
    found = f"None of the {held_out.too_long:,} held-out samples fits into {recipe.block_size:,} tokens"
    if not held_out.too_long:
        found = "No sample is held out"
    if recipe.early_stop_patience:
        raise DataTooLong(
            f"{found}, and early stopping compares the loss on them. Choose a larger block_size, a larger "
            "evaluation_share, other evaluation_data, or early_stop_patience 0."
        )
    return f"{found}, so there is no evaluation loss. A larger block_size or evaluation_share gives one."


def _checkpoints_to_come(folder: TrainingFolder, recipe: TrainingRecipe, newest: Path | None) -> int:
    """Maximum number of checkpoints still to be added to the existing ones."""
    if newest and _finished(newest, recipe):
        return 0
    return max(1, most_checkpoints(recipe) - len(list(folder.checkpoints.glob("checkpoint-*"))))


def _planned_steps(recipe: TrainingRecipe, samples: int) -> int:
    if recipe.max_steps:
        return recipe.max_steps
    per_epoch = max(1, -(-samples // recipe.samples_per_step))
    return max(1, -(-int(recipe.epochs * per_epoch * 1000) // 1000))


def _trainer(
    options: TrainingArguments,
    recipe: TrainingRecipe,
    run: TrainingRun,
    tokenizer: PreTrainedTokenizerBase,
    train_rows: TokenizedRows,
    evaluation_rows: TokenizedRows,
) -> Trainer:
    adapter = None
    if recipe.method == "lora":
        adapter = LoraConfig(
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            target_modules=ALL_LINEAR if recipe.lora_targets == ALL_LINEAR else recipe.lora_targets.split(","),
            modules_to_save=recipe.modules_to_save.split(",") if recipe.modules_to_save else None,
            task_type="CAUSAL_LM",
        )
    model = load_weights(run, recipe)
    check_layers(model, recipe)
    rewards = {}
    if recipe.objective == "grpo":
        ask_as_trained(tokenizer, run)  # The end of the trained turn ends an answer.
        rewards["reward_funcs"] = verdict_reward(tokenizer, run.stop_tokens)
    trainer = _TRAINERS[recipe.objective](
        model=model,
        args=options,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(train_rows.rows),
        eval_dataset=Dataset.from_list(evaluation_rows.rows) if evaluation_rows.rows else None,
        peft_config=adapter,
        **rewards,
    )
    # Over four bits, TRL makes the adapter bfloat16, which loses Adam's small steps.
    for trained in trainer.model.parameters():
        if trained.requires_grad:
            trained.data = trained.data.float()
    return trainer


def _size(weights: torch.Tensor) -> int:
    """Parameters in a tensor; in four bits, two share a byte."""
    state = getattr(weights, "quant_state", None)
    return weights.numel() if state is None else math.prod(state.shape)


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
