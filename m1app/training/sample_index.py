"""What one needs to browse a version: each sample's facts, and the text of all to be searched.

Made once of a version, which never changes. A search looks for all its words, in any order and case, in one text of all
samples, so that it takes milliseconds for ten thousand.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from m1app.training.curation_steps import DroppedSample, shown
from m1app.training.samples import TrainingSample, sample_key

PAGE = 25
MAX_SEARCH_CHARACTERS = 200
_BETWEEN = "\n\x00\n"
"""Between two samples; no text has it."""


@dataclass(frozen=True, slots=True)
class IndexedSample:
    """What a list shows of a sample."""

    key: str
    is_kept: bool
    place: int
    """In the version's samples, or in what was left out."""
    step: str
    """That left it out; empty for a kept one."""
    why: str
    question: str
    domain: str
    source: str
    characters: int
    """Of its reasoning."""


class SampleQuery(BaseModel):
    """Which samples to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(default="", max_length=MAX_SEARCH_CHARACTERS)
    state: str = Field(default="kept", max_length=100)
    """"kept", "dropped", or the name of the step that dropped them; empty for all."""
    domain: str | None = Field(default=None, max_length=1_000)
    """None for all; empty for those without one."""
    source: str | None = Field(default=None, max_length=1_000)
    least: int | None = Field(default=None, ge=0)
    """Characters of reasoning."""
    most: int | None = Field(default=None, ge=0)
    order: Literal["file", "short", "long", "drawn"] = "file"
    """"drawn" is a random order that stays the same: by the key, which is a hash."""
    offset: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class Facets:
    """What a version can be filtered by, with the number of samples."""

    steps: Counter[str] = field(default_factory=Counter)
    """Of what was left out."""
    domains: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    dropped: int = 0


class SampleIndex:
    """The samples of one version."""

    def __init__(self, samples: Sequence[TrainingSample], dropped: Sequence[DroppedSample]) -> None:
        """Args:
        samples: those that are kept, in order.
        dropped: those that were left out.
        """
        self.samples, self.dropped = samples, dropped
        self.all = (
            *(_indexed(sample, place, "", "") for place, sample in enumerate(samples)),
            *(_indexed(each.sample, place, each.step, each.why) for place, each in enumerate(dropped)),
        )
        texts = [*map(_searched, samples), *(_searched(each.sample) for each in dropped)]
        self._text = _BETWEEN.join(texts)
        self._starts = list(accumulate((len(text) + len(_BETWEEN) for text in texts), initial=0))
        self.facets = Facets(
            Counter(each.step for each in dropped),
            Counter(each.domain for each in self.all),
            Counter(each.source for each in self.all),
            len(samples),
            len(dropped),
        )

    def find(self, query: SampleQuery) -> list[IndexedSample]:
        """All samples that a query asks for, in its order."""
        found = [each for place, each in self._searched(query.text) if _fits(each, query)]
        if query.order == "drawn":
            found.sort(key=lambda each: each.key)
        elif query.order != "file":
            found.sort(key=lambda each: each.characters, reverse=query.order == "long")
        return found

    def get(self, key: str) -> list[IndexedSample]:
        """The samples of a key: kept ones first."""
        return [each for each in self.all if each.key == key]

    def sample(self, each: IndexedSample) -> TrainingSample:
        """The sample itself."""
        return self.samples[each.place] if each.is_kept else self.dropped[each.place].sample

    def _searched(self, text: str) -> Sequence[tuple[int, IndexedSample]]:
        words = text.casefold().split()
        if not words:
            return list(enumerate(self.all))
        # The rarest words are often the longest; each further word is looked for in what is left only.
        first, *others = sorted(words, key=len, reverse=True)
        places = self._with(first)
        return [
            (place, self.all[place])
            for place in places
            if all(self._text.find(word, self._starts[place], self._starts[place + 1]) >= 0 for word in others)
        ]

    def _with(self, word: str) -> list[int]:
        """The places of the samples that have a word."""
        found, at = [], self._text.find(word)
        while at >= 0:
            place = bisect_right(self._starts, at) - 1
            found.append(place)
            at = self._text.find(word, self._starts[place + 1])
        return found


def _indexed(sample: TrainingSample, place: int, step: str, why: str) -> IndexedSample:
    return IndexedSample(
        sample_key(sample),
        not step,
        place,
        step,
        why,
        shown(sample.question),
        sample.domain,
        sample.source,
        len(sample.reasoning),
    )


def _searched(sample: TrainingSample) -> str:
    texts = (sample.question, *sample.options.values(), sample.reasoning, sample.answer)
    return "\n".join((sample_key(sample), *texts)).casefold()


def _fits(each: IndexedSample, query: SampleQuery) -> bool:
    if query.state == "kept" and not each.is_kept:
        return False
    if query.state == "dropped" and each.is_kept:
        return False
    if query.state not in ("", "kept", "dropped") and each.step != query.state:
        return False
    if query.domain is not None and each.domain != query.domain:
        return False
    if query.source is not None and each.source != query.source:
        return False
    return (query.least or 0) <= each.characters <= (query.most if query.most is not None else each.characters)
