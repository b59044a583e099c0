"""Finds options in sentences by their words, where a text says an option in slightly other words.

Traces made from open questions were written by a model that never saw the options: it writes "the long head of the
biceps", "Type III achalasia", "gallbladder carcinoma" or "artery" where the option has no article, "Type 3", "carcinoma
of the gall bladder", or "aery": published copies of MedMCQA have lost every "rt". Words are the same here if they
differ in spelling only: British or American, a plural, an ending such as "-ing", the lost "rt". Nothing is the same
because it looks alike: "nephrotic" and "nephritic" differ in one letter.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from storage.spellings import spellings_of

_TOKEN = re.compile(r"[^\W\d_]+|\d+(?:[.,:]\d+)*")
_UNREADABLE = re.compile(r"[<>≤≥=±/+]|(?<!\w)[-–−]\d")
"""Signs that matter and that words do not have: such an option is only found as it is written."""
_PARENTHESIS = re.compile(r"\(([^()]*)\)")
_ABBREVIATION = re.compile(r"[A-Z]{3,}")
_ROMAN = {"II": "2", "III": "3", "IV": "4", "VI": "6", "VII": "7", "VIII": "8", "IX": "9"}
_LEFT_OUT = frozenset(("a", "an", "the", "of"))
_SHORT = {"staph": "staphylococcus", "strep": "streptococcus", "ab": "antibody", "abs": "antibody"}
_GENERAL = frozenset(
    (
        *("infection", "disease", "disorder", "condition", "syndrome", "position", "phase", "stage", "phenomenon"),
        *("therapy", "treatment", "administration", "use", "test", "assay", "examination", "antibody"),
        *("reaction", "process", "ingestion", "exposure", "level", "finding", "type"),
    )
)
"""Words that add nothing to an option if what is left of it fits no other option."""
_BINDING = frozenset(("and", "or", "but", "than", "then", "to", "followed", "with", "without", "not", "no", "before"))
"""Their order matters: an option with one of these, or with a number, is only found word after word."""
_APART = re.compile(r"[,;:()–—]|\b(?:and|or|nor|but|like|not|no|than|without)\b", re.IGNORECASE)
_ENDINGS = ("ing", "ion", "ed", "or")
_STEM_LETTERS = 6
_FEW_WORDS = 5
_SPARE_WORDS = 4
_TELLING_CHARACTERS = 4
_MERGED_LETTERS = 3


class Word(NamedTuple):
    """A word of a text; a tuple, because an answer has hundreds."""

    form: str
    """The same for all spellings of the word."""
    start: int
    """In code points."""
    end: int

    def moved(self, by: int) -> "Word":
        """The word at another place."""
        return Word(self.form, self.start + by, self.end + by)


@dataclass(frozen=True, slots=True)
class NamedOption:
    """An option that a sentence names."""

    letter: str
    start: int
    """In code points."""
    end: int
    places: frozenset[int]
    """Which words of the sentence name it."""


def words_of(text: str) -> list[Word]:
    """The words of a text that count, in order."""
    found = (Word(_form(match[0]), match.start(), match.end()) for match in _TOKEN.finditer(text))
    return [word for word in found if word.form not in _LEFT_OUT]


class OptionWords:
    """The options of a question as words."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._ways = _ways_of(tuple(options.items()))

    def may_be_among(self, words: Sequence[Word]) -> bool:
        """Whether these words are enough to name one of the options."""
        forms = {word.form for word in words}
        return any(forms.issuperset(way) for _, ways in self._ways for way in ways)

    def named(self, text: str, words: Sequence[Word]) -> list[NamedOption]:
        """The options that a sentence names, in any order.

        Args:
            text: the sentence.
            words: its `words_of`.
        """
        places: dict[str, list[int]] = {}
        for place, word in enumerate(words):
            places.setdefault(word.form, []).append(place)
        found = []
        for letter, ways in self._ways:
            for way in (way for way in ways if all(form in places for form in way)):
                at = _in_row(way, words, places) or _near(way, text, words, places)
                if at:
                    found.append(NamedOption(letter, words[min(at)].start, words[max(at)].end, frozenset(at)))
                    break
        return found


