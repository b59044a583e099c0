"""TRL's trainer of preference pairs (DPO, arXiv 2305.18290) with two differences.

The pairs come as token ids, tokenized like samples: the library would render and tokenize them anew. And held-out
margin and accuracy are means over pairs; the library's are means over batches, of which the last may be small.
"""

from typing import Any

import torch
from datasets import Dataset
from transformers.trainer_utils import EvalLoopOutput
from trl import DPOTrainer

from m1app.training.sft.resuming import Resuming

_MEASURES = ("rewards/margins", "rewards/accuracies")


class PreferenceTrainer(Resuming, DPOTrainer):  # type: ignore[misc] # TRL's class is untyped
    """Trains on tokenized pairs: prompt_ids, chosen_ids, rejected_ids."""

    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[torch.Tensor, None, None]:
        """Return the loss of a batch, and note how many pairs its figures are of."""
        loss, _, _ = super().prediction_step(model, inputs, True, ignore_keys)
        # A batch has the chosen responses first, then the rejected ones.
        self._pairs.append(inputs["input_ids"].shape[0] // 2)
        return loss, None, None

    def evaluation_loop(self, *args: Any, **options: Any) -> EvalLoopOutput:
        """Evaluate, with means over pairs."""
        self._pairs: list[int] = []
        self._metrics["eval"].clear()
        found = super().evaluation_loop(*args, **options)
        measured = self._metrics["eval"]
        for name in _MEASURES:
            of_batches = zip(measured[name], self._pairs, strict=True)
            measured[name] = [sum(value * pairs for value, pairs in of_batches) / max(1, sum(self._pairs))]
        return found

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset
