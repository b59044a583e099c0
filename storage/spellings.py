"""Other spellings of a word of medicine: British and American, and the names of a drug in different countries.

`spellings.toml` holds the data and its sources. Four kinds, from certain to general:

- drugs: groups of whole names;
- words: pairs of whole words. "-our" and "-or", "-re" and "-er" are only here, because as a rule they would also pair
  words with different meanings;
- ligatures: "œ" and "æ" for "oe" and "ae";
- parts: a pair of letters in any word ("haemo", "hemo"), and "-ise" with its forms. What they make of a word that they
  do not fit is no word, and finds nothing.

A query is widened, not the index: so nothing is indexed again when the data change.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

MAX_SPELLINGS = 24
"""Maximum spellings of one word. No word of the data has more."""

_MIN_LISTED_BEGINNING = 4
"""Shortest beginning that finds drugs and listed words by other names; shorter ones begin too many words."""
_MIN_PART_BEGINNING = 3
_MIN_PART_FRAGMENT = 2
_LETTERS_BEFORE_INSIDE = 2
"""How many letters stand at least before a part inside of a word."""

_ENDINGS_OF_ISE = ("e", "ed", "er", "ers", "es", "ing", "able", "ation", "ations", "ational")
_LIGATURES = (("œ", "oe"), ("æ", "ae"))
"""French and older English texts have them; no accent is taken off them."""
_ISE = re.compile(r"(.{3,})i([sz])([aei].*|)")


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way of writing a word."""

    text: str
    is_beginning: bool
    """Whether words that only begin with it are meant too."""


class _Part(NamedTuple):
    british: str
    american: str
    is_at_start: bool


@dataclass(frozen=True, slots=True)
class _Data:
    parts: Sequence[_Part]
    others: Mapping[str, Sequence[str]]
    """Other names of whole words."""
    listed: Sequence[str]
    """The keys of `others`, sorted."""


def spellings_of(word: str) -> list[Spelling]:
    """The ways of writing a whole word, itself first.

    Args:
        word: as from `search.words_of`.
    """
    plain = _without_ligatures(word)
    found = _with_ligatures(dict.fromkeys([word, plain, *_data().others.get(plain, ()), *_rewritten(plain)]))
    return [Spelling(text, is_beginning=False) for text in list(found)[:MAX_SPELLINGS]]


def spellings_of_beginning(word: str) -> list[Spelling]:
    """The ways of writing the beginning of a word, itself first."""
    plain = _without_ligatures(word)
    beginnings = dict.fromkeys([word, plain, *_rewritten(plain, is_beginning=True), *_completed(plain)])
    found = [Spelling(text, is_beginning=True) for text in _with_ligatures(beginnings)]
    found += [Spelling(text, is_beginning=False) for text in _with_ligatures(_listed_from(plain))]
    return found[:MAX_SPELLINGS]


def _without_ligatures(word: str) -> str:
    for ligature, letters in _LIGATURES:
        word = word.replace(ligature, letters)
    return word


def _with_ligatures(words: Iterable[str]) -> list[str]:
    """Words, each once, and after all of them the same written with ligatures: "oedema", "œdema"."""
    found = dict.fromkeys(words)
    for word in list(found):
        for ligature, letters in _LIGATURES:
            found[word.replace(letters, ligature)] = None
    return list(found)


def _rewritten(word: str, *, is_beginning: bool = False) -> Iterable[str]:
    """The word with every combination of its parts spelled in the other way."""
    found = {word: None}
    for part in _data().parts:
        if part.british in word or part.american in word:
            found |= dict.fromkeys([_other(each, part) for each in found])
    return found | dict.fromkeys([_with_other_ise(each, is_beginning=is_beginning) for each in found])


def _other(word: str, part: _Part) -> str:
    british, american, is_at_start = part
    # The British one first: it may contain the American one.
    for one, other in ((british, american), (american, british)):
        if is_at_start and word.startswith(one):
            return other + word.removeprefix(one)
        if not is_at_start and one in word[_LETTERS_BEFORE_INSIDE:]:
            return word[:_LETTERS_BEFORE_INSIDE] + word[_LETTERS_BEFORE_INSIDE:].replace(one, other)
    return word


def _with_other_ise(word: str, *, is_beginning: bool) -> str:
    """The word with "-ise", or one of its forms, as "-ize", and the other way round.

    A beginning may have only the first letters of an ending.
    """
    found = _ISE.fullmatch(word)
    if found is None:
        return word
    stem, letter, ending = found.groups()
    is_one = any(each.startswith(ending) if is_beginning else each == ending for each in _ENDINGS_OF_ISE)
    return f"{stem}i{'z' if letter == 's' else 's'}{ending}" if is_one else word


def _completed(word: str) -> Iterator[str]:
    """The word with an incomplete part at its end, such as "hae", completed as in the other spelling."""
    for part in _data().parts:
        for one, other in ((part.british, part.american), (part.american, part.british)):
            fragment = word if part.is_at_start else _fragment_at_end(word[_LETTERS_BEFORE_INSIDE:], one)
            least = _MIN_PART_BEGINNING if part.is_at_start else _MIN_PART_FRAGMENT
            is_started = len(fragment) >= least and one.startswith(fragment) and fragment != one
            if is_started and not other.startswith(fragment):
                yield word.removesuffix(fragment) + other


def _fragment_at_end(word: str, part: str) -> str:
    """The longest beginning of `part` that ends the word, short of the whole."""
    return next((part[:size] for size in range(len(part) - 1, 0, -1) if word.endswith(part[:size])), "")


def _listed_from(word: str) -> Iterator[str]:
    """Other names of the listed words that begin with `word`."""
    listed = _data().listed
    if len(word) < _MIN_LISTED_BEGINNING:
        return
    for place in range(bisect_left(listed, word), len(listed)):
        if not listed[place].startswith(word):
            return
        yield from (name for name in _data().others[listed[place]] if not name.startswith(word))


@cache
def _data() -> _Data:
    content = tomllib.loads(resources.files(__package__).joinpath("spellings.toml").read_text(encoding="utf-8"))
    parts = [_Part(british, american, True) for british, american in content["parts"]["beginning"]]
    parts += [_Part(british, american, False) for british, american in content["parts"]["inside"]]
    others: dict[str, list[str]] = {}
    for group in [*content["drugs"]["groups"], *_inflected(content["words"]["pairs"])]:
        for name in group:
            others.setdefault(name, []).extend(each for each in group if each != name)
    return _Data(parts, others, sorted(others))


def _inflected(pairs: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    for british, american, endings in pairs:
        yield from ((british + ending, american + ending) for ending in ("", *endings.split()))
