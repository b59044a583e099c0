"""What an answer line means, given the options: letters, a number, a mark of another script, or an option's text."""

import re
from collections.abc import Mapping
from typing import Protocol

from m1app.question.pastes.line_kinds import StatedAnswer, stated_answer, without_citations
from m1app.question.prompt_text import narrow
from m1app.question.several_letters import read_letters

_LETTER = re.compile(
    r"""(?:(?:the|la|el|le|die|der|il)\s+)?(?:(?:option|choice|opción|opcion|letter|letra|lettre|buchstabe|选项)\s*)?
    [(\[]?(?P<letter>[A-Za-z])[)\]]?
    (?:\s*[.):(,;、\]](?P<rest>.*)|\s+[-–—]\s.*|(?:です|।)?)""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
# "A" and "I" are words, too.
_LETTER_AND_REASON = re.compile(r"[(\[]?(?P<letter>[B-HJ-Z])[)\]]?(?:\s.*|[\u3040-\u9fff].*)", re.DOTALL)
_SEVERAL_LETTERS = re.compile(
    r"[(\[]?[A-Za-z][)\]]?\s*(?:[,;/&+]|and\b|or\b|y\b|und\b|et\b|和|、)\s*[(\[]?[A-Za-z](?:[)\]\s.,;]|\Z)"
)
_LABEL = re.compile(
    r"[(\[]?\s*(?P<label>\d{1,2}|[^\W\d_]{1,5}|[^\w\s()\[\]])\s*(?:[)\].:、،]|번|番)?(?:\s.*)?", re.DOTALL
)
_ORGANISM = re.compile(r"[A-Z]\. (?P<epithet>[a-z]{3,})")
_BARE_NUMBER = re.compile(r"[(\[]?\d{1,2}[)\]]?[.。]?\s?")
_LOOKS_LATIN = str.maketrans("АВСЕ", "ABCE")


class Options(Protocol):
    """Options with their marks as pasted."""

    @property
    def options(self) -> Mapping[str, str]:
        """Letter -> text."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Mark as pasted, in upper case -> letter."""


def letter_of(stated: str, found: Options) -> str:
    """The letter that a stated answer means, or several as they are kept, else what is stated.

    A letter comes before an option's text, because options may be letters themselves.
    """
    stated = narrow(stated).strip("*_ \t")
    bare = stated.strip("()[]【】.。:：、 ").upper()
    for name in (bare, bare.translate(_LOOKS_LATIN)):
        if letter := found.labels.get(name) or (name if name in found.options else ""):
            return letter
    for letter, text in found.options.items():
        if _folded(text) == _folded(stated):
            return letter
    if (uncited := without_citations(stated)) != stated:
        return letter_of(uncited, found)
    return read_letters(stated, found.options, found.labels) or _leading(stated, found)


def _folded(text: str) -> list[str]:
    return narrow(text).casefold().rstrip(". ").split()


def _leading(stated: str, found: Options) -> str:
    if (labelled := _LABEL.fullmatch(stated)) and (letter := found.labels.get(labelled["label"].upper())):
        return letter
    if (organism := _ORGANISM.match(stated)) and _folded(found.options.get(stated[0], ""))[:1] != [organism[1]]:
        return stated
    if letter := loose_answer(stated):
        return letter
    reasoned = _LETTER_AND_REASON.fullmatch(stated)
    if reasoned and reasoned["letter"] in found.options and not _SEVERAL_LETTERS.match(stated):
        return reasoned["letter"]
    within = stated_answer(stated)
    return (loose_answer(within.value) if within else None) or stated


def loose_answer(stated: str) -> str | None:
    """The one letter that an answer begins with: "C", "(c)", "C. Bone marrow biopsy"; None if there is none."""
    stated = narrow(stated).strip("*_ \t。")
    match = _LETTER.fullmatch(stated)
    if not match or _SEVERAL_LETTERS.match(stated):
        return None
    return match["letter"].upper()


def counts_as_answer(answer: StatedAnswer | None) -> bool:
    """Whether a line after the options states the answer."""
    if answer is None or answer.is_firm:
        return answer is not None
    return loose_answer(answer.value) is not None or _BARE_NUMBER.fullmatch(narrow(answer.value[:8])) is not None


def lone_letter(line: str) -> str | None:
    """The letter of a line that has nothing else: "B", "(b)", "**B**"; None for other lines."""
    bare = narrow(line[:20]).strip("()[]*_. \t")
    return bare.upper() if len(line) < 20 and len(bare) == 1 and bare.isascii() and bare.isalpha() else None
