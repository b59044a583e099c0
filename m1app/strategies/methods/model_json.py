"""JSON in a model's text: found among other words, bounded, never trusted. Pure, standard library only."""

import json
import math
import re
from typing import Any

_MOST_CHARACTERS = 50_000
_MOST_BEGINNINGS = 64
# A model may write "\ud800" or "\u0000" in JSON; no request, page or database takes what these stand for.
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


def find_object(text: str, key: str) -> dict[str, Any] | None:
    """The first JSON object in a text that has this key at its top; None if there is none."""
    text, at = text[:_MOST_CHARACTERS], -1
    for _ in range(_MOST_BEGINNINGS):
        at = text.find("{", at + 1)
        if at < 0:
            return None
        try:
            found, _ = json.JSONDecoder().raw_decode(text, at)
        except (ValueError, RecursionError):
            continue
        if key in found:
            return dict(found)
    return None


def as_text(value: object, most_characters: int) -> str:
    """A JSON value on one line: strings and numbers as they are, everything else empty.

    NUL and lone surrogates become U+FFFD.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    # A whole number of thousands of digits cannot be written.
    words = value if isinstance(value, str) else f"{value:.6g}" if abs(value) < 1e15 else ""
    return clip(_UNUSABLE.sub("\ufffd", " ".join(words.split())), most_characters)


def as_number(value: object, low: float, high: float, otherwise: float) -> float:
    """A JSON number within limits; `otherwise` for everything that is no number."""
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    if isinstance(value, float) and math.isnan(value):
        return otherwise
    return float(max(low, min(high, value)))


def clip(text: str, most_characters: int, *, keeps_end: bool = False) -> str:
    """A text of at most so many characters, with "…" where some were left out: at the end, or at the beginning."""
    if len(text) <= most_characters:
        return text
    return "…" + text[len(text) - most_characters + 1 :] if keeps_end else text[: most_characters - 1] + "…"
