"""Whether two texts are the same question, however they were copied, spelled and inflected. Pure.

Texts are compared without case, accents, invisible characters, markup with underscores and hyphens at line ends, in
three ways, of which one is enough. The thresholds were chosen by the pairs in tests/m1app/knowledge/test_guard.py:

- runs of five words in common: at least 30 % of the shorter text's;
- runs of characters in common, without the spaces: 8 characters and 70 %, which also joins words that were split; where
  words are not separated by spaces, or change their endings (Chinese, Japanese, Korean), 3 characters and 50 %;
- of a short text, two thirds of the words that tell what it is about, near each other; of Chinese, Japanese and Korean,
  pairs of characters.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from storage.corpora.terms import stop_words
from storage.search import plainly_spelled

_RUN_WORDS, _RUN_SHARE = 5, 0.3
_SPACED, _DENSE = (8, 0.7), (3, 0.5)
"""Characters of a run, and the least share of runs in common."""
_SHORT_WORDS, _SHORT_PAIRS, _SHORT_LETTERS = 9, 20, 60
"""Telling words, or pairs of characters, and letters of a short text at most."""
_WORDS_SHARE, _PAIRS_SHARE = 2 / 3, 0.7
_SAMPLED_RUNS = 60
_CACHED_CHARACTERS = 5_000
_WORD = re.compile(r"[^\W_]+")
_LINE_END = re.compile("[-\u00ad\u2010\u2011][ \t]*[\r\n]\\s*")
_DENSE_LETTER = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
# Of questions in Chinese, and hiragana, which inflects Japanese words: they do not say what a question is about.
_PLAIN = re.compile("[\u3040-\u309f的是在了由于於为為与與和及或哪何什么麼种種个個项項一下列以有最可能应應该該首先者]")


@dataclass(frozen=True, slots=True)
class _Folded:
    """What of a text is compared."""

    letters: str
    """Letters and digits, without spaces."""
    runs: frozenset[tuple[str, ...]]
    """Of words; a shorter text is one run."""
    is_dense: bool
    """Whether characters are compared rather than words."""
    telling: tuple[str, ...]
    """Words, or pairs of characters, that tell what it is about, in order."""


def is_same_question(first: str, second: str) -> bool:
    """Whether one of two texts is, or has in it, nearly the question that the other one is."""
    ours, theirs = _folded(first), _folded(second)
    if not ours.letters or not theirs.letters:
        return False
    shorter, longer = sorted((ours, theirs), key=lambda each: len(each.letters))
    return _words_alike(ours, theirs) or _characters_alike(shorter, longer) or _short_alike(shorter, longer)


def _words_alike(ours: _Folded, theirs: _Folded) -> bool:
    return len(ours.runs & theirs.runs) >= _RUN_SHARE * min(len(ours.runs), len(theirs.runs))


def _characters_alike(shorter: _Folded, longer: _Folded) -> bool:
    if _is_short(shorter):
        return _is_long_enough(shorter) and shorter.letters in longer.letters
    length, share = _DENSE if shorter.is_dense else _SPACED
    count = len(shorter.letters) - length + 1
    # Of a long text, some of them: they overlap.
    runs = [shorter.letters[at : at + length] for at in range(0, count, max(1, count // _SAMPLED_RUNS))]
    return bool(runs) and sum(run in longer.letters for run in runs) >= share * len(runs)


def _short_alike(shorter: _Folded, longer: _Folded) -> bool:
    if not _is_short(shorter) or shorter.is_dense is not longer.is_dense:
        return False
    wanted, size, others = set(shorter.telling), len(shorter.telling), longer.telling
    if not _is_long_enough(shorter):
        return wanted == set(others)
    share = _PAIRS_SHARE if shorter.is_dense else _WORDS_SHARE
    windows = (set(others[at : at + size + 1]) for at in range(max(1, len(others) - size)))
    return any(len(wanted & window) >= share * len(wanted | window) for window in windows)


def _is_short(text: _Folded) -> bool:
    most = _SHORT_PAIRS if text.is_dense else _SHORT_WORDS
    return 0 < len(text.telling) <= most and len(text.letters) <= _SHORT_LETTERS


def _is_long_enough(text: _Folded) -> bool:
    """A single word, or pair of characters, is in many a text that is not about it."""
    return len(text.telling) > 1


def _folded(text: str) -> _Folded:
    return _cached(text) if len(text) <= _CACHED_CHARACTERS else _fold(text)


def _fold(text: str) -> _Folded:
    text = plainly_spelled(_LINE_END.sub("", text))
    text = unicodedata.normalize("NFC", text)  # Syllables of Hangul again.
    words = _WORD.findall(text.casefold())
    letters = "".join(words)
    is_dense = 2 * len(_DENSE_LETTER.findall(letters)) > len(letters)
    runs = frozenset(tuple(words[at : at + _RUN_WORDS]) for at in range(max(1, len(words) - _RUN_WORDS + 1)) if words)
    return _Folded(letters, runs, is_dense, _pairs(letters) if is_dense else _telling(words))


_cached = lru_cache(maxsize=4096)(_fold)


def _telling(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in stop_words())


def _pairs(letters: str) -> tuple[str, ...]:
    said = _PLAIN.sub("", letters)
    return tuple(said[at : at + 2] for at in range(len(said) - 1))
