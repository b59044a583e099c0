"""Names of downloaded files: readable, safe on every system, bounded, and different for different things."""

import re
import unicodedata
from datetime import UTC, datetime

MAX_CHARACTERS = 100
"""Of a whole name; some systems allow 143 bytes."""
_MAX_PART_CHARACTERS = 48
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]+")
_RUNS_OF_MARKS = re.compile(r"[ ._-]*-[ ._-]*|\s+")


def download_name(ending: str, moment: datetime | None, *parts: str, of: str = "") -> str:
    """As "2026-11-30 m1-7B 1024 tokens wrist-drop 3f9a2c71.md".

    Args:
        ending: without a dot; ASCII letters and digits, perhaps with dots.
        moment: when the thing was made; None for now, as for an export of everything.
        parts: what it is, in any script and of any length; characters outside of ASCII are left out.
        of: id of the thing, of which the beginning tells it from others with the same parts.
    """
    date = (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%d")
    unique = re.sub(r"[^A-Za-z0-9]", "", of)[:8]
    room = MAX_CHARACTERS - len(date) - len(ending) - len(unique) - 3
    words = " ".join(filter(None, map(_safe, parts)))[:room].strip(" .-_")
    return f"{' '.join(filter(None, (date, words, unique)))}.{ending}"


def slug(text: str, words: int = 6) -> str:
    """The first words of a text, joined by hyphens and in lower case."""
    return "-".join(_ascii(text).lower().split()[:words])


def _safe(part: str) -> str:
    joined = _RUNS_OF_MARKS.sub(lambda run: "-" if "-" in run[0] else " ", _ascii(part))
    return joined[:_MAX_PART_CHARACTERS].strip(" .-_")


def _ascii(text: str) -> str:
    spelled = unicodedata.normalize("NFKD", text[:1000])
    ascii_only = spelled.encode("ascii", "ignore").decode()
    return _UNSAFE.sub(" ", ascii_only).strip()
