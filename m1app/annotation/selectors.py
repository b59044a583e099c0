"""Locates marks in texts with W3C Web Annotation selectors by position and by quote, checked against the text.

Offsets count Unicode code points (https://www.w3.org/TR/annotation-model/#text-position-selector), as Python strings
do. A mark stores both selectors and the SHA-256 of the text: the position locates it, the quote verifies it, and
together they find it again in a changed text.
"""

import hashlib
from functools import lru_cache

from m1app.annotation.errors import SelectorError
from storage.annotations.records import TextSelector

CONTEXT_CHARACTERS = 32
"""Characters of context stored before and after a quote."""
MOST_SEARCHED = 200_000
"""Characters around a mark's place in which its quote is looked for. A shorter text is searched as a whole."""


@lru_cache(maxsize=4)
def text_hash(text: str) -> str:
    """SHA-256 of `text` in UTF-8, as hexadecimal digits; a lone surrogate counts as "?".

    Kept for the last few texts: an import checks thousands of marks on each.
    """
    return hashlib.sha256(text.encode("utf-8", errors="replace")).hexdigest()


def select(text: str, start: int, end: int) -> TextSelector:
    """Return the selector of `text[start:end]`.

    Raises:
        SelectorError: the span is empty or not inside the text.
    """
    if not 0 <= start < end <= len(text):
        raise SelectorError(
            f"The mark from {start:,} to {end:,} is outside the text of {len(text):,} characters. "
            "Select the words again."
        )
    return TextSelector(
        start=start,
        end=end,
        exact=text[start:end],
        prefix=text[max(0, start - CONTEXT_CHARACTERS) : start],
        suffix=text[end : end + CONTEXT_CHARACTERS],
        text_sha256=text_hash(text),
    )


def check(text: str, selector: TextSelector) -> TextSelector:
    """Return `selector` if it matches `text`.

    Raises:
        SelectorError: the text differs, or the quote is not at the position.
    """
    if selector.text_sha256 != text_hash(text):
        raise SelectorError("The text has changed since it was marked. Reload it and mark the words again.")
    true = select(text, selector.start, selector.end)
    if true.exact != selector.exact:
        raise SelectorError(
            f"From {selector.start:,} to {selector.end:,} the text is {_short(true.exact)}, not "
            f"{_short(selector.exact)}. "
            "Select the words again."
        )
    return true


def find(text: str, selector: TextSelector) -> TextSelector | None:
    """Find the quote in `text`, which may be another version of the original text.

    Prefers the match with the most similar context, then the one nearest to the old position. None if the quote is not
    found within the `MOST_SEARCHED` characters around that position.
    """
    if not selector.exact:
        return None
    half = MOST_SEARCHED // 2
    middle = min(max(selector.start, half), max(len(text) - half, 0))
    searched = (max(0, middle - half), middle + half)
    has_context = bool(selector.prefix or selector.suffix)
    found = _all_places(text, selector.exact, *searched) if has_context else _nearest(text, selector, *searched)
    length = len(selector.exact)

    def badness(start: int) -> tuple[int, int]:
        before = text[max(0, start - len(selector.prefix)) : start]
        after = text[start + length : start + length + len(selector.suffix)]
        agreeing = _common_end(before, selector.prefix) + _common_start(after, selector.suffix)
        return -agreeing, abs(start - selector.start)

    best = min(found, key=badness, default=None)
    return None if best is None else select(text, best, best + length)


def _all_places(text: str, quote: str, begin: int, end: int) -> list[int]:
    places, at = [], text.find(quote, begin, end)
    while at >= 0:
        places.append(at)
        at = text.find(quote, at + 1, end)
    return places


def _nearest(text: str, selector: TextSelector, begin: int, end: int) -> list[int]:
    """The places just before and just after the old one, where there is no context to compare."""
    quote, old = selector.exact, max(begin, selector.start)
    both = text.rfind(quote, begin, min(end, old + len(quote))), text.find(quote, old, end)
    return [place for place in both if place >= 0]


def _common_end(text: str, other: str) -> int:
    return _common_start(text[-len(other) :][::-1] if other else "", other[::-1])


def _common_start(text: str, other: str) -> int:
    return next((n for n, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
