"""Samples with the same question or nearly the same one, to be read side by side."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from m1app.question_sets.overlap import Text, find_near_duplicates
from m1app.training.curation_steps import comparable_text
from m1app.training.sample_index import IndexedSample, SampleIndex
from m1app.training.samples import question_hash

MOST_WORDS = 3_000
"""Words of a text that are compared; longer ones are shown without their differences."""
_PIECE = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class SamplePair:
    """Two samples with the same question, or nearly."""

    first: IndexedSample
    second: IndexedSample
    share: float
    """Share of 8-word runs in common; 1 for the same question."""
    is_same: bool
    """Whether case, spacing and the order of options are all that differs."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, and whether the other text has it too."""

    text: str
    is_shared: bool


def find_pairs(index: SampleIndex) -> tuple[SamplePair, ...]:
    """All pairs: those with the same question first, with what was left out as a duplicate; then the closest.

    A sample that repeats a question is paired with the first one only. Near duplicates are looked for among what is
    kept.
    """
    firsts: dict[str, IndexedSample] = {}
    same: list[SamplePair] = []
    for each in (entry for entry in index.all if entry.is_kept or entry.step == "deduplicate"):
        sample = index.sample(each)
        first = firsts.setdefault(question_hash(sample.question, sample.options), each)
        if first is not each:
            same.append(SamplePair(first, each, 1.0, is_same=True))
    kept = [each for each in firsts.values() if each.is_kept]
    texts = [index.sample(each) for each in kept]
    near = find_near_duplicates([Text(comparable_text(each.question, each.options)) for each in texts])
    return (*same, *(SamplePair(kept[m.first], kept[m.second], m.share, is_same=False) for m in near))


def differences(first: str, second: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces that say what the other one has too, by words."""
    ours, theirs = _PIECE.findall(first), _PIECE.findall(second)
    if max(len(ours), len(theirs)) > 2 * MOST_WORDS:
        return [Piece(first, is_shared=True)], [Piece(second, is_shared=True)]
    matcher = SequenceMatcher(None, _folded(ours), _folded(theirs), autojunk=False)
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        for found, pieces, part in ((left, ours, (start, end)), (right, theirs, (other_start, other_end))):
            if text := "".join(pieces[slice(*part)]):
                found.append(Piece(text, is_shared=kind == "equal"))
    return left, right


def _folded(pieces: Sequence[str]) -> list[str]:
    return [" " if each.isspace() else each.casefold() for each in pieces]
