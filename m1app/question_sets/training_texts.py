"""Questions of fine-tuning data, to compare benchmarks with; nothing else of it is read."""

from collections.abc import Mapping
from typing import Any

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.overlap import Text
from m1app.question_sets.records import RowProblem
from m1app.question_sets.row_values import options_at
from m1app.question_sets.rows import read_tables

_COLUMNS = ("question", "prompt", "messages")


def read_training_texts(content: bytes, file_name: str) -> tuple[Text, ...]:
    """The questions of a file of fine-tuning data, one per row.

    A row's question is its `question` or `prompt`: a text, or a list of chat messages, of which those of the user
    count. `messages` is read the same way.

    Raises:
        InvalidQuestionSet: the file cannot be read, or a row has none of these.
    """
    texts = []
    for table in read_tables(content, file_name):
        for index, row in enumerate(table.rows):
            text = _text(row) if isinstance(row, Mapping) else None
            if text is None:
                raise InvalidQuestionSet(
                    f"{file_name}, {table.where(index)}: found no {', '.join(_COLUMNS[:-1])} or {_COLUMNS[-1]} with a "
                    "text in it, expected one in every row of fine-tuning data. Rename the column that has it."
                )
            texts.append(text)
    return tuple(texts)


def _text(row: Mapping[str, Any]) -> Text | None:
    for column in _COLUMNS:
        value = row.get(column)
        stem = value if isinstance(value, str) else _user_words(value)
        if stem.strip():
            return Text(stem, _options(row))
    return None


def _user_words(messages: object) -> str:
    if not isinstance(messages, list):
        return ""
    users = (each for each in messages if isinstance(each, Mapping) and each.get("role") == "user")
    return "\n".join(str(each.get("content") or "") for each in users)


def _options(row: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return tuple(options_at(row, "options").values())
    except RowProblem:
        return ()  # they only help to tell very short questions apart
