"""The words of questions, for the search in a published site.

Pure. The words of a text are made in the same way by `page/words.js`; a change here needs one there.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator

SHARDS = 128
"""Files over which words are spread, by their first two characters."""
_WORD = re.compile(r"[^\W_]+")
_MOST_CHARACTERS = 40
"""Of a word; the rest is not indexed."""


def words_of(text: str) -> Iterator[str]:
    """The words of a text in lower case, without accents, in order."""
    plain = unicodedata.normalize("NFKD", text).lower()
    plain = "".join(each for each in plain if not unicodedata.category(each).startswith("M"))
    return (found[0][:_MOST_CHARACTERS] for found in _WORD.finditer(plain))


def shard_of(word: str) -> int:
    """The file that has a word, 0 to `SHARDS` - 1; words that begin with the same two characters share one."""
    first, second = (*map(ord, word[:2]), 0)[:2]
    return (first * 31 + second) % SHARDS


class WordIndex:
    """Which questions have a word: 4 bytes for each word of each question, and the words themselves."""

    def __init__(self) -> None:
        self._places: dict[str, array[int]] = {}

    def add(self, number: int, texts: Iterable[str]) -> None:
        """Index the texts of a question; numbers must ascend."""
        for word in {word for text in texts for word in words_of(text)}:
            self._places.setdefault(word, array("I")).append(number)

    def shards(self) -> Iterator[tuple[int, dict[str, list[int]]]]:
        """Each file's words, with the questions of each as differences from the one before; only files with words."""
        by_shard: dict[int, list[str]] = {}
        for word in sorted(self._places):
            by_shard.setdefault(shard_of(word), []).append(word)
        for shard in sorted(by_shard):
            yield shard, {word: _differences(self._places[word]) for word in by_shard[shard]}


def _differences(numbers: Iterable[int]) -> list[int]:
    made, last = [], 0
    for number in numbers:
        made.append(number - last)
        last = number
    return made
