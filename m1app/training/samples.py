"""One sample to train on: a question, the reasoning towards its answer, and the answer."""

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
    """A question with the thinking and the answer that a model shall learn."""

    question: str
    """The stem; the options stand apart."""
    options: Mapping[str, str]
    """Letter to text, from A without a gap; empty for an open question."""
    target: str | None
    """Letter of the right option; None when it is not known or the question is open."""
    reasoning: str
    """What is thought, without delimiters."""
    answer: str
    """The text of the final response, without delimiters."""
    domain: str = ""
    """A field of medicine, MeSH-like; empty when none is given."""
    source: str = ""
    """Where it came from: what its row says, else the file's name without its ending."""

    def as_row(self) -> dict[str, Any]:
        """The sample as JSON holds it; `sample_of` reads it back."""
        return asdict(self) | {"options": dict(self.options)}


def sample_of(row: Mapping[str, Any]) -> TrainingSample:
    """The sample that `as_row` wrote."""
    return TrainingSample(**row)


def question_hash(question: str, options: Mapping[str, str]) -> str:
    """SHA-256 (hex) that is equal for samples that ask the same.

    Case, spacing and the order of the options do not count: published sets shuffle the options of one source.
    """
    asked = [_folded(question), *sorted(map(_folded, options.values()))]
    return hashlib.sha256(json.dumps(asked).encode("ascii")).hexdigest()


def _folded(text: str) -> str:
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
