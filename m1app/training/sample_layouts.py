"""Layouts of published reasoning traces: the columns of each, and how a row becomes a sample.

Columns of UCSC-VLAA/m1k-tokenized and m23k-tokenized: the data card of UCSC-VLAA/m23k-tokenized on the Hugging Face
hub. Their `text` column holds the sample as rendered for Qwen2.5 and is not read: the profile renders here.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m1app.question.errors import InvalidQuestion
from m1app.question.question_text import parse_lettered
from m1app.question_sets.row_values import (
    Row,
    check_answer,
    letter_at,
    lettered_options,
    optional_text,
    options_at,
    text_at,
    unexpected,
    unpacked,
)
from m1app.training.corrections import CorrectedSpan, correct
from m1app.training.samples import TrainingSample

_DOMAIN_COLUMNS = ("domain", "domain_name", "domain_code", "specialty", "subject_name", "subject", "category")
_TARGET_COLUMNS = ("answer_idx", "target", "answer_letter")


@dataclass(frozen=True, slots=True)
class SampleLayout:
    """A file layout of samples."""

    label: str
    """Name shown to users."""
    columns: tuple[str, ...]
    """Columns that every row must have."""
    read: Callable[[Row], TrainingSample]
    """Reads a row as a sample, with an empty source unless the row names one; raises RowProblem."""


def read_m1(row: Row) -> TrainingSample:
    """Read a row of m1k or m23k; its prompt ends with the options, one per line."""
    prompt = text_at(row, "prompt")
    try:
        question = parse_lettered(prompt)
        stem, options = question.stem, dict(question.options)
    except InvalidQuestion:
        # Some of the 23K have gaps in their option letters; they are kept as open questions, and cannot be verified.
        stem, options = prompt, {}
    target = letter_at(row, "answer_letter", options) if options else None
    if target is not None:
        check_answer(row, "answer_string", options, target)
    return TrainingSample(
        question=stem,
        options=options,
        target=target,
        reasoning=optional_text(row, "reasoning"),
        answer=optional_text(row, "distilled_answer_string"),
        domain=_domain(row),
        source=optional_text(row, "source"),
    )


def read_reasoning(row: Row) -> TrainingSample:
    """Read a row with separate columns for the response and the answer in words."""
    options, target = _options_and_target(row)
    if target is not None:
        check_answer(row, "answer", options, target)
    return TrainingSample(
        question=text_at(row, "question"),
        options=options,
        target=target,
        reasoning=optional_text(row, "reasoning"),
        answer=optional_text(row, "response"),
        domain=_domain(row),
        source=optional_text(row, "source"),
    )


def read_plain(row: Row) -> TrainingSample:
    """Read a row of the app's own data sets; the column `answer` is the final response."""
    options, target = _options_and_target(row)
    return TrainingSample(
        question=text_at(row, "question"),
        options=options,
        target=target,
        reasoning=optional_text(row, "reasoning"),
        answer=optional_text(row, "answer"),
        domain=_domain(row),
        source=optional_text(row, "source"),
    )


def read_correction(row: Row) -> TrainingSample:
    """Read a row of `annotations export --format corrected`, applying the corrections."""
    listed = unpacked(row.get("options"), "options") or []
    if not isinstance(listed, Sequence) or not all(isinstance(each, Mapping) for each in listed):
        raise unexpected("options", listed, "a list of {letter, text}")
    pairs = {str(each.get("letter")): each.get("text") for each in listed}
    options = lettered_options(pairs, "options") if pairs else {}
    given = optional_text(row, "answer_idx").strip()
    reasoning, answer = correct(
        optional_text(row, "reasoning"),
        optional_text(row, "response"),
        options,
        letter_at(row, "answer_idx", options) if options and given else None,
        [_span(each) for each in _list_at(row, "spans")],
        [str(each) for each in _list_at(row, "corrected_facts")],
    )
    return TrainingSample(
        question=text_at(row, "question"),
        options=options,
        target=letter_at(row, "answer_idx", options) if options and given else None,
        reasoning=reasoning,
        answer=answer,
        domain=_domain(row),
        source="corrections",
    )


def _list_at(row: Row, column: str) -> list[Any]:
    found = unpacked(row.get(column), column)
    if not isinstance(found, list):
        raise unexpected(column, found, "a list")
    return found


def _span(span: Any) -> CorrectedSpan:
    try:
        return CorrectedSpan(
            is_thinking=span["part"] == "thinking",
            start=int(span["start"]),
            end=int(span["end"]),
            exact=str(span["exact"]),
            fact=str(span["corrected_fact"]),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise unexpected("spans", span, "{part, start, end, exact, corrected_fact}") from exc


def _options_and_target(row: Row) -> tuple[dict[str, str], str | None]:
    options = options_at(row, "options") if row.get("options") else {}
    column = next((name for name in _TARGET_COLUMNS if row.get(name) not in (None, "")), None)
    return options, letter_at(row, column, options) if options and column else None


def _domain(row: Row) -> str:
    return next((text for name in _DOMAIN_COLUMNS if (text := optional_text(row, name).strip())), "")


_CORRECTION_COLUMNS = ("case_id", "question", "options", "reasoning", "response", "spans", "corrected_facts")

LAYOUTS = (
    SampleLayout("exported corrections", _CORRECTION_COLUMNS, read_correction),
    SampleLayout("m1k and m23k", ("prompt", "reasoning", "distilled_answer_string"), read_m1),
    SampleLayout("reasoning traces", ("question", "reasoning", "response"), read_reasoning),
    SampleLayout("samples of a data set", ("question", "reasoning", "answer"), read_plain),
)
"""In the order in which they are tried: layouts with more distinctive columns first."""


def detect_layout(columns: Collection[str]) -> tuple[SampleLayout, tuple[str, ...]]:
    """Return the best matching layout, and the columns it lacks."""
    missing = [(tuple(name for name in layout.columns if name not in columns), layout) for layout in LAYOUTS]
    absent, nearest = min(missing, key=lambda found: len(found[0]) / len(found[1].columns))
    return nearest, absent
