"""How much each sentence of a thinking mattered, from the answers that its pass gave along the way. Pure.

After "Thought Anchors" (arXiv 2506.19143), whose measures need many rollouts a sentence. This one needs none: a sweep
has asked for the options' probabilities at its cuts, and what a sentence changed is how far the final answer's letter
moved between its two ends. Between two cuts the movement is spread evenly over the text, so it is exact only for the
stretch between them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from m1app.question.sentences import Span, sentences
from m1app.runs.sweep_reading import PassSnapshot, trajectory
from m1app.strategies.methods.passes import normalized
from m1app.targets import has_several
from storage.annotations.records import Case
from storage.traces.records import Checkpoint, Trace


@dataclass(frozen=True, slots=True)
class Reading:
    """How probable the final letter was at a cut."""

    characters: int
    """Of the thinking before the cut, in code points."""
    tokens: int
    probability: float
    """Among the options, 0 to 1."""


@dataclass(frozen=True, slots=True)
class SentenceChange:
    """One sentence of a thinking."""

    start: int
    """In code points of the thinking."""
    end: int
    change: float | None
    """Of the final letter's probability over the sentence, -1 to 1; None if no cuts enclose any of it."""
    before: Reading | None = None
    """The last cut at or before its beginning; None if the thinking was first cut later."""
    after: Reading | None = None
    """The first cut at or after its end; None if there is none."""


def readings_of(case: Case, trace: Trace, checkpoints: Sequence[Checkpoint]) -> tuple[Reading, ...]:
    """The probability of a case's letter at each cut of its pass up to the case; empty where it is not known.

    Args:
        case: an answer of a sweep.
        trace: its pass.
        checkpoints: all answers of the pass.
    """
    letter = case.letter
    # Probabilities of single letters say nothing about a set of them.
    if letter is None or has_several(case.question.target):
        return ()
    found = []
    for each in trajectory(PassSnapshot(trace, tuple(checkpoints))):
        probability = normalized(each.option_probabilities).get(letter)
        if probability is not None and each.cut_characters <= len(case.thinking_text):
            found.append(Reading(each.cut_characters, each.cut_tokens, probability))
    return tuple(found)


def sentence_changes(text: str, readings: Sequence[Reading]) -> tuple[SentenceChange, ...]:
    """Every sentence of a thinking in order, with what it changed.

    Args:
        text: the thinking.
        readings: by characters, each place once; fewer than two say nothing.
    """
    spans = sentences(text)
    if len(readings) < 2:
        return tuple(SentenceChange(*span, None) for span in spans)
    places = [each.characters for each in readings]
    return tuple(_change(span, readings, places) for span in spans)


def _change(span: Span, readings: Sequence[Reading], places: Sequence[int]) -> SentenceChange:
    start, end = max(span[0], places[0]), min(span[1], places[-1])
    if start >= end:
        return SentenceChange(*span, None)
    moved = _probability_at(end, readings, places) - _probability_at(start, readings, places)
    before = bisect_right(places, start) - 1
    after = min(bisect_right(places, end - 1), len(places) - 1)
    return SentenceChange(*span, moved, readings[before], readings[after])


def _probability_at(place: int, readings: Sequence[Reading], places: Sequence[int]) -> float:
    """Between two cuts, in proportion to the characters."""
    after = min(max(1, bisect_right(places, place)), len(places) - 1)
    first, last = readings[after - 1], readings[after]
    share = (place - first.characters) / max(1, last.characters - first.characters)
    return first.probability + (last.probability - first.probability) * min(1.0, max(0.0, share))


def deciding(changes: Sequence[SentenceChange]) -> SentenceChange | None:
    """The sentence over which the letter that was answered rose most; None if it rose over none."""
    rising = [each for each in changes if each.change is not None and each.change > 0]
    return max(rising, key=lambda each: each.change or 0.0, default=None)
