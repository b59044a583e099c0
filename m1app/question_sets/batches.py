"""Batches of values that together are small enough for one message."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

BATCH_VALUES = 1000
BATCH_CHARACTERS = 1_000_000
_T = TypeVar("_T")


def batches(values: Iterable[_T], length: Callable[[_T], int]) -> Iterator[list[_T]]:
    """Group values in order: up to 1,000, and up to a million characters unless a single value is longer."""
    batch: list[_T] = []
    characters = 0
    for value in values:
        added = length(value)
        if batch and (len(batch) == BATCH_VALUES or characters + added > BATCH_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(value)
        characters += added
    if batch:
        yield batch
