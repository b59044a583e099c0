"""TRL's trainer of samples, with two differences.

The held-out loss is a mean over tokens, as the training loss is; the library's is a mean over batches, so that it
depends on how samples are dealt out. And samples that are grouped by length stay in the step that they were drawn for;
the library makes steps of samples of one length, in an order that a resumed training would not see again.
"""

from typing import Any

import torch
from torch.utils.data import Dataset, Sampler
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTTrainer

from m1app.training.sft.resuming import Resuming
from m1app.training.sft.steps_by_length import StepsByLength


class MeanLossTrainer(Resuming, SFTTrainer):  # type: ignore[misc] # TRL's class is untyped
    """Trains, and reports losses as means over tokens."""

    def _get_train_sampler(self, train_dataset: Dataset[Any] | None = None) -> Sampler[int] | None:
        if self.args.train_sampling_strategy != "group_by_length":
            found: Sampler[int] | None = super()._get_train_sampler(train_dataset)
            return found
        lengths = [len(ids) for ids in self.train_dataset["input_ids"]]
        of_each = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps
        return StepsByLength(lengths, of_each * self.args.world_size, self.args.data_seed)

    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[torch.Tensor, None, None]:
        """Return the loss of a batch, and add its samples to those of the evaluation."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        losses = _sums(-outputs.log_probs.double(), inputs)
        tokens = _sums(outputs.label_mask, inputs)
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


def _sums(values: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
    """The sum over the tokens of each sample, whether samples have rows of their own or are packed into one.

    Args:
        values: of each predicted token, (rows, tokens - 1).
        inputs: the batch; packed, it says where its samples begin.
    """
    if "cu_seq_lens_q" not in inputs:
        return values.sum(dim=1)
    lengths = inputs["cu_seq_lens_q"].diff().tolist()
    lengths[-1] -= 1  # Nothing is predicted after the last token.
    return torch.stack([each.sum() for each in values[0].split(lengths)])
