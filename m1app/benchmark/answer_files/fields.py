"""The fields of a row that is to be scored, under the names that evaluation tools use for them.

Which column holds the answer's text, the options and the target differs from tool to tool. The first name that a row
has is taken, in the order of the lists below, unless the person names the column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from m1app.benchmark.answer_files.given_answer import MAX_TAGS
from m1app.question.errors import InvalidQuestion
from m1app.question.question_text import MAX_OPTIONS, parse_lettered
from m1app.question_sets.row_targets import Form, read_target
from m1app.question_sets.row_values import Row, RowProblem, unexpected, unpacked

TEXT_FIELDS = (
    *("text", "response", "output", "completion", "generated_text", "generation", "prediction"),
    *("model_output", "model_answer", "answer_text", "content"),
)
OPTION_FIELDS = ("options", "choices")
OPTION_COLUMNS = (
    tuple(ascii_uppercase),
    tuple(f"op{letter}" for letter in ascii_uppercase.lower()),
    tuple(f"ending{number}" for number in range(MAX_OPTIONS)),
    tuple(f"choice{number}" for number in range(1, MAX_OPTIONS + 1)),
    tuple(f"option_{letter}" for letter in ascii_uppercase.lower()),
)
"""Columns of one option each, the first being option A: as in MedMCQA, MedQA on the hub, GPQA's task."""
TARGET_FIELDS = (
    *("answer_idx", "target", "answer_letter", "answer_index", "correct_answer", "correct_option", "gold"),
    *("label", "cop", "ground_truth", "reference", "answer"),
)
QUESTION_FIELDS = ("question", "Question", "QUESTION", "stem", "sent1", "input", "query", "prompt")
KEY_FIELDS = ("question_id", "id", "qid", "doc_id", "sample_id")
TAG_FIELDS = (
    *("tags", "subject", "subject_name", "topic", "topic_name", "category", "specialty", "domain", "domain_name"),
    *("meta_info", "medical_task", "body_system", "High-level domain", "Subdomain"),
)


@dataclass(frozen=True, slots=True)
class ChosenFields:
    """Columns that a person named; empty ones are found by their usual names."""

    text: str = ""
    options: str = ""
    target: str = ""


def named(row: Row, given: str, names: Sequence[str]) -> str | None:
    """The name of the first column of `names` that the row fills; `given`, if it is not empty.

    Raises:
        RowProblem: the row has no column `given`.
    """
    if given and given not in row:
        raise RowProblem(f"column {given} is missing. {found_fields(row)}")
    return given or next((name for name in names if row.get(name) not in (None, "")), None)


def found_fields(row: Row) -> str:
    """The row's columns, for a message."""
    names = [str(name)[:60] for name in row]
    return (
        f"Found the fields {', '.join(names[:15])}{', ...' if len(names) > 15 else ''}" if names else "Found no field"
    )


def text_field(row: Row, given: str) -> str:
    """The column of the answer's text; "answer", if another column has the target.

    Raises:
        RowProblem: there is none, or several could be.
    """
    name = named(row, given, [*TEXT_FIELDS, *_answer_beside_target(row)])
    # A model may have written nothing, which counts as unanswered.
    name = name or next((each for each in TEXT_FIELDS if each in row), None)
    if name is None:
        raise RowProblem(
            f"{found_fields(row)}; expected the answer's text in one of {', '.join(TEXT_FIELDS)}. "
            "Name its field with --text-field"
        )
    return name


def _answer_beside_target(row: Row) -> tuple[str, ...]:
    has_target = any(row.get(name) not in (None, "") for name in TARGET_FIELDS if name != "answer")
    return ("answer",) if has_target else ()


