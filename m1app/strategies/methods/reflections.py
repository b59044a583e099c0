"""Finds where a thinking turns on itself: at words such as "Wait", and at ends of sentences.

A thinking comes in chunks, and a place in it is a number of tokens, known at the borders of chunks. A word's place is
the last border before it, so that what is before the place does not have the word; the place of a sentence's end is the
first border after it. Words are found as soon as the character after them is known. The words are data, by language.
"""

import re
import tomllib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# Read now, since strategies run on the event loop.
_WORDS = tomllib.loads(files("m1app.strategies.methods").joinpath("reflection_words.toml").read_text(encoding="utf-8"))
_SENTENCE_END = r"[.!?…]['\")\]*_]*(?=\s)|[。！？]"
_LONGEST = 40
"""Characters of the longest word or sentence end."""
_KEPT = 400
"""Characters that are kept for the beginning of a word."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thinking may be looked at."""

    tokens: int
    characters: int
    """Of the thinking before it, whole chunks."""
    is_word: bool
    """Whether a word follows; otherwise a sentence ends."""


class Reflections:
    """Is given a thinking chunk by chunk, and tells the places in it."""

    def __init__(self, words: str = "turns", *, with_sentences: bool = True) -> None:
        """Args:
        words: the list of `reflection_words.toml`.
        with_sentences: whether ends of sentences are places too.
        """
        self._pattern = _pattern(words, with_sentences)
        self._tail, self._tail_begins = "", 0
        self._searched = 0
        """Characters before which nothing more is found."""
        self._characters, self._tokens = [0], [0]
        """Borders of chunks, as far back as the tail."""

    def grow(self, text: str, tokens: int) -> list[Place]:
        """Take a chunk, after which the thinking has `tokens` tokens; return the places that are now known."""
        if len(self._tail) > _KEPT + len(text):
            self._forget()
        self._tail += text
        length = self._tail_begins + len(self._tail)
        self._characters.append(length)
        self._tokens.append(tokens)
        found = []
        for match in self._pattern.finditer(self._tail, self._searched - self._tail_begins):
            if match.end() == len(self._tail):
                break  # It may go on.
            found.append(self._place(match))
            self._searched = self._tail_begins + match.end()
        self._searched = max(self._searched, length - _LONGEST)
        return found

    def _place(self, match: re.Match[str]) -> Place:
        if match.lastgroup == "word":
            at = max(0, bisect_right(self._characters, self._tail_begins + match.start()) - 1)
        else:
            at = min(bisect_left(self._characters, self._tail_begins + match.end()), len(self._characters) - 1)
        return Place(self._tokens[at], self._characters[at], match.lastgroup == "word")

    def _forget(self) -> None:
        cut = len(self._tail) - _KEPT
        self._tail, self._tail_begins = self._tail[cut:], self._tail_begins + cut
        first = max(0, bisect_right(self._characters, self._tail_begins) - 1)
        del self._characters[:first], self._tokens[:first]


@cache
def _pattern(words: str, with_sentences: bool) -> re.Pattern[str]:
    spaced = "|".join(map(re.escape, sorted(_WORDS[words], key=len, reverse=True)))
    unspaced = "|".join(map(re.escape, sorted(_WORDS[f"{words}_without_spaces"], key=len, reverse=True)))
    sentence = f"|(?P<sentence>{_SENTENCE_END})" if with_sentences else ""
    return re.compile(rf"(?P<word>(?<!\w)(?:{spaced})(?!\w)|{unspaced}){sentence}", re.IGNORECASE)
