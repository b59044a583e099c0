"""Questions as plain values: standard library only."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


def content_hash(stem: str, options: Mapping[str, str], target: str | None) -> str:
    """SHA-256 (hex) of a question's canonical form: equal for identical questions.

    The canonical form is Unicode NFC, texts stripped of surrounding whitespace, options ordered by letter.
    """
    canonical = [_canonical(stem), sorted((key, _canonical(text)) for key, text in options.items()), target]
    document = json.dumps(canonical, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(document.encode("ascii")).hexdigest()


def _canonical(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuestion:
    """A question to store."""

    stem: str
    """The question without its options."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Letter to text, in display order; empty for an open question."""
    target: str | None = None
    """Letter of the right option; None when unknown or open."""
    source: str = "typed"
    """Where it came from: "typed", "library", or a question set's name."""
    title: str = ""
    """A short name for lists; may be empty."""
    tags: tuple[str, ...] = ()
    """Tags to group questions by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(NewQuestion):
    """A stored question."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    content_hash: str
    """See `content_hash()`; unique."""
    created_at: datetime
    """When it was first seen, aware, UTC."""
    reference: str | None = None
    """Of an open question: what a right answer says, in words; None if it is not known."""