def answer_text(value: object, name: str) -> str:
    """The answer's text: a string, an object or a message with one, or a list with one of them.

    Raises:
        RowProblem: it is none of them.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and len(value) == 1:
        return answer_text(value[0], name)
    if isinstance(value, Mapping):
        inner = next((value[each] for each in ("text", "content", "message") if each in value), None)
        if inner is not None:
            return answer_text(inner, name)
    raise unexpected(name, value, "the answer's text, a string")


def options_of(row: Row, given: str = "", question: str = "") -> dict[str, str]:
    """The row's options: an object of letter to text, a list, a column each, or the lettered lines of the question.

    Raises:
        RowProblem: they cannot be read.
    """
    name = named(row, given, OPTION_FIELDS)
    if name is not None:
        return _listed(unpacked(row[name], name), name)
    for columns in OPTION_COLUMNS:
        texts = [row[column] for column in columns if row.get(column) not in (None, "")]
        if len(texts) >= 2 and all(row.get(column) not in (None, "") for column in columns[: len(texts)]):
            return _by_letter(texts, columns[0])
    return options_in(question)


def options_in(question: str) -> dict[str, str]:
    """The options in the text of a question, if it has some."""
    try:
        return parse_lettered(question).options if question else {}
    except InvalidQuestion:
        return {}


def stem_in(question: str) -> str:
    """The text of a question without the options in it."""
    try:
        found = parse_lettered(question) if question else None
    except InvalidQuestion:
        return question
    return found.stem if found and found.options else question


def _listed(value: object, name: str) -> dict[str, str]:
    if isinstance(value, Mapping):
        texts = value.get("text")
        # As ARC has them: {text: [...], label: [...]}.
        return _listed(texts, name) if isinstance(texts, list) else _of_letters(value, name)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and all(isinstance(each, Mapping) for each in value):
            return _of_letters(
                {
                    str(each.get("key", each.get("letter", each.get("label")))): each.get(
                        "value", each.get("text", each.get("content"))
                    )
                    for each in value
                },
                name,
            )
        return _by_letter(value, name)
    raise unexpected(name, value, "options: an object of letter to text, or a list of texts")


def _by_letter(texts: Sequence[Any], name: str) -> dict[str, str]:
    _check_count(len(texts), name)
    return {letter: _option(text, name) for letter, text in zip(ascii_uppercase, texts, strict=False)}


def _of_letters(value: Mapping[Any, Any], name: str) -> dict[str, str]:
    _check_count(len(value), name)
    options = {str(letter).strip().strip("().").upper(): _option(text, name) for letter, text in value.items()}
    if len(options) < len(value) or not all(len(letter) == 1 and letter in ascii_uppercase for letter in options):
        raise unexpected(name, ", ".join(map(str, value)), "letters from A to Z, each once")
    return options


def _option(text: object, name: str) -> str:
    if isinstance(text, str):
        return text
    if isinstance(text, int | float) and not isinstance(text, bool):
        return str(text)
    raise unexpected(name, text, "the text of an option")


def _check_count(count: int, name: str) -> None:
    if count > MAX_OPTIONS:
        raise RowProblem(f"column {name}: found {count:,} options, expected at most {MAX_OPTIONS}")


def target_of(value: object, options: Mapping[str, str], name: str, first: int | None) -> str | None:
    """The target's letter, or letters, from letters, texts or numbers; None if the row has none.

    Args:
        value: what the file has.
        options: the row's options.
        name: where it was found, for messages.
        first: the number of option A, 0 or 1; None if the file does not tell.

    Raises:
        RowProblem: it is no option.
    """
    return read_target(value, options, name, Form.LETTER | Form.TEXT | Form.NUMBER, first) if options else None


def tags_of(row: Row) -> tuple[str, ...]:
    """The row's tags: subject, specialty and the like."""
    found: dict[str, None] = {}
    for name in TAG_FIELDS:
        value = _unpacked_list(row.get(name), name)
        for each in value if isinstance(value, list | tuple) else (value,):
            if tag := (as_key(each) or "").strip():
                found[tag] = None
    return tuple(found)[:MAX_TAGS]


def _unpacked_list(value: object, name: str) -> object:
    try:
        return unpacked(value, name)
    except RowProblem:
        return value


def question_of(row: Row) -> str:
    """The question's text; empty if the row has none."""
    return next((value for name in QUESTION_FIELDS if isinstance(value := row.get(name), str) and value), "")


def key_of(row: Row) -> str:
    """What answers to the same question share; empty if the row does not say."""
    return next((key for name in KEY_FIELDS if (key := as_key(row.get(name)))), "")


def as_key(value: object) -> str | None:
    """A short text or a number as text; None for anything else."""
    return str(value)[:200] if isinstance(value, str | int) and not isinstance(value, bool) else None
