"""The order of samples whose steps are sorted by length, so that micro-batches need little padding.

A step has the samples that it would have without this, so that neither its loss nor its gradient changes.
"""

from collections.abc import Iterator, Sequence

from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import Sampler


class StepsByLength(Sampler[int]):  # type: ignore[misc] # torch's class is untyped
    """Draws the order of an epoch from the seed and the epoch alone: a resumed training sees the same."""

    def __init__(self, lengths: Sequence[int], samples_per_step: int, seed: int) -> None:
        """Args:
        lengths: tokens of each sample.
        samples_per_step: over all devices.
        seed: of the order.
        """
        self._lengths = lengths
        self._samples_per_step = samples_per_step
        # The one that the trainer draws from otherwise.
        self._order = SeedableRandomSampler(range(len(lengths)), data_seed=seed)

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the begin of every epoch."""
        self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """The longest first in each step: memory that does not suffice shows at once."""
        order = list(self._order)
        for start in range(0, len(order), self._samples_per_step):
            step = order[start : start + self._samples_per_step]
            yield from sorted(step, key=lambda index: self._lengths[index], reverse=True)
