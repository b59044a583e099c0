"""Rows of evaluation tools as questions: BIG-bench tasks and Inspect samples; and options within a question's text."""

from collections.abc import Mapping
from string import ascii_uppercase

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.pasted_question import read_paste
from m1app.question_sets.row_targets import target_at
from m1app.question_sets.row_values import (
    Row,
    RowProblem,
    SetQuestion,
    lettered_options,
    options_at,
    text_at,
    texts_of,
    unexpected,
    unpacked,
)
from m1app.targets import is_target


def read_bigbench(row: Row) -> SetQuestion:
    """An example of a BIG-bench task: an object of option to score; the right one has the only highest."""
    scores = unpacked(row.get("target_scores"), "target_scores")
    if not isinstance(scores, Mapping):
        raise unexpected("target_scores", scores, "an object of option to score")
    return _scored(text_at(row, "input"), list(scores), list(scores.values()), "target_scores")


def read_bigbench_hub(row: Row) -> SetQuestion:
    """The same as the hub has it: two lists."""
    texts = unpacked(row.get("multiple_choice_targets"), "multiple_choice_targets")
    scores = unpacked(row.get("multiple_choice_scores"), "multiple_choice_scores")
    if not isinstance(texts, list) or not isinstance(scores, list) or len(texts) != len(scores):
        raise unexpected("multiple_choice_scores", scores, "a list with a score for each of multiple_choice_targets")
    return _scored(text_at(row, "inputs"), texts, scores, "multiple_choice_scores")


def _scored(stem: str, texts: list[str], scores: list[object], column: str) -> SetQuestion:
    if len(texts) > len(ascii_uppercase):
        raise RowProblem(f"column {column}: found {len(texts)} options, expected at most {len(ascii_uppercase)}")
    options = lettered_options(dict(zip(ascii_uppercase, texts, strict=False)), column)
    numbers = [score for score in scores if isinstance(score, int | float)]
    if len(numbers) < len(options) or numbers.count(max(numbers)) != 1:
        raise unexpected(column, scores, "one option with the highest score")
    return SetQuestion(stem, options, ascii_uppercase[numbers.index(max(numbers))])


def read_inspect(row: Row) -> SetQuestion:
    """An Inspect sample: a text or chat messages, choices, and the letter or text of the right one."""
    options = options_at(row, "choices")
    target = target_at(row, "target", options)
    value = unpacked(row.get("input"), "input")
    stem = _user_text(value) if isinstance(value, list) else text_at(row, "input")
    metadata = unpacked(row.get("metadata"), "metadata")
    tags = texts_of(metadata, ("subject", "category", "topic")) if isinstance(metadata, Mapping) else ()
    return SetQuestion(stem, options, target, tags)


def _user_text(messages: list[object]) -> str:
    """What the user says in chat messages; raises RowProblem if that is nothing, or no text."""
    users = [each.get("content") for each in messages if isinstance(each, Mapping) and each.get("role") == "user"]
    texts = [text for text in users if isinstance(text, str) and text.strip()]
    if not texts or len(texts) < len(users):
        raise unexpected("input", messages, "text, or chat messages of which the user's are text")
    return "\n".join(texts)


def options_within(text: str, column: str) -> tuple[str, dict[str, str], str | None]:
    """Stem, options and stated letters of a question whose text holds its options; raises RowProblem without them."""
    try:
        paste = read_paste(text)
    except InvalidQuestion as exc:
        raise RowProblem(f"column {column}: {exc}") from exc
    if not paste.options:
        raise RowProblem(
            "column options: found nothing, expected options, or columns named A, B, ..., or options at the end of the "
            "question"
        )
    return paste.stem, paste.options, paste.target if is_target(paste.target, paste.options) else None
