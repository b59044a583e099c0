"""Where the answer of a pass changed, and the sentence of its thinking to read about it.

Pure: works on snapshots, running or stored. What decided an answer cannot be known from outside the model. So a flip
says what its sentence is: one that states the new answer, or where the probability of the option moved most.
"""

import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from m1app.question.answers.claims import How
from m1app.question.answers.extraction import extract_answer
from m1app.question.sentences import Span, sentences
from m1app.runs.sweep_reading import PassSnapshot, trajectory
from m1app.targets import has_several, letters_of
from m1app.wording import percent
from storage.traces.records import Checkpoint

_STATEMENTS = (How.BOXED, How.FIELD, How.STATED, How.MARKED)
"""A mere mention is none, nor is an option by itself on a line, as in a list of them."""
_MOST_READ = 200
"""Sentences that are read for one flip, back from where the answer changed: reading one takes about a millisecond."""

_LONGEST_SENTENCE = 1000
"""Code points of a sentence that count, the last ones: a model that never ends one would have all of it read for every
flip."""
_LONGEST_STRETCH = 300
"""Code points that are shown where no single sentence stands out."""


class FlipKind(StrEnum):
    """Kind of an answer change."""

    WRONG_TO_RIGHT = "wrong to right"
    RIGHT_TO_WRONG = "right to wrong"
    CHOSEN = "option chosen"
    """No option was chosen before; now one is, which is wrong or unscored."""
    NONE_CHOSEN = "no option chosen"
    """No option is chosen any more; the one before was not right."""
    CHANGED = "changed"
    """From one wrong or unscored answer to another."""


class SentenceBasis(StrEnum):
    """Why a flip shows its sentence and no other."""

    STATED = "stated"
    """It states the new answer."""
    PROBABILITY = "probability"
    """No sentence states it; between two checkpoints around the sentence, the option's probability moved most."""
    LAST = "last"
    """No sentence states it, and no probability moved its way: the last sentence before the answer changed, or, of
    several right options, the last one that names an option that was added."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A point where the answer changed."""

    before: Checkpoint
    after: Checkpoint
    kind: FlipKind
    sentence: str
    start: int
    """Start of the sentence in the thinking text, in code points."""
    end: int
    basis: SentenceBasis
    why: str
    """The basis in words for users."""


@dataclass(frozen=True, slots=True)
class _Place:
    span: Span
    basis: SentenceBasis
    why: str


def flips(run: PassSnapshot) -> tuple[Flip, ...]:
    """Every answer change along the trajectory, in order."""
    points, found = trajectory(run), list[Flip]()
    thinking, begins = _Thinking(run), 0
    for at, (before, after) in enumerate(itertools.pairwise(points), 1):
        if before.letter == after.letter:
            continue
        place = thinking.place(points[begins : at + 1])
        start, end = place.span
        text = run.trace.thinking_text[start:end]
        found.append(Flip(before, after, _kind(before, after), text, start, end, place.basis, place.why))
        begins = at
    return tuple(found)


def _kind(before: Checkpoint, after: Checkpoint) -> FlipKind:
    if after.is_correct and not before.is_correct:
        return FlipKind.WRONG_TO_RIGHT
    if before.is_correct and not after.is_correct:
        return FlipKind.RIGHT_TO_WRONG
    if before.letter is None:
        return FlipKind.CHOSEN
    return FlipKind.NONE_CHOSEN if after.letter is None else FlipKind.CHANGED


