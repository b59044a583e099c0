"""A preference pair: a question, the response to learn and the one to avoid."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from m1app.training.samples import TrainingSample, question_hash


class PairSource(StrEnum):
    """What says which of two responses is better."""

    CORRECTIONS = "corrections"
    """An annotator: the response with the corrected facts, and the one with the errors."""
    DISPUTES = "disputes"
    """A reviewer who decided a dispute over a correction: with it and without it, whichever way it went."""
    PASSES = "passes"
    """The target: a right and a wrong answer of one model to one question."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a model says to a question."""

    reasoning: str
    """Without delimiters."""
    answer: str
    """Without delimiters."""


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two responses to one question."""

    question: str
    """The stem, without the options."""
    options: Mapping[str, str]
    """Letter to text; empty for an open question."""
    target: str | None
    """Letter of the right option; None if unknown."""
    chosen: Response
    rejected: Response
    question_id: str
    """Of the stored question."""
    source: PairSource
    domain: str = ""

    @property
    def is_marked(self) -> bool:
        """Whether people found the error in the rejected response; its last letter may still be the right one."""
        return self.source is not PairSource.PASSES

    @property
    def chosen_sample(self) -> TrainingSample:
        """The question with the response to learn."""
        return self._sample(self.chosen)

    @property
    def rejected_sample(self) -> TrainingSample:
        """The question with the response to avoid."""
        return self._sample(self.rejected)

    def as_row(self) -> dict[str, Any]:
        """Return the pair as a JSON-compatible dict; `pair_of` is the inverse."""
        return asdict(self) | {"options": dict(self.options), "source": self.source.value}

    def _sample(self, response: Response) -> TrainingSample:
        return TrainingSample(
            self.question,
            self.options,
            self.target,
            response.reasoning,
            response.answer,
            self.domain,
            self.source.value,
        )


def pair_of(row: Mapping[str, Any]) -> PreferencePair:
    """Read a pair written by `as_row`; raises KeyError, TypeError or ValueError if it is none."""
    responses = {name: Response(**row[name]) for name in ("chosen", "rejected")}
    return PreferencePair(**(dict(row) | responses | {"source": PairSource(row["source"])}))


def pair_key(pair: PreferencePair) -> str:
    """Twelve hex digits that name a pair by its question and its two responses; spacing does not matter."""
    sides = [_plain(side) for side in (pair.chosen, pair.rejected)]
    content = json.dumps([question_hash(pair.question, pair.options), *sides])
    return hashlib.sha256(content.encode("ascii")).hexdigest()[:12]


def has_difference(pair: PreferencePair) -> bool:
    """Whether the two responses differ by more than spacing."""
    return _plain(pair.chosen) != _plain(pair.rejected)


def _plain(response: Response) -> list[str]:
    return [" ".join(text.split()) for text in (response.reasoning, response.answer)]
