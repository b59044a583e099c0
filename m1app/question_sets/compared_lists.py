"""Compares lists of texts, in the process of `reading_process`: they can take more memory than the app may use.

The file has one JSON value per line: an object `{"is_kept": ...}` begins a list, and each of its texts follows as
`[stem, [option, ...]]`. `comparison` writes it and is the other end of these messages.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from pydantic import Field

from m1app.question_sets.file_reading import Line, Message
from m1app.question_sets.overlap import PreparedTexts, Text, find_overlap

COMPARED_LISTS = "m1app.question_sets.compared_lists:overlap_messages"
"""The producer of `OverlapLine` lines."""
MAX_SHOWN_PAIRS = 50
MAX_SHOWN_CHARACTERS = 20_000
"""Of a text in a pair; the rest is left out."""


class PairMessage(Message):
    """A text of the first list, and its closest counterpart in the second."""

    first: str = Field(max_length=MAX_SHOWN_CHARACTERS)
    second: str = Field(max_length=MAX_SHOWN_CHARACTERS)
    share: float = Field(ge=0, le=1)


class OverlapMessage(Message):
    """What two lists share; also sent if that is nothing."""

    first: int = Field(ge=0)
    """Place of the list in the file, from 0."""
    second: int = Field(ge=0)
    count: int = Field(ge=0)
    pairs: list[PairMessage] = Field(max_length=MAX_SHOWN_PAIRS)


OverlapLine = Line[OverlapMessage]


def overlap_messages(file: BinaryIO, file_name: str) -> Iterator[dict[str, Any]]:
    """Compare each list with the kept ones before it; only those and one more are in memory.

    Yields:
        `OverlapMessage` as dicts.
    """
    kept: dict[int, PreparedTexts] = {}
    for place, (is_kept, texts) in enumerate(_lists(file)):
        theirs = PreparedTexts(texts)
        for earlier, ours in kept.items():
            yield overlap_message(earlier, ours, place, theirs)
        if is_kept:
            kept[place] = theirs


def _lists(file: BinaryIO) -> Iterator[tuple[bool, list[Text]]]:
    is_kept, texts, is_begun = False, list[Text](), False
    for line in file:
        value = json.loads(line)
        if isinstance(value, list):
            texts.append(Text(value[0], tuple(value[1])))
            continue
        if is_begun:
            yield is_kept, texts
        is_kept, texts, is_begun = value["is_kept"], [], True
    if is_begun:
        yield is_kept, texts


def overlap_message(first: int, ours: PreparedTexts, second: int, theirs: PreparedTexts) -> dict[str, Any]:
    """Compare two lists; return an `OverlapMessage` as a dict."""
    matches = find_overlap(ours, theirs)
    pairs = [
        {
            "first": ours.texts[each.first].stem[:MAX_SHOWN_CHARACTERS],
            "second": theirs.texts[each.second].stem[:MAX_SHOWN_CHARACTERS],
            "share": each.share,
        }
        for each in matches[:MAX_SHOWN_PAIRS]
    ]
    return {"first": first, "second": second, "count": len(matches), "pairs": pairs}
