"""Finds questions that appear in two lists by word n-grams, as fine-tuning data is checked against benchmarks.

s1 (Muennighoff et al. 2025, arXiv:2501.19393), on which m1's recipe builds, drops training questions that share any
8-gram with a test question; we could not verify whether m1's authors did the same. Here a shared n-gram only makes a
candidate; the share of n-grams in common is shown, and decides. Two deliberate deviations: exam questions share stock
phrases ("which of the following is the most likely"), so n-grams found in many texts do not make candidates; and a
question of fewer than 8 words counts as one n-gram together with its options, since "Which is true?" alone says
nothing. `read_training_texts` extracts the questions from a file of fine-tuning data.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, BinaryIO

import numpy
from numpy.typing import NDArray

from m1app.question_sets.batches import batches
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_table import MAX_FILE_QUESTION_CHARACTERS
from m1app.question_sets.row_values import RowProblem, options_at, storable
from m1app.question_sets.rows import read_tables

NGRAM_WORDS = 8
MIN_SHARE = 0.3
"""Minimum share of the shorter text's n-grams for two texts to overlap."""
COMMON_TEXTS = 10
"""An n-gram found in more texts than this is a stock phrase."""

_WORD = re.compile(r"\w+")

_Hashes = NDArray[numpy.uint64]
_Indices = NDArray[numpy.int64]


@dataclass(frozen=True, slots=True)
class Text:
    """A text to compare: a question, and its options if known."""

    stem: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A text of the first list and its closest match in the second."""

    first: int
    """Index in the first list."""
    second: int
    share: float
    """Share of the shorter text's n-grams that the other has too; 0 to 1."""


@dataclass(frozen=True)
class _Grams:
    """The distinct n-grams of a list of texts."""

    values: _Hashes
    """Shape (n-grams of all texts), sorted within each text."""
    starts: _Indices
    """Shape (texts + 1): where each text's n-grams start in `values`."""

    def of(self, index: int) -> _Hashes:
        return self.values[self.starts[index] : self.starts[index + 1]]

    @cached_property
    def index(self) -> tuple[_Hashes, _Indices]:
        """Sorted n-grams and the text of each: an index from n-gram to texts."""
        order = numpy.argsort(self.values, kind="stable")
        owners = numpy.repeat(numpy.arange(len(self.starts) - 1), numpy.diff(self.starts))
        return self.values[order], owners[order]


