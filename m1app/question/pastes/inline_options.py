"""Options that follow each other on one line: "A. yes B. no C. maybe", in any script."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_uppercase

from m1app.question.pastes.line_breaks import joined
from m1app.question.pastes.line_kinds import asks
from m1app.question.pastes.option_blocks import Block, Certainty
from m1app.question.pastes.option_lists import LETTERED, positions
from m1app.question.prompt_text import find_markers, narrow, split_texts

_CHARACTERS = 4000
"""How much of the end of a text is searched."""
_MARK = re.compile(
    r"""(?:(?<=[\s?？:：;；,，。、؟])|(?<=[\u3040-\u9fff\uac00-\ud7a3])|^)
    (?:\((?P<paren>[^\W_]{1,4})\)|(?P<circled>[①-⑮⑴-⑽㉮-㉳])
      |(?P<bare>[0-9]{1,2}|[ivxIVX]{2,4}|[^\W\d_\u3400-\u9fff])(?P<mark>[.):、،]|[ ][-–—](?=[ ]))(?![0-9]))
    (?=[^\n]*\S)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class InlineOptions:
    """Options within a line."""

    stem: str
    """The text before them."""
    block: Block


@dataclass(frozen=True, slots=True)
class _Mark:
    scheme: str
    style: str
    position: int
    label: str
    start: int
    end: int


def inline_options(text: str) -> InlineOptions | None:
    """The options within the last lines of a text; None if there are none.

    Raises:
        InvalidQuestion: there are clearly options, but a letter is repeated or missing.
    """
    return _other(text) or _latin(text)


def _latin(text: str) -> InlineOptions | None:
    markers = find_markers(text)
    # Lists, an option a line, are judged in `option_blocks`.
    if not any("\n" not in text[one.text_start : other.start + 1].strip() for one, other in pairwise(markers)):
        return None
    texts = _without_separators([joined(each.split("\n")) for each in split_texts(text, markers)])
    options = {marker.letter.upper(): each for marker, each in zip(markers, texts, strict=True)}
    return InlineOptions(text[: markers[0].start], Block(Certainty.OPTIONS, options))


def _without_separators(texts: Sequence[str]) -> list[str]:
    """Texts without the comma or semicolon that ends all but the last one."""
    for separator in ";；,，、":
        if all(text.endswith(separator) for text in texts[:-1]):
            return [text.removesuffix(separator).rstrip() for text in texts]
    return list(texts)


def _other(text: str) -> InlineOptions | None:
    """Options with numbers or letters that are not Latin, or without spaces between."""
    begin = max(0, len(text) - _CHARACTERS)
    marks = _run(narrow(text[begin:]))
    if len(marks) < 3:
        return None
    start = begin + marks[0].start
    stem, last = text[:start], text[begin + marks[-1].end :]
    is_sure = asks(stem) and "\n" not in last.strip() and not last.rstrip().endswith(("?", "？"))
    if not is_sure or (marks[0].scheme == "latin" and not _is_packed(stem)):
        return None
    ends = [begin + mark.start for mark in marks[1:]] + [len(text)]
    texts = _without_separators([text[begin + mark.end : end].strip() for mark, end in zip(marks, ends, strict=True)])
    if not all(texts):
        return None
    labels = {mark.label.upper(): letter for mark, letter in zip(marks, ascii_uppercase, strict=False)}
    return InlineOptions(stem, Block(Certainty.OPTIONS, dict(zip(ascii_uppercase, texts, strict=False)), labels))


def _run(text: str) -> Sequence[_Mark]:
    """The last run of marks that follow one another; the longest, if several schemes fit."""
    runs: dict[tuple[str, str], list[_Mark]] = {}
    for found in _MARK.finditer(text):
        label = found["paren"] or found["circled"] or found["bare"]
        style = "()" if found["paren"] else "circled" if found["circled"] else found["mark"].strip()
        for scheme, position in positions(label):
            run = runs.setdefault((scheme, style), [])
            mark = _Mark(scheme, style, position, label, found.start(), found.end())
            if position == 1:
                run[:] = [mark]
            elif position == len(run) + 1:
                run.append(mark)
    return max(runs.values(), key=lambda run: (len(run), run[0].scheme in LETTERED if run else False), default=[])


def _is_packed(stem: str) -> bool:
    return any("\u3040" <= letter <= "\u9fff" for letter in stem[-40:])
