"""A training sample: a question, the reasoning, and the answer."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A question with the thinking and answer that a model should learn."""

    question: str
    """The stem, without the options."""
    options: Mapping[str, str]
    """Letter to text, from A without gaps; empty for an open question."""
    target: str | None
    """Letter of the right option; None if unknown or for an open question."""
    reasoning: str
    """The reasoning, without delimiters."""
    answer: str
    """The final response, without delimiters."""
    domain: str = ""
    """A field of medicine, MeSH-like; may be empty."""
    source: str = ""
    """Its source as given by the row, else the file's name without extension."""

    def as_row(self) -> dict[str, Any]:
        """Return the sample as a JSON-compatible dict; `sample_of` is the inverse."""
        return asdict(self) | {"options": dict(self.options)}


def sample_of(row: Mapping[str, Any]) -> TrainingSample:
    """Read a sample written by `as_row`."""
    return TrainingSample(**row)


def sample_key(sample: TrainingSample) -> str:
    """Twelve hex digits that name a sample by its question, its reasoning and its answer."""
    asked = [question_hash(sample.question, sample.options), sample.reasoning, sample.answer]
    return hashlib.sha256(json.dumps(asked).encode("ascii")).hexdigest()[:12]


def question_hash(question: str, options: Mapping[str, str]) -> str:
    """SHA-256 (hex) that is equal for samples with the same question.

    Ignores case, spacing and the order of options: published sets shuffle the options of one source.
    """
    asked = [_folded(question), *sorted(map(_folded, options.values()))]
    return hashlib.sha256(json.dumps(asked).encode("ascii")).hexdigest()


def _folded(text: str) -> str:
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
