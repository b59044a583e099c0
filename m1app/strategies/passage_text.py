"""How passages are quoted to a model: numbered, each with its source. Pure, standard library only.

A passage is foreign text. Its characters are sent as text, never as special tokens, as a question's are; and it cannot
spell the marks between which a strategy has passages and searches stand.
"""

import re
from collections.abc import Sequence

from m1app.strategies.protocol import Passage

BEGIN_SEARCH, END_SEARCH = "<search>", "</search>"
BEGIN_PASSAGES, END_PASSAGES = "<passages>", "</passages>"
_MOST_CHARACTERS = 4_000
"""Of a passage; most have a third of it."""
_MOST_OF_A_LABEL = 200
"""Characters of a heading or a source."""
_MARK = re.compile(r"<(\s*/?\s*(?:search|passages)\s*)>", re.IGNORECASE)


def quoted(passages: Sequence[Passage]) -> str:
    """The passages, numbered from 1, with an empty line between them."""
    return "\n\n".join(quoted_one(each, number) for number, each in enumerate(passages, 1))


def quoted_one(passage: Passage, number: int) -> str:
    """A passage with its number and its source."""
    return f"[{number}] {without_marks(place_of(passage))}\n{without_marks(passage.text[:_MOST_CHARACTERS].strip())}"


def place_of(passage: Passage) -> str:
    """Where a passage is from, for people and models: "Scurvy (vitamins.pdf, page 12)"."""
    source = passage.source[:_MOST_OF_A_LABEL] + (f", page {passage.page[:20]}" if passage.page else "")
    heading = passage.heading[:_MOST_OF_A_LABEL]
    return f"{heading} ({source})" if heading else source


def without_marks(text: str) -> str:
    """A text that spells none of the marks: their brackets become others."""
    return _MARK.sub(r"‹\1›", text)
