"""In which order a strategy is told of its requests, so that after a kill it is told in the same.

All events of a strategy are numbered. Of a thinking, the chunks in which it was told are kept too: an early exit looks
at their borders, and has to find the same ones again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from m1app.strategies.protocol import Grew

_NUMBERS_OF_A_CHUNK = 3


@dataclass(frozen=True, slots=True)
class Told:
    """The events that told of a request."""

    number: int = 0
    """Of the event at its end; 0 if it is not known."""
    chunks: tuple[int, ...] = field(default=(), repr=False)
    """Of a thinking, three numbers for each `Grew`: how many events after the one before it, twice the tokens that it
    added, plus 1 for a "Wait", and the characters."""
    rest: str = field(default="", repr=False)
    """Text of the thinking that was told, and lies after the place where it was closed."""


@dataclass(slots=True)
class Chunks:
    """Notes the chunks in which a thinking is told."""

    numbers: list[int] = field(default_factory=list)
    """See `Told.chunks`."""
    _last_number: int = 0
    _tokens: int = 0

    @classmethod
    def after(cls, told: Told) -> "Chunks":
        """Those of a thinking that has been told so far, to go on from there."""
        numbers, added = told.chunks[::_NUMBERS_OF_A_CHUNK], told.chunks[1::_NUMBERS_OF_A_CHUNK]
        return cls(list(told.chunks), sum(numbers), sum(each // 2 for each in added))

    @property
    def tokens(self) -> int:
        """Tokens of the thinking that have been told."""
        return self._tokens

    def note(self, number: int, grew: Grew) -> None:
        """Note the event with this number."""
        added = 2 * (grew.tokens - self._tokens) + grew.is_inserted
        self.numbers += (number - self._last_number, added, len(grew.text))
        self._last_number, self._tokens = number, grew.tokens


def told_again(key: str, told: Told, text: str, confidences: Sequence[float]) -> list[tuple[int, Grew]]:
    """The events that told of a thinking, with their numbers.

    Args:
        key: of the thinking.
        told: how it was told.
        text: of the thinking up to where it ended.
        confidences: of all its generated tokens, or empty.
    """
    text += told.rest
    events: list[tuple[int, Grew]] = []
    number = tokens = characters = place = 0
    for at in range(0, len(told.chunks), _NUMBERS_OF_A_CHUNK):
        after, doubled, length = told.chunks[at : at + _NUMBERS_OF_A_CHUNK]
        added, is_inserted = divmod(doubled, 2)
        of_tokens = () if is_inserted else tuple(confidences[place : place + added])
        number, tokens, place = number + after, tokens + added, place + len(of_tokens)
        part = text[characters : characters + length]
        characters += length
        events.append((number, Grew(key, tokens, part, of_tokens, is_inserted=bool(is_inserted))))
    return events
