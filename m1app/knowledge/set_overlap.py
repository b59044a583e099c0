"""Compares question sets with many other texts, in the process of `question_sets.reading_process`: with the passages of
a corpus, or with what was learned from.

The file is as for `question_sets.compared_lists`: the sets first, as kept lists, and one list of texts. A text is in
memory only if it shares a run of words with a question.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from m1app.question_sets.compared_lists import overlap_message
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.overlap import PreparedTexts, SharedRuns, Text

SET_OVERLAPS = "m1app.knowledge.set_overlap:overlap_messages"
"""The producer of `OverlapLine` lines."""
_MAX_SHARING = 200_000


def overlap_messages(file: BinaryIO, file_name: str) -> Iterator[dict[str, Any]]:
    """Compare each set with the texts.

    Yields:
        `OverlapMessage` as dicts.

    Raises:
        InvalidQuestionSet: too many texts share words with the sets.
    """
    sets: list[list[Text]] = []
    for line in file:
        value = json.loads(line)
        if not isinstance(value, list):
            if not value["is_kept"]:
                break
            sets.append([])
        else:
            sets[-1].append(Text(value[0], tuple(value[1])))
    prepared = [PreparedTexts(texts) for texts in sets]
    sharing = PreparedTexts(_sharing(file, SharedRuns(prepared)))
    for place, texts_of_set in enumerate(prepared):
        yield overlap_message(place, texts_of_set, len(sets), sharing)


def _sharing(file: BinaryIO, runs: SharedRuns) -> list[Text]:
    """Those of the remaining texts that share a run of words."""
    found: list[Text] = []
    for line in file:
        stem, options = json.loads(line)
        text = Text(stem, tuple(options))
        if runs.has_some_of(text):
            found.append(text)
        if len(found) > _MAX_SHARING:
            raise InvalidQuestionSet("Too many texts share words with the question sets. Compare with fewer sets.")
    return found
