"""Rows of published medical exams and of MMLU as questions; see `layouts` for the columns of each.

A row with several right answers is refused here.
"""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from m1app.question_sets.cell_rows import LETTER_COLUMN
from m1app.question_sets.row_targets import letter_at, letters_at, numbered_at
from m1app.question_sets.row_values import (
    Row,
    RowProblem,
    SetQuestion,
    lettered_options,
    option_columns,
    optional_text,
    options_at,
    text_at,
    texts_of,
    unexpected,
    unpacked,
)
from m1app.targets import letters_of


def read_mmlu(row: Row) -> SetQuestion:
    """MMLU as the hub has it: a list of choices, and the number of the right one from 0."""
    options = options_at(row, "choices")
    target = numbered_at(row, "answer", options, first=0)
    return SetQuestion(text_at(row, "question"), options, target, texts_of(row, ("subject", "category")))


def read_mmlu_csv(row: Row) -> SetQuestion:
    """MMLU as its authors publish it; `cell_rows` has named the columns."""
    letters = {name: text for name, text in row.items() if len(name) == 1 and name in ascii_uppercase}
    options = lettered_options(letters, "A, B, ...")
    return SetQuestion(text_at(row, "question"), options, letter_at(row, LETTER_COLUMN, options))


def read_medqa_hf(row: Row) -> SetQuestion:
    """GBaker/MedQA-USMLE-4-options-hf: two parts of a sentence (the second is empty), four endings, a number from 0."""
    options = option_columns(row, ("ending0", "ending1", "ending2", "ending3"))
    target = numbered_at(row, "label", options, first=0)
    rest = optional_text(row, "sent2")
    stem = text_at(row, "sent1") + (f"\n{rest}" if rest.strip() else "")
    return SetQuestion(stem, options, target, title=optional_text(row, "id"))


def read_careqa(row: Row) -> SetQuestion:
    """CareQA: a column for each option, and the number of the right one from 1."""
    options = option_columns(row, ("op1", "op2", "op3", "op4"))
    target = numbered_at(row, "cop", options, first=1)
    return SetQuestion(
        text_at(row, "question"), options, target, texts_of(row, ("category", "year")), optional_text(row, "unique_id")
    )


def read_headqa(row: Row) -> SetQuestion:
    """HEAD-QA: answers as {aid, atext}, and the aid of the right one."""
    if row.get("image"):
        raise unexpected("image", "an image", "no image: only the text can be asked")
    answers = _mappings(row, "answers")
    options = lettered_options(_lettered([each.get("atext") for each in answers]), "answers")
    ids = [_text_of_number(each.get("aid")) for each in answers]
    right = _text_of_number(unpacked(row.get("ra"), "ra"))
    if ids.count(right) != 1 or ids.index(right) >= len(options):
        raise unexpected("ra", row.get("ra"), f"the aid of one of the answers: {', '.join(ids)[:60]}")
    return SetQuestion(
        text_at(row, "qtext"), options, ascii_uppercase[ids.index(right)], texts_of(row, ("category", "name"))
    )


def read_frenchmedmcqa(row: Row) -> SetQuestion:
    """FrenchMedMCQA in the forms of the hub, the authors' JSON and the authors' CSV; a number counts from 0.

    One option is right, or several.
    """
    letters = "abcde"
    if isinstance(answers := unpacked(row.get("answers"), "answers"), Mapping):
        options = lettered_options({str(letter): text for letter, text in answers.items()}, "answers")
    else:
        prefix = "answer_" if "answer_a" in row else "answers."
        options = option_columns(row, [f"{prefix}{letter}" for letter in letters])
    right = [int(each) if each.isdecimal() else each for each in _right_answers(row.get("correct_answers"))]
    target = letters_at({"correct_answers": right}, "correct_answers", options)
    for column in ("number_correct_answers", "nbr_correct_answers"):
        _check_number(row, column, len(letters_of(target)))
    return SetQuestion(
        text_at(row, "question"), options, target, texts_of(row, ("subject_name",)), optional_text(row, "id")
    )


def _check_number(row: Row, column: str, count: int) -> None:
    """Reject a number of right options that the row does not have; the hub counts it from 0, as a class."""
    number = row.get(column)
    if number not in (None, "") and str(number).strip() not in (str(count), str(count - 1)):
        raise unexpected(column, number, f"{count}, as correct_answers has")


def _right_answers(value: object) -> list[str]:
    value = unpacked(value, "correct_answers")
    if isinstance(value, str):
        value = [part for part in value.replace(",", "|").split("|") if part.strip()]
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [_text_of_number(each) for each in values]


def read_nejm(row: Row) -> SetQuestion:
    """AgentClinic's NEJM cases: answers as {text, correct}. Their pictures are not shown."""
    answers = _mappings(row, "answers")
    options = lettered_options(_lettered([each.get("text") for each in answers]), "answers")
    right = [index for index, each in enumerate(answers) if each.get("correct") is True]
    if len(right) != 1 or right[0] >= len(options):
        raise RowProblem(f"column answers: found {len(right)} answers marked as correct, expected one")
    return SetQuestion(text_at(row, "question"), options, ascii_uppercase[right[0]], texts_of(row, ("type",)))


def _mappings(row: Row, column: str) -> list[Mapping[str, Any]]:
    """Objects of a list; also from an object of lists, as `datasets` stores them."""
    value = unpacked(row.get(column), column)
    if isinstance(value, Mapping) and value and all(isinstance(each, list) for each in value.values()):
        return [dict(zip(value, each, strict=True)) for each in zip(*value.values(), strict=True)]
    if not isinstance(value, list) or not value or not all(isinstance(each, Mapping) for each in value):
        raise unexpected(column, value, "a list of objects, one for each option")
    return value


def _lettered(texts: Sequence[object]) -> dict[str, object]:
    if len(texts) > len(ascii_uppercase):
        raise RowProblem(f"found {len(texts)} options, expected at most {len(ascii_uppercase)}")
    return dict(zip(ascii_uppercase, texts, strict=False))


def _text_of_number(value: object) -> str:
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole and isinstance(value, float) else value).strip()
