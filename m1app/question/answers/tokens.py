"""An answer as words: folded, cut into tokens, with the line breaks that mean something.

Folding keeps every position: full-width, circled and mathematical letters become plain ones, and so do Cyrillic and
Greek letters that look like Latin ones, where they stand alone in a text without words of their alphabet.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from m1app.question.prompt_text import narrow

_EAST_ASIAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\u1100-\u11ff"
_TOKEN = re.compile(rf"\n|\d+(?:[.,]\d+){{0,9}}|[{_EAST_ASIAN}]|[^\W\d_{_EAST_ASIAN}]+|[^\w\s]|_")
_LOOK_ALIKES = str.maketrans("АВСЕНКМОРТХІЅЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧасеорхіѕј", "ABCEHKMOPTXISJABEZHIKMNOPTYXaceopxisj")
_OTHER_ALPHABET = re.compile(r"[\u0370-\u03ff\u0400-\u04ff]{2}")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\u202a-\u202e\u3164\ufe0f]")
_FORMAT_TAG = re.compile(
    r"</?(?:b|strong|i|em|u|p|br|span|div|code|li|ul|ol|mark|h[1-6]|sub|sup)(?:\s[^<>]{0,80})?/?>", re.IGNORECASE
)
_RARE = re.compile(r"[^\x00-\u00ff\u0370-\u04ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ARROW = re.compile(r"(?<=[^\W_])(\s{0,2})->")
"""After a word, where it leads to what follows; at the start of a line it is a bullet."""
_TEXT_ENDS = re.compile(r"[.!?:;,)\]}>*\"”’'`$」】。]")
_SQUARED = {0x1F170: "A", 0x1F171: "B", 0x1F17E: "O", 0x1F17F: "P"}


def fold(text: str) -> str:
    """`text` with its letters and punctuation as plain ones, character for character."""
    folded = _FORMAT_TAG.sub(lambda found: " " * len(found[0]), _INVISIBLE.sub(" ", narrow(text)))
    folded = _ARROW.sub(r"\1 →", folded)
    folded = _RARE.sub(_plain, folded.replace("\r", " ").replace("’", "'").replace("‘", "'"))
    if not _OTHER_ALPHABET.search(folded):
        folded = folded.translate(_LOOK_ALIKES)
    return folded


def _plain(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number in _SQUARED:
        return _SQUARED[number]
    if 0x1F130 <= number <= 0x1F149 or 0x1F150 <= number <= 0x1F169:
        return chr(65 + (number - 0x1F130) % 32)
    plain = unicodedata.normalize("NFKC", found[0])
    return plain if len(plain) == 1 else found[0]


def lower(text: str) -> str:
    """`text` in lower case, with as many characters."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


class Token(NamedTuple):
    """A word, a number, a sign, a line break, or one East Asian character; positions count code points."""

    text: str
    """In lower case."""
    start: int
    end: int


def tokens_of(folded: str) -> list[Token]:
    """The tokens of a folded text. Line breaks inside a sentence are left out."""
    lowered = lower(folded)
    return list(_without_soft_breaks(lowered, (Token(m[0], *m.span()) for m in _TOKEN.finditer(lowered)), folded))


def _without_soft_breaks(lowered: str, tokens: Iterator[Token], folded: str) -> Iterator[Token]:
    last: Token | None = None
    pending: Token | None = None
    for token in tokens:
        if token.text == "\n":
            pending = token if pending is None else Token("\n", pending.start, token.end)
            continue
        if pending is not None and last is not None:
            is_soft = (
                pending.end - pending.start == 1
                and not _TEXT_ENDS.match(last.text)
                and folded[token.start].islower()
                and folded[token.end : token.end + 1] not in (")", ".", ":")
            )
            if not is_soft:
                yield pending
        pending, last = None, token
        yield token


@lru_cache(maxsize=4096)
def words_of(phrase: str) -> tuple[str, ...]:
    """The words of a phrase, as they are compared with an answer's."""
    return tuple(found[0] for found in _TOKEN.finditer(lower(phrase)))