class _Thinking:
    """The sentences of a pass."""

    def __init__(self, run: PassSnapshot) -> None:
        self._text = run.trace.thinking_text
        self._options: Mapping[str, str] = run.trace.question.options
        self._are_several = has_several(run.trace.question.target)
        self._names_option = _option_names(self._options)
        self._spans = sentences(self._text)
        self._begins, self._ends = [start for start, _ in self._spans], [end for _, end in self._spans]

    def place(self, points: Sequence[Checkpoint]) -> _Place:
        """What to read about a flip.

        Args:
            points: checkpoints since the answer before the flip was first given; the last one has the new answer.
        """
        *_, before, after = points
        between = self._between(before.cut_characters, after.cut_characters)
        if after.letter and (span := self._stated(between, after.letter)):
            return _Place(span, SentenceBasis.STATED, f"It states {after.letter}.")
        if self._are_several:
            # A probability says which option is named first, not which are chosen.
            added = sorted(set(letters_of(after.letter)) - set(letters_of(before.letter)))
            if spans := [span for letter in added if (span := self._naming(between, letter))]:
                words = f"No sentence states it. This is the last sentence that names {' or '.join(added)}."
                return _Place(max(spans), SentenceBasis.LAST, words)
        elif moved := _largest_move(points):
            within = self._between(moved.before.cut_characters, moved.after.cut_characters)
            span = self._naming(within, moved.letter) or _stretch(within) or _cut_span(moved.after)
            return _Place(span, SentenceBasis.PROBABILITY, moved.words)
        span = between[-1] if between else _cut_span(after)
        return _Place(
            span, SentenceBasis.LAST, "No sentence states it. This is the last sentence before the answer changed."
        )

    def _between(self, start: int, end: int) -> list[Span]:
        """Sentences that have text between two cuts; the last one only as far as the cut."""
        first, last = bisect_right(self._ends, start), bisect_left(self._begins, end)
        spans = [(begin, min(stop, end)) for begin, stop in self._spans[first:last]]
        spans = [(max(begin, stop - _LONGEST_SENTENCE), stop) for begin, stop in spans]
        return [(begin, stop) for begin, stop in spans if self._text[begin:stop].strip()]

    def _stated(self, spans: Sequence[Span], letter: str) -> Span | None:
        """The sentence that first states what is stated from then on; None if the last statement is another one."""
        found = None
        naming = [(a, b) for a, b in spans if self._names_option.search(self._text, a, b)]
        for start, end in naming[: -_MOST_READ - 1 : -1]:
            if (stated := self._statement(self._text[start:end])) == letter:
                found = (start, end)
            elif stated is not None:
                break
        return found

    def _statement(self, sentence: str) -> str | None:
        read = extract_answer(sentence, self._options, are_several=self._are_several)
        return read.letter if read.how in _STATEMENTS else None

    def _naming(self, spans: Sequence[Span], letter: str) -> Span | None:
        named = self._options.get(letter, "").strip().casefold()
        naming = [(a, b) for a, b in spans if named and named in self._text[a:b].casefold()]
        return naming[-1] if naming else None


@dataclass(frozen=True, slots=True)
class _Move:
    """How the probability of an option moved between two checkpoints."""

    letter: str
    before: Checkpoint
    after: Checkpoint
    size: float
    """Above 0: it rose for an option that was chosen, or fell for one that no longer is."""

    @property
    def words(self) -> str:
        low, high = (percent(_probability(each, self.letter) or 0.0) for each in (self.before, self.after))
        cuts = f"between {self.before.cut_tokens:,} and {self.after.cut_tokens:,} tokens"
        return f"No sentence states it. Here the probability of {self.letter} moved most: from {low} to {high} {cuts}."


def _largest_move(points: Sequence[Checkpoint]) -> _Move | None:
    """The last of the largest moves towards the new answer; None if there was none, or no probabilities are known."""
    after = points[-1]
    letter, way = (after.letter, 1) if after.letter else (points[-2].letter, -1)
    moves = []
    for earlier, later in itertools.pairwise(points):
        low, high = _probability(earlier, letter), _probability(later, letter)
        if letter and low is not None and high is not None and (high - low) * way > 0:
            moves.append(_Move(letter, earlier, later, (high - low) * way))
    return max(reversed(moves), key=lambda move: move.size, default=None)


def _probability(kept: Checkpoint, letter: str | None) -> float | None:
    return (kept.option_probabilities or {}).get(letter or "")


def _option_names(options: Mapping[str, str]) -> re.Pattern[str]:
    """What a sentence that states an answer has at least: a letter by itself, or the longest word of an option."""
    letters = "".join(map(re.escape, options)) + "".join(each.lower() for each in options if each not in "AI")
    words = {max(found, key=len) for text in options.values() if (found := re.findall(r"\w+", text))}
    any_word = "|".join(map(re.escape, sorted(words))) or r"(?!)"
    return re.compile(rf"(?<!\w)[{letters or ' '}](?!\w)|(?i:{any_word})")


def _stretch(spans: Sequence[Span]) -> Span | None:
    """All of the sentences, or the last ones if they are long: which of them counted is not known."""
    if not spans:
        return None
    end = spans[-1][1]
    starts = [start for start, _ in spans if end - start <= _LONGEST_STRETCH]
    return (starts[0] if starts else spans[-1][0], end)


def _cut_span(kept: Checkpoint) -> Span:
    return kept.cut_characters, kept.cut_characters
