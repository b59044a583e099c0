"""What every trainer here does unlike the library: the first step learns at a rate above 0, and an evaluation that a
stop left out is made up for when the training resumes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer
from transformers.trainer_callback import TrainerState

from m1app.training.sft.checkpoints import STATE_FILE

Shape = Callable[[int], float]


class Resuming(Trainer):  # type: ignore[misc] # transformers' class is untyped
    """Comes before one of TRL's trainers among the bases of a class."""

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        """Shift the warm-up by a step: the library's begins at a rate of 0, which learns nothing."""
        scheduler = super().create_scheduler(num_training_steps, optimizer)
        steps = self.args.get_warmup_steps(num_training_steps)
        if isinstance(scheduler, LambdaLR) and steps:
            shapes = [_warmed(shape, steps) for shape in scheduler.lr_lambdas]
            self.lr_scheduler = LambdaLR(scheduler.optimizer, shapes)
        return self.lr_scheduler

    def make_up_for(self, checkpoint: Path) -> None:
        """Make the evaluation that a stop at this checkpoint left out, and note it there as if it had been made.

        Does nothing if the step was not to be evaluated, or was. Of one process: several make it before they stop.
        """
        state = TrainerState.load_from_json(str(checkpoint / STATE_FILE))
        if not self._is_missing(state):
            return
        self._load_from_checkpoint(str(checkpoint))
        self.state = self.callback_handler.state = state
        self.state.init_training_references(self, state.max_steps, int(state.num_train_epochs), None)
        metrics = self.evaluate()
        if self._determine_best_metric(metrics, None):
            self.state.best_model_checkpoint = str(checkpoint)
        draft = checkpoint / f"{STATE_FILE}.new"
        self.state.save_to_json(str(draft))
        draft.replace(checkpoint / STATE_FILE)

    def _is_missing(self, state: TrainerState) -> bool:
        step = int(state.global_step)
        if self.args.eval_strategy == "no" or not step or step % int(self.args.eval_steps):
            return False
        return not any("eval_loss" in log and log["step"] == step for log in state.log_history)


def _warmed(shape: Shape, steps: int) -> Shape:
    """The shape of a learning rate over the steps, with a warm-up that begins above 0.

    A plain function: checkpoints would keep an object, and refuse to load it.
    """
    return lambda step: (step + 1) / (steps + 1) if step < steps else shape(step)
