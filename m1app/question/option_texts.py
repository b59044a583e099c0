"""Where a text quotes options, whatever their case, spacing and punctuation.

The text is cut into words once, and a very long option is compared with all of it at once. So what this takes grows
with the text and with the options, not with their product.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from m1app.question.prompt_text import narrow

# Differences allowed between an option's text and its quotation; a minus sign is significant.
_GAP = re.compile(r"(?:[\s.,;:!?'\"()\[\]{}*_`$/\\‘’“”–—]|(?<=\w)-|-(?=\s))+")
_LETTER = re.compile("[A-Za-z]")
_WORD_CHARACTER = re.compile(r"\w")
_LONG_WORDS = 40
"""Options with more words are compared with the whole text at once; others word by word."""


@dataclass(frozen=True, slots=True)
class OptionReference:
    """A place where a text quotes options; positions count code points."""

    letters: frozenset[str]
    """Keys of the options; several if several share the same text."""
    start: int
    end: int


class OptionTexts:
    """The texts of options, to be found in one text."""

    def __init__(self, text: str, options: Mapping[str, str]) -> None:
        """Args:
        text: with narrow punctuation, see `narrow`.
        options: letter -> text. One whose text is a single letter is never found: "C" means option C whatever the
            texts are.
        """
        self._text = _comparable(text)
        self._options = _words_of_options(tuple(options.items()))
        self._initials = {words[0][0] for _, words in self._options}
        self._starts: list[int] = []
        self._ends: list[int] = []
        if any(len(words) > 1 for _, words in self._options):
            self._cut()
        self._repeated: dict[str, Sequence[int]] = {}

    def at(self, start: int) -> OptionReference | None:
        """The longest option text at a position."""
        if self._text[start : start + 1] not in self._initials:
            return None
        found = [(end, letter) for letter, words in self._options if (end := self._end(letter, words, start))]
        if not found:
            return None
        end = max(found)[0]
        return OptionReference(frozenset(letter for reached, letter in found if reached == end), start, end)

    def _cut(self) -> None:
        place = 0
        for gap in _GAP.finditer(self._text):
            if gap.start() > place:
                self._starts.append(place)
                self._ends.append(gap.start())
            place = gap.end()
        if place < len(self._text):
            self._starts.append(place)
            self._ends.append(len(self._text))

    def _end(self, letter: str, words: Sequence[str], start: int) -> int:
        """Where an option that starts at a position ends; 0 if it does not start there."""
        if not self._text.startswith(words[0], start):
            return 0
        end = start + len(words[0])
        if len(words) > 1:
            number = bisect_right(self._starts, end)
            # The first word must end where a word of the text does.
            is_whole = number == 0 or self._ends[number - 1] <= end
            last = number + len(words) - 2
            is_long_enough = is_whole and last < len(self._starts)
            if not (is_long_enough and self._has(letter, words, number)):
                return 0
            if not self._text.startswith(words[-1], self._starts[last]):
                return 0
            end = self._starts[last] + len(words[-1])
        return 0 if _WORD_CHARACTER.match(self._text, end) else end

    def _has(self, letter: str, words: Sequence[str], number: int) -> bool:
        """Whether the words but the first and last are those of the text from a word on."""
        count = len(words) - 2
        if count <= _LONG_WORDS:
            return all(self._word(number + n) == words[n + 1] for n in range(count))
        if letter not in self._repeated:
            every = [*words[1:-1], "\n", *(self._word(n) for n in range(len(self._starts)))]
            self._repeated[letter] = _prefix_lengths(every)
        return self._repeated[letter][count + 1 + number] >= count

    def _word(self, number: int) -> str:
        return self._text[self._starts[number] : self._ends[number]]


def _prefix_lengths(words: Sequence[str]) -> list[int]:
    """How many words from each place on are those from the beginning: the Z function."""
    lengths = [0] * len(words)
    left = right = 0
    for place in range(1, len(words)):
        length = min(right - place, lengths[place - left]) if place < right else 0
        while place + length < len(words) and words[length] == words[place + length]:
            length += 1
        lengths[place] = length
        if place + length > right:
            left, right = place, place + length
    return lengths


@lru_cache(maxsize=256)
def _words_of_options(options: tuple[tuple[str, str], ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for letter, text in options:
        words = tuple(filter(None, _GAP.split(_comparable(narrow(text)))))
        if words and not _LETTER.fullmatch("".join(words)):
            found.append((letter, words))
    return tuple(found)


def _comparable(text: str) -> str:
    """`text` without differences of case, character for character."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(small if len(small := each.casefold()) == 1 else each.lower()[:1] for each in text)
