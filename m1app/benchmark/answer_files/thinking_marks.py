"""A raw output as thinking and answer, by the marks with which the known model families close their thinking."""

from collections.abc import Iterable
from dataclasses import dataclass

from models.profiles import Profile

_MARK_BEGINNINGS = ("<", "[", "##")
"""Of closings that are marks; others are phrases, which a text may have anywhere."""


@dataclass(frozen=True, slots=True)
class OutputParts:
    """The two parts of an output."""

    thinking: str | None
    """None if nothing tells thinking and answer apart."""
    answer: str


def marks_of(profiles: Iterable[Profile]) -> tuple[tuple[str, str], ...]:
    """(opening, closing) of the profiles' thinking, each once."""
    pairs = ((each.thinking.opening.strip(), each.thinking.natural_close.strip()) for each in profiles)
    return tuple(dict.fromkeys(pair for pair in pairs if pair[1].startswith(_MARK_BEGINNINGS)))


def output_parts(text: str, marks: Iterable[tuple[str, str]]) -> OutputParts:
    """Split an output at the first closing in it.

    The opening may be missing, since many prompts end with it. An output that opens its thinking and never closes it
    has no answer.

    Args:
        text: all that the model wrote.
        marks: as `marks_of` returns them.
    """
    listed = list(marks)
    places = [(place, opening, close) for opening, close in listed if (place := text.find(close)) >= 0]
    if places:
        # Of two families with one closing, the one whose opening is there.
        place, opening, close = min(places, key=lambda each: (each[0], not text.lstrip().startswith(each[1])))
        return OutputParts(_without(text[:place], opening), text[place + len(close) :].lstrip("\n"))
    opened = next((opening for opening, _ in listed if opening and text.lstrip().startswith(opening)), None)
    return OutputParts(None, text) if opened is None else OutputParts(_without(text, opened), "")


def _without(thinking: str, opening: str) -> str:
    return thinking.strip().removeprefix(opening).strip("\n")
