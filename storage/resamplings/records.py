"""Resamplings as plain values: standard library only.

A resampling is a strategy run of its own kind: the run has question, model, settings, ledger and outcome; this has
which sentence it is about.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResampling:
    """A sentence, and the thinking on both sides of it from which rollouts go on."""

    trace_id: str
    checkpoint_id: str | None
    """The answer of a sweep whose letter it is about; None for the trace's own."""
    start: int
    """Of the sentence, in code points of the thinking."""
    end: int
    sentence: str
    letter: str
    """That the case answered."""
    seeds: int
    """Of each side."""
    before_ids: tuple[int, ...] = field(repr=False)
    """The thinking before the sentence."""
    after_ids: tuple[int, ...] = field(repr=False)
    """The same with the sentence."""
    before_text: str
    """The end of the text of `before_ids`."""
    after_text: str
    before_rounds: int
    """Forced rounds that are left before the sentence."""
    after_rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling(NewResampling):
    """A stored resampling."""

    run_id: str