def _in_row(way: Sequence[str], words: Sequence[Word], places: Mapping[str, Sequence[int]]) -> Collection[int]:
    for start in places[way[0]]:
        end = start + len(way)
        if end <= len(words) and all(words[start + n].form == form for n, form in enumerate(way)):
            return range(start, end)
    return ()


def _near(way: Sequence[str], text: str, words: Sequence[Word], places: Mapping[str, Sequence[int]]) -> Collection[int]:
    """The words in another order, or with a few others between them, but in one piece of the sentence."""
    if not 1 < len(set(way)) == len(way) <= _FEW_WORDS or not _BINDING.isdisjoint(way):
        return ()
    if any(form[0].isdigit() for form in way):
        return ()
    rarest = min(way, key=lambda form: len(places[form]))
    for anchor in places[rarest]:
        at = [min(places[form], key=lambda place: abs(place - anchor)) for form in way]
        first, last = min(at), max(at)
        piece = text[words[first].start : words[last].end]
        if last - first < len(way) + _SPARE_WORDS and not _APART.search(piece):
            return at
    return ()


@lru_cache(maxsize=256)
def _ways_of(options: tuple[tuple[str, str], ...]) -> tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]:
    """Letter to the ways of saying the option, the longest first; without those that fit several options."""
    whole = {letter: tuple(word.form for word in words_of(text)) for letter, text in options}
    found = []
    for letter, text in options:
        others = [set(forms) for other, forms in whole.items() if other != letter]
        ways = [
            way
            for way in dict.fromkeys((*_merged(whole[letter]), *_shorter(text)))
            if not any(set(way) <= forms for forms in others)
        ]
        if ways and _is_telling(whole[letter]) and not _UNREADABLE.search(text):
            found.append((letter, tuple(ways)))
    return tuple(found)


def _is_telling(forms: Sequence[str]) -> bool:
    return any(len(form) >= _TELLING_CHARACTERS and form.isalpha() for form in forms)


def _merged(forms: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words, and few words with two of them written together."""
    yield forms
    for at in range(len(forms) - 1):
        if min(len(forms[at]), len(forms[at + 1])) >= _MERGED_LETTERS and len(forms) <= _FEW_WORDS:
            yield (*forms[:at], _form(forms[at] + forms[at + 1]), *forms[at + 2 :])


def _shorter(text: str) -> Iterator[tuple[str, ...]]:
    """The option without what stands in parentheses, that alone if it is an abbreviation, and without general words."""
    plain = _PARENTHESIS.sub(" ", text)
    for each in (plain, *(inner for inner in _PARENTHESIS.findall(text) if _ABBREVIATION.fullmatch(inner))):
        forms = tuple(word.form for word in words_of(each))
        telling = tuple(form for form in forms if form not in _GENERAL_FORMS)
        yield from (way for way in (forms, telling) if _is_telling(way) or (way and each != plain))


@lru_cache(maxsize=65_536)
def _form(token: str) -> str:
    """One form for all spellings of a word."""
    if token in _ROMAN:
        return _ROMAN[token]
    word = unicodedata.normalize("NFKC", token).casefold()
    if not word.isalpha():
        return word
    word = _SHORT.get(word, word)
    word = min(each.text for each in spellings_of(word))
    return _stem(_without_rt(_singular(word)))


def _singular(word: str) -> str:
    if len(word) > _TELLING_CHARACTERS and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > _TELLING_CHARACTERS and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    is_plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if is_plural else word


def _without_rt(word: str) -> str:
    shorter = word.replace("rt", "")
    return shorter if len(shorter) >= 3 else word


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _STEM_LETTERS:
            return stem
    return word.removesuffix("e") if len(word) >= _STEM_LETTERS else word


_GENERAL_FORMS = frozenset(map(_form, _GENERAL))
