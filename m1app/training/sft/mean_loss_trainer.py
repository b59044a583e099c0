"""TRL's trainer of samples, with figures that are comparable: the held-out loss is a mean over tokens, as the training
loss is. The library's is a mean over batches, so that it depends on how samples are dealt out.
"""

from typing import Any

import torch
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTTrainer

from m1app.training.sft.resuming import Resuming


class MeanLossTrainer(Resuming, SFTTrainer):  # type: ignore[misc] # TRL's class is untyped
    """Trains, and reports losses as means over tokens."""

    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[torch.Tensor, None, None]:
        """Return the loss of a batch, and add its samples to those of the evaluation."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        losses = -outputs.log_probs.double().sum(dim=1)
        tokens = outputs.label_mask.sum(dim=1)
        # Of several processes, the last batch repeats samples, which this leaves out.
        self._measured.append(self.accelerator.gather_for_metrics((losses, tokens)))
        return losses.sum() / tokens.sum().clamp(min=1), None, None

    def evaluation_loop(self, *args: Any, **options: Any) -> EvalLoopOutput:
        """Evaluate, with the mean over all tokens as the loss."""
        self._measured: list[tuple[torch.Tensor, torch.Tensor]] = []
        found = super().evaluation_loop(*args, **options)
        tokens = sum(int(count.sum()) for _, count in self._measured)
        if found.metrics is not None and tokens:
            prefix = options.get("metric_key_prefix", "eval")
            found.metrics[f"{prefix}_loss"] = sum(float(losses.sum()) for losses, _ in self._measured) / tokens
        return found
