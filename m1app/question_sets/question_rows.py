"""One row of a file as a question that can be stored."""

import re
from collections.abc import Mapping

from m1app.question_sets.layouts import Layout
from m1app.question_sets.row_values import RowProblem, SetQuestion, unexpected

MAX_QUESTION_CHARACTERS = 1_000_000
"""Maximum length of one question with its options, tags and title."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def question_of(row: object, layout: Layout) -> SetQuestion:
    """Read a row by a layout; raises RowProblem."""
    if isinstance(row, RowProblem):
        raise row
    if not isinstance(row, Mapping):
        raise unexpected("", row, "an object with a question, its options and its target")
    try:
        question = layout.read(row)
    except (OverflowError, RecursionError, TypeError, ValueError) as exc:
        raise RowProblem(f"a value cannot be read ({type(exc).__name__}: {str(exc)[:100]})") from exc
    _check_storable(question)
    if (length := length_of(question)) > MAX_QUESTION_CHARACTERS:
        raise RowProblem(f"found a question of {length:,} characters, expected at most {MAX_QUESTION_CHARACTERS:,}")
    return question


def length_of(question: SetQuestion) -> int:
    """Its length in characters, with all its texts."""
    texts = (question.stem, *question.options.values(), *question.tags, question.title, question.reference)
    return sum(map(len, texts))


def _check_storable(question: SetQuestion) -> None:
    _check_text("the question", question.stem)
    for letter, text in question.options.items():
        _check_text(f"option {letter}", text)
    _check_text("the reference answer", question.reference)
    for text in (*question.tags, question.title):
        _check_text("a tag or title", text)


def _check_text(name: str, text: str) -> None:
    found = _UNSTORABLE.search(text)
    if found:
        kind = "a NUL" if found[0] == "\0" else "half of a surrogate pair"
        raise RowProblem(
            f"found {kind} (U+{ord(found[0]):04X}) in {name} at character {found.start() + 1:,}, "
            "expected text that can be stored"
        )
