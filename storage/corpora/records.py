"""Corpora and their passages as plain values: standard library only."""

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import datetime


def passage_id(heading: str, text: str) -> str:
    """32 hexadecimal digits that are equal for equal passages.

    Case, white space and compatibility forms do not count. The heading does: under another one, a sentence such as
    "The dose is 5 mg/kg." says something else.
    """
    canonical = "\n".join(" ".join(unicodedata.normalize("NFKC", each).casefold().split()) for each in (heading, text))
    return hashlib.sha256(canonical.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """One version of a named collection of passages."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    name: str
    version: int
    """From 1; the highest one of a name is searched."""
    source: str
    """The file it came from."""
    licence: str
    """What the person who added it said about its licence."""
    sha256: str
    """SHA-256 (hex) of the file."""
    created_at: datetime
    """Aware, UTC."""
    passage_count: int
    duplicate_count: int
    """Passages of the file that it repeats, and that are in the corpus once."""
    shared_count: int
    """Passages that another corpus had already; they are stored once, with the place in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassage:
    """A passage to store."""

    text: str
    heading: str = ""
    """The headings above it, outermost first."""
    source: str = ""
    """The work it is from; may be empty."""
    page: str = ""
    """As in the source, such as "12" or "xiv"; empty if there are none."""
    key: str = ""
    """Of its row in the file: the id, or the place. Empty if the file has no rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage(NewPassage):
    """A stored passage and one of the places that it comes from."""

    id: str
    """See `passage_id`. A passage keeps it when its file is added again."""
    corpus_id: str
    """Empty for a corrected fact."""
    corpus: str
    """The corpus's name."""
    version: int
    """The corpus's version; 0 for a corrected fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPassage(Passage):
    """A passage that a search has found."""

    score: float
    """Higher is better; comparable within one search only."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What storing a batch of passages came to."""

    added: int
    duplicates: int
    """The corpus has them already."""
    shared: int
    """Of those added: another corpus has them too."""
