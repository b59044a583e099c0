"""Layouts of published reasoning traces: the columns of each, and how a row becomes a sample.

docs/training-data.md lists where the columns of each are published. The `text` column of m1k and m23k holds the sample
as rendered for Qwen2.5 and is not read: the profile renders here.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from m1app.question.errors import InvalidQuestion
from m1app.question.question_text import parse_lettered
from m1app.question_sets.row_targets import letter_at
from m1app.question_sets.row_values import (
    Row,
    RowProblem,
    check_answer,
    lettered_options,
    optional_text,
    options_at,
    text_at,
    unexpected,
    unpacked,
)
from m1app.training import chat_rows
from m1app.training.chat_rows import OPENAI, SHAREGPT, MessageForm
from m1app.training.corrections import CorrectedSpan, correct, fact_alone
from m1app.training.errors import InvalidTrainingData
from m1app.training.samples import TrainingSample
from m1app.training.thinking_in_text import take_apart

_DOMAIN_COLUMNS = ("domain", "domain_name", "domain_code", "specialty", "subject_name", "subject", "category")
CORRECTIONS = "exported corrections"
"""Label of the layout of corrections."""
_TARGET_COLUMNS = ("answer_idx", "target", "answer_letter")


@dataclass(frozen=True, slots=True)
class SampleLayout:
    """A file layout of samples."""

    id: str
    label: str
    """Name shown to users."""
    columns: tuple[str, ...]
    """Columns that every row must have."""
    read: Callable[[Row], TrainingSample]
    """Reads a row as a sample, with an empty source unless the row names one; raises RowProblem."""
    left_out: Callable[[Row], Collection[str]] = lambda _: ()
    """What a row has that its sample does not, in the plural; raises RowProblem."""


def read_m1(row: Row) -> TrainingSample:
    """Read a row of m1k or m23k; its prompt ends with the options, one per line."""
    stem, options = _split(text_at(row, "prompt"))
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


def _split(prompt: str) -> tuple[str, dict[str, str]]:
    """The stem and the options of a prompt."""
    try:
        question = parse_lettered(prompt)
    except InvalidQuestion:
        # Some have gaps in their option letters; they are kept as open questions, and cannot be verified.
        return prompt, {}
    return question.stem, dict(question.options)


def read_huatuo(row: Row) -> TrainingSample:
    """Read a row of HuatuoGPT-o1's data; its questions are open."""
    thinking, answer = _reasoned(optional_text(row, "Complex_CoT"), optional_text(row, "Response"))
    return _of_prompt(row, text_at(row, "Question"), thinking, answer)


def read_s1k(row: Row, reasoning: str, attempts: Sequence[str]) -> TrainingSample:
    """Read a row of s1K or s1K-1.1: thinking in the column `reasoning`, the answer in one of `attempts`."""
    given = unpacked(row.get(reasoning), reasoning)
    listed = given if isinstance(given, list) else [given]
    parts = [each for each in listed if isinstance(each, str)]
    if len(parts) < len(listed):
        raise unexpected(reasoning, given, "text, or a list of texts")
    # s1's own code joins the parts in the same way.
    thinking = "\n".join(parts).strip()
    column = next((name for name in attempts if optional_text(row, name).strip()), attempts[0])
    return _of_prompt(row, text_at(row, "question"), thinking, text_at(row, column))


def read_medreason(row: Row) -> TrainingSample:
    """Read a row of MedReason; its options are lines of a text, and its answer begins with the right one's text."""
    stem, options = _split(text_at(row, "question"))
    listed = row.get("options")
    if isinstance(listed, str) and not listed.lstrip().startswith(("{", "[")):
        options = _split(f"{stem}\n{listed}")[1] or options
    elif listed:
        options = options_at(row, "options")
    answer = text_at(row, "answer")
    return TrainingSample(
        question=stem,
        options=options,
        target=_option_said(answer, options),
        reasoning=optional_text(row, "reasoning"),
        answer=answer,
        domain=_domain(row),
        source=optional_text(row, "dataset_name"),
    )


def _option_said(answer: str, options: Mapping[str, str]) -> str | None:
    """The letter of the only option whose text an answer is, before an explanation; None if there is none."""
    said = _EXPLANATION.split(answer, maxsplit=1)[0]
    said = _LETTER.sub("", said.strip()).casefold().strip(" .")
    letters = [letter for letter, text in options.items() if text.casefold().strip(" .") == said]
    return letters[0] if len(letters) == 1 else None


_EXPLANATION = re.compile(r"\.?\s*Explanation:")
_LETTER = re.compile(r"^\(?[A-Z][).:]\s+")


def read_alpaca(row: Row) -> TrainingSample:
    """Read a row of an instruction, its input and the output, which may begin with thinking."""
    asked = [text_at(row, "instruction"), optional_text(row, "input")]
    thinking, answer = take_apart(text_at(row, "output"))
    return _of_prompt(row, "\n".join(filter(str.strip, asked)), thinking, answer)


def _alpaca_left_out(row: Row) -> tuple[str, ...]:
    # Earlier turns come before the instruction, which may not be understood without them.
    if unpacked(row.get("history"), "history"):
        raise RowProblem("column history: found earlier turns, expected none: the instruction may need them. Remove it")
    return (chat_rows.SYSTEM,) if optional_text(row, "system").strip() else ()


