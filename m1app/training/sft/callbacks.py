"""Trainer callbacks: events for the app, stopping, sample answers."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from m1app.training.events import EventWriter, evaluation_losses, should_stop_early
from m1app.training.folder import TrainingFolder
from m1app.training.recipe import TrainingRecipe
from m1app.training.sft.checkpoints import keep_weights
from m1app.training.sft.processes import is_so_anywhere
from m1app.training.sft.stop_request import StopRequest
from m1app.training.sft.tokenized_rows import token_ids


class Reporter(TrainerCallback):  # type: ignore[misc] # transformers' class is untyped
    """Writes an event for every step, evaluation and checkpoint, with rates that count steps only."""

    def __init__(self, writer: EventWriter, recipe: TrainingRecipe) -> None:
        self._writer = writer
        self._recipe = recipe
        self._begun_at = 0.0
        self._seconds = 0.0
        self._steps = 0
        self._tokens_before: float | None = None
        self._rate: float | None = None

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the step's clock."""
        self._begun_at = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop the clock, and have the last step evaluated."""
        self._seconds += time.monotonic() - self._begun_at
        self._steps += 1
        if state.global_step >= state.max_steps and args.eval_strategy != "no":
            control.should_evaluate = True

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any
    ) -> None:
        """Report a step's figures; ignore other logs."""
        if "loss" not in logs or not self._steps:
            return
        per_step = self._seconds / self._steps
        self._writer.write(
            "log",
            state.global_step,
            loss=_finite(logs["loss"]),
            learning_rate=logs.get("learning_rate"),
            gradient_norm=_finite(logs.get("grad_norm")),
            epoch=logs.get("epoch"),
            tokens=logs.get("num_tokens"),
            samples_per_second=self._recipe.batch_size / per_step,
            tokens_per_second=self._tokens_per_second(logs.get("num_tokens")),
            seconds_left=per_step * (state.max_steps - state.global_step),
            **figures_of(logs),
        )

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, metrics: dict[str, Any], **_: Any
    ) -> None:
        """Report the evaluation loss."""
        found = figures_of(metrics, "eval_")
        self._writer.write("evaluated", state.global_step, eval_loss=_finite(metrics.get("eval_loss")), **found)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Report that a checkpoint was saved."""
        self._writer.write("checkpoint", state.global_step, folder=f"checkpoint-{state.global_step}")

    def _tokens_per_second(self, tokens: float | None) -> float | None:
        """Over all steps except this process's first, a warm-up; the trainer counts tokens from there."""
        if tokens is None:
            return None
        if self._tokens_before is None:
            self._tokens_before, self._seconds_before = tokens, self._seconds
            return tokens / self._seconds if self._steps == 1 and self._seconds else None
        return (tokens - self._tokens_before) / max(1e-9, self._seconds - self._seconds_before)


class Guard(TrainerCallback):  # type: ignore[misc]
    """Ends training: on request, on failure, or when it no longer improves."""

    def __init__(self, stop: StopRequest, patience: int) -> None:
        self._stop = stop
        self._patience = patience
        self.failure = ""
        """Why it must not continue; empty if all is well."""
        self.is_stopped = False
        """Whether a stop request ended it before its last step."""
        self.is_early = False
        """Whether early stopping ended it."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Save and stop if requested."""
        # All must end at the same step.
        if state.global_step < state.max_steps and is_so_anywhere(self._stop.is_set, args):
            self.is_stopped = True
            control.should_save = control.should_training_stop = True
            # Made up for at the resume; several processes cannot, and evaluate before they save.
            control.should_evaluate = control.should_evaluate and args.world_size > 1

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any
    ) -> None:
        """Stop on a NaN loss or gradient; possibly corrupted weights are not saved."""
        wrong = [name for name in ("loss", "grad_norm") if not math.isfinite(float(logs.get(name) or 0.0))]
        if not wrong:
            return
        what = "The loss" if wrong[0] == "loss" else "The gradient"
        self.failure = (
            f"{what} is no longer a number at step {state.global_step}. Choose a lower learning rate or a longer "
            "warm-up, and look for damaged samples; earlier checkpoints are kept."
        )
        control.should_training_stop = True
        control.should_save = control.should_evaluate = False

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop if the held-out loss has not improved within the recipe's patience."""
        losses = evaluation_losses(state.log_history)
        if should_stop_early(losses, self._patience) and state.global_step < state.max_steps:
            self.is_early = True
            control.should_training_stop = True


class Keeper(TrainerCallback):  # type: ignore[misc]
    """Keeps the weights of every checkpoint until the app has asked them; asking happens in other processes."""

    def __init__(self, writer: EventWriter, folder: TrainingFolder) -> None:
        self._writer = writer
        self._folder = folder

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Save where early stopping ends it, so that the last weights are asked too."""
        control.should_save = control.should_save or control.should_training_stop

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Keep the checkpoint's weights, on the first of several processes; without them the training goes on."""
        if not state.is_world_process_zero:
            return
        step = state.global_step
        try:
            keep_weights(Path(str(args.output_dir)) / f"checkpoint-{step}", self._folder.weights_to_ask(step))
        except OSError as exc:
            message = f"The accuracy at step {step:,} cannot be measured: its weights cannot be kept ({exc})."
            self._writer.write("unmeasured", step, message=message)


class Sampler(TrainerCallback):  # type: ignore[misc]
    """Lets the model answer one question at every evaluation, so that users can follow what it learns."""

    def __init__(self, writer: EventWriter, tokenizer: PreTrainedTokenizerBase, prompt: str, most_tokens: int) -> None:
        self._writer = writer
        self._tokenizer = tokenizer
        self._prompt = prompt
        self._most_tokens = most_tokens

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        """Greedy, so that answers differ only by what was learned; several processes generate it together."""
        if not (self._prompt and self._most_tokens):
            return
        prompt = torch.tensor([token_ids(self._tokenizer, self._prompt)], device=model.device)
        was_training = model.training
        model.eval()
        with torch.no_grad():
            found = model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=self._most_tokens,
                do_sample=False,
                use_cache=True,
                pad_token_id=self._tokenizer.pad_token_id,
            )[0, prompt.shape[1] :]
        model.train(was_training)
        text = self._tokenizer.decode(found, skip_special_tokens=False)
        self._writer.write("sample", state.global_step, prompt=self._prompt, text=text, tokens=len(found))


_FIGURES = {
    "reward_margin": "rewards/margins",
    "pair_accuracy": "rewards/accuracies",
    "reward": "reward",
    "completion_tokens": "completions/mean_length",
    "cut_share": "completions/clipped_ratio",
}
"""Figures of DPO and GRPO: our names and the library's."""


def figures_of(logs: Mapping[str, Any], prefix: str = "") -> dict[str, float | None]:
    """What a trainer's log says of preference pairs, or of answers that the model wrote; empty for SFT."""
    return {ours: _finite(logs[prefix + theirs]) for ours, theirs in _FIGURES.items() if prefix + theirs in logs}


def _finite(value: Any) -> float | None:
    """JSON has no NaN."""
    return float(value) if value is not None and math.isfinite(float(value)) else None
