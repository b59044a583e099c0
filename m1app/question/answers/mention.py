"""A place where an answer names options."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mention:
    """A place where an answer names options, by its tokens."""

    letters: frozenset[str]
    """Keys of the options; several if several are named as one ("A or B") or one name fits several."""
    start: int
    end: int
    is_text: bool = False
    """The text without its letter."""
    is_small: bool = False
    """A single lower-case letter, which may be a word: it counts only where nothing else makes sense."""
    is_number: bool = False
    container: str = ""
    """The box, tag or field around it: "box", "tag", "field"; empty if there is none."""
    is_verdict: bool = False
    """The text is one word that also plays another part, such as "no"."""
    parts: int = 1
    """Number of options that were named one after another: as many as letters, if each name fits one option."""
    joins: frozenset[str] = frozenset()
    """The words and signs between them: "and", ","."""