def read_chat(row: Row, form: MessageForm) -> TrainingSample:
    """Read the first exchange of a conversation; see `chat_rows`."""
    found = chat_rows.first_exchange(row, form)
    return _of_prompt(row, found.question, found.reasoning, found.answer)


def _of_prompt(row: Row, prompt: str, reasoning: str, answer: str) -> TrainingSample:
    """A sample of a prompt that may have its options in it; which of them is right is not said."""
    stem, options = _split(prompt)
    return TrainingSample(
        question=stem,
        options=options,
        target=letter_at(row, "answer_idx", options) if options and row.get("answer_idx") else None,
        reasoning=reasoning,
        answer=answer,
        domain=_domain(row),
        source=optional_text(row, "source"),
    )


def _reasoned(reasoning: str, answer: str) -> tuple[str, str]:
    """Thinking and answer; from the answer's text, if its own column is empty."""
    return (reasoning, answer) if reasoning.strip() else take_apart(answer)


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
    given, question = optional_text(row, "answer_idx").strip(), text_at(row, "question")
    reasoning, answer = correct(
        optional_text(row, "reasoning"),
        optional_text(row, "response"),
        options,
        letter_at(row, "answer_idx", options) if options and given else None,
        [_span(each) for each in _list_at(row, "spans")],
        [str(each) for each in _list_at(row, "corrected_facts")],
        question,
    )
    return TrainingSample(
        question=question,
        options=options,
        target=letter_at(row, "answer_idx", options) if options and given else None,
        reasoning=reasoning,
        answer=answer,
        domain=_domain(row),
        source="corrections",
    )


def read_fact(row: Row) -> TrainingSample:
    """Read the first corrected fact of such a row as a sample of its own, which does not repeat the question.

    A row without a marked text and a fact for it gives a sample without an answer.
    """
    spans = [_span(each) for each in _list_at(row, "spans")]
    return fact_alone([each for each in spans if each.exact.strip() and each.fact.strip()], _domain(row))


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
    SampleLayout("corrections", CORRECTIONS, _CORRECTION_COLUMNS, read_correction),
    SampleLayout("corrected-facts", "facts of exported corrections", _CORRECTION_COLUMNS, read_fact),
    SampleLayout("m1", "m1k and m23k", ("prompt", "reasoning", "distilled_answer_string"), read_m1),
    SampleLayout("huatuogpt-o1", "HuatuoGPT-o1", ("Question", "Complex_CoT", "Response"), read_huatuo),
    SampleLayout(
        "s1k-1.1",
        "s1K-1.1",
        ("question", "deepseek_thinking_trajectory"),
        partial(read_s1k, reasoning="deepseek_thinking_trajectory", attempts=("deepseek_attempt", "attempt")),
    ),
    SampleLayout(
        "s1k",
        "s1K",
        ("question", "thinking_trajectories", "attempt"),
        partial(read_s1k, reasoning="thinking_trajectories", attempts=("attempt",)),
    ),
    SampleLayout("medreason", "MedReason", ("dataset_name", "question", "reasoning", "answer"), read_medreason),
    SampleLayout("reasoning", "reasoning traces", ("question", "reasoning", "response"), read_reasoning),
    SampleLayout("samples", "samples of a data set", ("question", "reasoning", "answer"), read_plain),
    SampleLayout("alpaca", "Alpaca", ("instruction", "output"), read_alpaca, _alpaca_left_out),
    SampleLayout(
        "sharegpt",
        "ShareGPT conversations",
        ("conversations",),
        partial(read_chat, form=SHAREGPT),
        partial(chat_rows.left_out_of, form=SHAREGPT),
    ),
    SampleLayout(
        "messages",
        "chat messages, as of OpenAI",
        ("messages",),
        partial(read_chat, form=OPENAI),
        partial(chat_rows.left_out_of, form=OPENAI),
    ),
)
"""In the order in which they are tried: layouts with more distinctive columns first."""

COMMON_COLUMNS = frozenset(("question", "answer"))
"""Columns that tell nothing of a file's layout."""

_BY_ID = {layout.id: layout for layout in LAYOUTS}


def layout_of(layout_id: str) -> SampleLayout:
    """Return the layout with this id; raises InvalidTrainingData if there is none."""
    if layout_id not in _BY_ID:
        raise InvalidTrainingData(f"Unknown layout {layout_id[:60]!r}. Choose one of {', '.join(_BY_ID)}.")
    return _BY_ID[layout_id]


def detect_layout(columns: Collection[str]) -> tuple[SampleLayout, tuple[str, ...]]:
    """Return the best matching layout, and the columns it lacks."""
    nearest = min(LAYOUTS, key=lambda layout: _share_missing(layout, columns))
    return nearest, missing_columns(nearest, columns)


def _share_missing(layout: SampleLayout, columns: Collection[str]) -> float:
    """The share of a layout's columns that is missing; 1 if there are only those that any file may have."""
    missing = missing_columns(layout, columns)
    telling = set(layout.columns) - COMMON_COLUMNS
    return 1.0 if telling and telling <= set(missing) else len(missing) / len(layout.columns)


def missing_columns(layout: SampleLayout, columns: Collection[str]) -> tuple[str, ...]:
    """The columns of a layout that are not among `columns`."""
    return tuple(name for name in layout.columns if name not in columns)