class PreparedTexts:
    """A list of texts, ready to be compared with several others."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self.texts = texts
        self.words, self.places = _distinct(texts)
        self.grams = _grams(self.words)


def find_overlap(
    first: Sequence[Text] | PreparedTexts, second: Sequence[Text] | PreparedTexts, *, min_share: float = MIN_SHARE
) -> tuple[Match, ...]:
    """Find the closest overlapping text in the second list for each text of the first; closest pairs first.

    Args:
        first: texts, such as questions of a benchmark.
        second: texts to compare with.
        min_share: minimum share of n-grams, above 0 and up to 1.
    """
    ours, theirs = (each if isinstance(each, PreparedTexts) else PreparedTexts(each) for each in (first, second))
    equal = {text: index for index, text in enumerate(theirs.words)}
    closest = _candidates(ours.grams, theirs.grams)
    matches = []
    for index, text in enumerate(ours.words):
        candidate = equal.get(text, closest.get(index))
        if candidate is None:
            continue
        share = _share(ours.grams.of(index), theirs.grams.of(candidate))
        if share >= min_share:
            matches += [Match(place, theirs.places[candidate][0], share) for place in ours.places[index]]
    return tuple(sorted(matches, key=lambda match: (-match.share, match.first)))


def find_near_duplicates(texts: Sequence[Text], *, min_share: float = MIN_SHARE) -> tuple[Match, ...]:
    """Find pairs of texts in one list that overlap, each pair once; closest pairs first.

    Of texts with the same words, which are no near duplicates, only the first counts. Takes linear time: stock phrases
    make no candidates.

    Args:
        texts: such as the questions of a data set.
        min_share: as in `find_overlap`.
    """
    distinct, places = _distinct(texts)
    grams = _grams(distinct)
    width = len(grams.starts)
    first, second = numpy.divmod(numpy.unique(_shared_pairs(grams, grams, width)), width)
    is_pair = first < second
    found = (
        Match(places[one][0], places[other][0], _share(grams.of(one), grams.of(other)))
        for one, other in zip(first[is_pair].tolist(), second[is_pair].tolist(), strict=True)
    )
    near = (match for match in found if match.share >= min_share)
    return tuple(sorted(near, key=lambda match: (-match.share, match.first, match.second)))


class SharedRuns:
    """The 8-word runs of some texts, to tell which other texts can overlap with one of them."""

    def __init__(self, lists: Iterable[PreparedTexts]) -> None:
        self._runs = numpy.unique(numpy.concatenate([numpy.empty(0, numpy.uint64), *(e.grams.values for e in lists)]))

    def has_some_of(self, text: Text) -> bool:
        """Whether a text shares a run; without one, `find_overlap` finds nothing."""
        words, _ = _distinct([text])
        if not words or not len(self._runs):
            return False
        runs = _hashes(words[0])
        at = numpy.searchsorted(self._runs, runs)
        return bool((self._runs[numpy.minimum(at, len(self._runs) - 1)] == runs).any())


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _distinct(texts: Sequence[Text]) -> tuple[list[tuple[str, ...]], list[list[int]]]:
    """Distinct texts as words, and the indices of each: copies must not make a phrase common."""
    places: dict[tuple[str, ...], list[int]] = {}
    vocabulary: dict[str, str] = {}  # A word is kept once, however often it is used.
    for index, text in enumerate(texts):
        words = [vocabulary.setdefault(word, word) for word in _words(text.stem)]
        if len(words) < NGRAM_WORDS:
            words += [word for option in sorted(text.options) for word in _words(option)]
        if words:
            places.setdefault(tuple(words), []).append(index)
    return list(places), list(places.values())


def _grams(texts: Iterable[tuple[str, ...]]) -> _Grams:
    found = [_hashes(words) for words in texts]
    counts = [len(hashes) for hashes in found]
    starts = numpy.concatenate(([0], numpy.cumsum(counts, dtype=numpy.int64)))
    values = numpy.concatenate(found) if found else numpy.empty(0, numpy.uint64)
    return _Grams(values, starts)


def _hashes(words: tuple[str, ...]) -> _Hashes:
    """Hashes of the n-grams, distinct and sorted; a text that is too short is one n-gram."""
    count = max(len(words) - NGRAM_WORDS + 1, 1)
    # 64 bits: with 10 million n-grams, one collision is expected in about 300,000 comparisons.
    hashed = numpy.fromiter((hash(words[i : i + NGRAM_WORDS]) for i in range(count)), numpy.int64, count)
    return numpy.unique(hashed.view(numpy.uint64))


def _candidates(ours: _Grams, theirs: _Grams) -> dict[int, int]:
    """For each of our texts, the one of theirs that shares the largest part of its n-grams, ignoring stock phrases."""
    pairs, counts = numpy.unique(_shared_pairs(ours, theirs, len(theirs.starts)), return_counts=True)
    first, second = numpy.divmod(pairs, len(theirs.starts))
    shorter = numpy.minimum(numpy.diff(ours.starts)[first], numpy.diff(theirs.starts)[second])
    order = numpy.lexsort((second, -counts / numpy.maximum(shorter, 1), first))
    closest, at = numpy.unique(first[order], return_index=True)
    return dict(zip(closest.tolist(), second[order][at].tolist(), strict=True))


def _shared_pairs(ours: _Grams, theirs: _Grams, width: int) -> _Indices:
    """`first * width + second` for each n-gram that two texts share, once per n-gram."""
    values, owners = theirs.index
    wanted, askers = ours.index
    begin, count = _runs(values, wanted)
    is_telling = (count > 0) & (count <= COMMON_TEXTS) & (_runs(wanted, wanted)[1] <= COMMON_TEXTS)
    begin, count = begin[is_telling], count[is_telling]
    within = numpy.arange(count.sum()) - numpy.repeat(numpy.cumsum(count) - count, count)
    found: _Indices = numpy.repeat(askers[is_telling] * width, count) + owners[numpy.repeat(begin, count) + within]
    return found


def _runs(values: _Hashes, wanted: _Hashes) -> tuple[_Indices, _Indices]:
    """Start of each wanted n-gram in the sorted values, and its count."""
    begin = numpy.searchsorted(values, wanted, side="left")
    return begin, numpy.searchsorted(values, wanted, side="right") - begin


def _share(ours: _Hashes, theirs: _Hashes) -> float:
    shared = len(numpy.intersect1d(ours, theirs, assume_unique=True))
    return shared / min(len(ours), len(theirs))


_COLUMNS = ("question", "prompt", "messages")


def training_text_messages(file: BinaryIO, file_name: str) -> Iterator[dict[str, Any]]:
    """Yield the texts of `read_training_texts` in batches: see `set_messages`."""
    for batch in batches(read_training_texts(file, file_name), _length):
        yield {"texts": [asdict(each) for each in batch]}


def read_training_texts(file: BinaryIO, file_name: str) -> Iterator[Text]:
    """Read the questions of a file of fine-tuning data, one per row.

    A row's question is its `question` or `prompt`: a text, or a list of chat messages, of which the user's are used.
    `messages` is read the same way.

    Args:
        file: open for reading; see `read_tables`.
        file_name: its name; determines the format, and starts error messages.

    Raises:
        InvalidQuestionSet: the file cannot be read or is too large, or a row has none of these columns.
    """
    characters = 0
    for table in read_tables(file, file_name):
        for row in table.rows(file_name):
            text = question_text(row.value) if isinstance(row.value, Mapping) else None
            if text is None:
                raise InvalidQuestionSet(
                    f"{file_name}, {row.where}: found no text in {', '.join(_COLUMNS[:-1])} or {_COLUMNS[-1]}, "
                    "expected one in every row of fine-tuning data. Rename the column that holds the question."
                )
            characters += _length(text)
            if characters > MAX_FILE_QUESTION_CHARACTERS:
                raise InvalidQuestionSet(
                    f"{file_name}: found questions of more than {MAX_FILE_QUESTION_CHARACTERS:,} characters "
                    "together. Split it."
                )
            yield text


def _length(text: Text) -> int:
    return len(text.stem) + sum(map(len, text.options))


def question_text(row: Mapping[str, Any]) -> Text | None:
    """The question of a row of fine-tuning data, see `read_training_texts`; None if it has none."""
    for column in _COLUMNS:
        value = row.get(column)
        stem = value if isinstance(value, str) else _user_words(value)
        if stem.strip():
            return Text(storable(stem), tuple(map(storable, _options(row))))
    return None


def _user_words(messages: object) -> str:
    if not isinstance(messages, list):
        return ""
    users = (each for each in messages if isinstance(each, Mapping) and each.get("role") == "user")
    return "\n".join(str(each.get("content") or "") for each in users)


def _options(row: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return tuple(options_at(row, "options").values())
    except (RowProblem, OverflowError, RecursionError, TypeError, ValueError):
        return ()  # they only help to distinguish very short questions
