"""An answer from a file: what it says, and what the file says of its question."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_ANSWER_CHARACTERS = 1_000_000
"""Longest answer with its question and options."""
MAX_TAGS = 50
"""Most tags of one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """One answer of a file."""

    where: str
    """Its place in the file, for messages: "line 3"."""
    text: str
    """The answer, without the thinking where the file keeps the two apart."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Letter to text; empty for an open question, which is not scored."""
    target: str | None = None
    """Letter of the right option; None if the file has none that can be used."""
    question: str = ""
    question_key: str = ""
    """Equal for several answers to one question; empty if the file does not say."""
    tags: tuple[str, ...] = ()


def answer_length(answer: GivenAnswer) -> int:
    """Characters of an answer with all that belongs to it."""
    texts = (answer.text, answer.question, answer.question_key, *answer.options.values(), *answer.tags)
    return sum(map(len, texts))
