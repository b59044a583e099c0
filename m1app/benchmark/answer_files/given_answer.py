"""An answer from a file: what it says, what the file says of its question, and what the file says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_ANSWER_CHARACTERS = 1_000_000
"""Longest answer with its question and options."""
MAX_TAGS = 50
"""Most tags of one answer."""
SHORT_CHARACTERS = 200
"""Longest name, setting or short answer that is taken from a file; the rest is cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What else a file says of an answer; None and empty where it does not."""

    source: str = ""
    """The question set, as the file names it."""
    stem: str = ""
    """The question without its options."""
    thinking: str | None = None
    """The reasoning, where the file keeps it apart."""
    pass_number: int = 0
    """Number of the answer among those to its question, from 0."""
    own_is_correct: bool | None = None
    """The file's own verdict."""
    own_letter: str | None = None
    """What the file's own scorer read in the answer."""
    own_rule: str = ""
    """The metric or scorer of that verdict."""
    generated_tokens: int | None = None
    thinking_tokens: int | None = None
    budget_tokens: int | None = None
    """The thinking budget."""
    force_rounds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a file says of all its answers; empty where it does not."""

    tool_version: str = ""
    model: str = ""
    budget_tokens: int | None = None
    force_rounds: int | None = None
    stated: Mapping[str, str] = field(default_factory=dict)
    """Further settings as the file has them, by name."""


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
    details: Details = Details()


def answer_length(answer: GivenAnswer) -> int:
    """Characters of an answer with all that belongs to it."""
    texts = (answer.text, answer.question, answer.question_key, *answer.options.values(), *answer.tags)
    return sum(map(len, (*texts, answer.details.thinking or "")))
