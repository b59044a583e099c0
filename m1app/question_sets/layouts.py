"""Layouts of published question sets: the columns of each, and how a row becomes a question.

A reader raises RowProblem for a row that it cannot use. How rows are nested in a JSON file is handled in `rows`.
docs/question-sets.md lists the sources of the columns.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from string import ascii_uppercase

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.row_values import (
    Row,
    SetQuestion,
    check_answer,
    letter_at,
    lettered_options,
    letters_at,
    numbered_at,
    option_columns,
    optional_text,
    options_at,
    text_at,
    texts_of,
    unexpected,
    unpacked,
)
from m1app.targets import letters_of

MEDMCQA_OPTIONS = ("opa", "opb", "opc", "opd")
FRENCH_OPTIONS = ("answer_a", "answer_b", "answer_c", "answer_d", "answer_e")
GPQA_ANSWERS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
GPQA_DOMAIN = "High-level domain"
_DECISIONS = ("yes", "no", "maybe")
# MedXpertQA repeats the options at the end of the question.
_REPEATED_OPTIONS = re.compile(r"\s*Answer Choices:\s*\(A\).*\Z", re.DOTALL)
_TARGET_COLUMNS = ("answer_idx", "target", "label", "answer")


def read_m1(row: Row) -> SetQuestion:
    """m1's evaluation data; MedQA in its 4-option form and bigbio's form have these columns too."""
    options = options_at(row, "options")
    target = letter_at(row, "answer_idx", options)
    check_answer(row, "answer", options, target)
    return SetQuestion(text_at(row, "question"), options, target, texts_of(row, ("meta_info",)))


def read_medmcqa(row: Row, first: int = 0) -> SetQuestion:
    """MedMCQA; its column cop counts from `first`."""
    options = option_columns(row, MEDMCQA_OPTIONS)
    target = numbered_at(row, "cop", options, first)
    return SetQuestion(text_at(row, "question"), options, target, texts_of(row, ("subject_name", "topic_name")))


def read_medmcqa_original(row: Row) -> SetQuestion:
    """MedMCQA as its authors' JSON lines have it: cop counts from 1."""
    return read_medmcqa(row, first=1)


def read_pubmedqa(row: Row) -> SetQuestion:
    """PubMedQA's labelled part, as the hub has it."""
    context = unpacked(row.get("context"), "context")
    contexts = context.get("contexts") if isinstance(context, Mapping) else context
    title = optional_text(row, "pubid")
    return _abstract_question(
        contexts, "context", text_at(row, "question"), row.get("final_decision"), f"PubMed {title}" if title else ""
    )


def read_pubmedqa_original(row: Row) -> SetQuestion:
    """PubMedQA's ori_pqal.json: an object of PubMed id to abstract."""
    contexts = unpacked(row.get("CONTEXTS"), "CONTEXTS")
    return _abstract_question(contexts, "CONTEXTS", text_at(row, "QUESTION"), row.get("final_decision"), "")


def _abstract_question(contexts: object, column: str, question: str, decision: object, title: str) -> SetQuestion:
    """Abstract, blank line, question: as in m1's evaluation data."""
    if not isinstance(contexts, list) or not contexts or not all(isinstance(text, str) for text in contexts):
        raise unexpected(column, contexts, "a list of strings, the parts of the abstract")
    if decision is None or decision == "":
        raise unexpected("final_decision", decision, "yes, no or maybe; without a target nothing can be scored")
    if decision not in _DECISIONS:
        raise unexpected("final_decision", decision, "yes, no or maybe")
    stem = "\n".join(contexts) + "\n\n" + question
    options = dict(zip("ABC", _DECISIONS, strict=True))
    return SetQuestion(stem, options, "ABC"[_DECISIONS.index(str(decision))], title=title)


def read_mmlu_pro(row: Row) -> SetQuestion:
    """MMLU-Pro: a list of up to ten options, and the number of the right one."""
    options = options_at({"options": _without_padding(row.get("options"))}, "options")
    target = numbered_at(row, "answer_index", options, first=0)
    letter = optional_text(row, "answer").strip()
    if letter and letter != target:
        raise unexpected("answer", letter, f"{target}, as answer_index says")
    return SetQuestion(text_at(row, "question"), options, target, texts_of(row, ("category",)))


def _without_padding(options: object) -> object:
    """Options without the "N/A" with which the first release filled up to ten; the official script drops them too."""
    options = unpacked(options, "options")
    if not isinstance(options, list):
        return options
    while options and options[-1] == "N/A":
        options = options[:-1]
    return options


def read_gpqa(row: Row) -> SetQuestion:
    """GPQA, its four answers in an order that the question's own text decides.

    The original has the right answer first. Answers are ordered by the SHA-256 of question and answer, so that the
    order is the same on every import and independent of the column.
    """
    question = text_at(row, "Question")
    answers = [text_at(row, column) for column in GPQA_ANSWERS]
    order = sorted(
        answers, key=lambda answer: hashlib.sha256(f"{question}\0{answer}".encode(errors="replace")).digest()
    )
    options = dict(zip(ascii_uppercase, order, strict=False))
    target = ascii_uppercase[order.index(answers[0])]
    return SetQuestion(
        question, options, target, texts_of(row, (GPQA_DOMAIN, "Subdomain")), optional_text(row, "Record ID")
    )


def read_medbullets(row: Row) -> SetQuestion:
    """MedBullets with four or five options: a column each, and the letter of the right one."""
    columns = ("opa", "opb", "opc", "opd", "ope") if "ope" in row else ("opa", "opb", "opc", "opd")
    options = option_columns(row, columns)
    target = letter_at(row, "answer_idx", options)
    check_answer(row, "answer", options, target)
    return SetQuestion(text_at(row, "question"), options, target)


def read_medxpertqa(row: Row) -> SetQuestion:
    """MedXpertQA's text part, without the options that its questions repeat."""
    if row.get("images"):
        raise unexpected("images", row["images"], "no image: only the text part (config Text) can be asked")
    options = options_at(row, "options")
    target = letter_at(row, "label", options)
    stem = _REPEATED_OPTIONS.sub("", text_at(row, "question"))
    tags = texts_of(row, ("medical_task", "body_system", "question_type"))
    return SetQuestion(stem, options, target, tags, optional_text(row, "id"))


def read_frenchmedmcqa(row: Row) -> SetQuestion:
    """FrenchMedMCQA: a column for each of five options, and a list of those that are right, one or several."""
    options = option_columns(row, FRENCH_OPTIONS)
    target = letters_at(row, "correct_answers", options)
    _check_number(row, "number_correct_answers", len(letters_of(target)))
    tags = texts_of(row, ("subject_name",))
    return SetQuestion(text_at(row, "question"), options, target, tags, optional_text(row, "id"))


def _check_number(row: Row, column: str, count: int) -> None:
    """Reject a number of right options that the row does not have; the hub counts it from 0, as a class."""
    number = row.get(column)
    if number not in (None, "") and str(number).strip() not in (str(count), str(count - 1)):
        raise unexpected(column, number, f"{count}, as correct_answers has")


def read_bigbio(row: Row) -> SetQuestion:
    """bigbio's schema for questions: choices, and a list that holds the right one's text."""
    options = options_at(row, "choices")
    answer = unpacked(row.get("answer"), "answer")
    texts = answer if isinstance(answer, list) else [answer]
    found = [letter for letter, text in options.items() if text in texts]
    if len(found) != 1:
        raise unexpected("answer", answer, "the text of exactly one of the choices")
    return SetQuestion(text_at(row, "question"), options, found[0])


def read_plain(row: Row) -> SetQuestion:
    """A user's own table: options in one column or in columns A, B, ...; the target as letter or text."""
    options = options_at(row, "options") if row.get("options") else _letter_columns(row)
    column = next((name for name in _TARGET_COLUMNS if row.get(name) not in (None, "")), "answer_idx")
    value = row.get(column)
    by_text = [letter for letter, text in options.items() if isinstance(value, str) and text.strip() == value.strip()]
    target = by_text[0] if len(by_text) == 1 else letter_at(row, column, options)
    return SetQuestion(text_at(row, "question"), options, target, texts_of(row, ("category", "subject")))


def _letter_columns(row: Row) -> dict[str, str]:
    found = {name: text for name, text in row.items() if len(name) == 1 and name in ascii_uppercase}
    if not found:
        raise unexpected("options", row.get("options"), "options, or columns named A, B, ...")
    return lettered_options(found, "A, B, ...")


_MMLU_PRO_MEDICAL = ("health", "biology")
_GPQA_MEDICAL = ("biology",)


@dataclass(frozen=True, slots=True)
class Layout:
    """A file layout of question sets."""

    id: str
    label: str
    """Name shown to users."""
    columns: frozenset[str]
    """Columns that every file of this layout has."""
    read: Callable[[Row], SetQuestion]
    """Reads a row as a question; raises RowProblem."""
    subjects: tuple[str, ...] = ()
    """Accepted values of `subject_column`, in lower case; empty accepts all."""
    subject_column: str = ""

    def takes(self, row: Row) -> bool:
        """Whether the row's subject is accepted."""
        return not self.subjects or str(row.get(self.subject_column)).strip().casefold() in self.subjects


def _layout(layout_id: str, label: str, columns: str, read: Callable[[Row], SetQuestion]) -> Layout:
    return Layout(layout_id, label, frozenset(columns.split("|")), read)


def _part(whole: Layout, layout_id: str, label: str, column: str, subjects: tuple[str, ...]) -> Layout:
    return Layout(layout_id, label, whole.columns | {column}, whole.read, subjects, column)


_MMLU_PRO = _layout("mmlu-pro-all", "MMLU-Pro, every category", "question|options|answer_index", read_mmlu_pro)
_GPQA = _layout("gpqa-all", "GPQA, every domain", "|".join(("Question", *GPQA_ANSWERS)), read_gpqa)

LAYOUTS = (
    _layout("pubmedqa", "PubMedQA, pqa_labeled", "question|context|final_decision", read_pubmedqa),
    _layout(
        "pubmedqa-original",
        "PubMedQA, ori_pqal.json",
        "QUESTION|CONTEXTS|final_decision",
        read_pubmedqa_original,
    ),
    _part(_GPQA, "gpqa", "GPQA, biology (its medical part)", GPQA_DOMAIN, _GPQA_MEDICAL),
    _GPQA,
    _part(_MMLU_PRO, "mmlu-pro", "MMLU-Pro, health and biology", "category", _MMLU_PRO_MEDICAL),
    _MMLU_PRO,
    _layout("medxpertqa", "MedXpertQA, text part", "question|options|label", read_medxpertqa),
    _layout("medmcqa", "MedMCQA, cop from 0 (hub)", "question|opa|opb|opc|opd|cop", read_medmcqa),
    _layout(
        "medmcqa-original",
        "MedMCQA, cop from 1 (authors' files)",
        "question|opa|opb|opc|opd|cop",
        read_medmcqa_original,
    ),
    _layout(
        "frenchmedmcqa",
        "FrenchMedMCQA, one or several right",
        f"question|{'|'.join(FRENCH_OPTIONS)}|correct_answers",
        read_frenchmedmcqa,
    ),
    _layout("medbullets", "MedBullets, 4 or 5 options", "question|opa|opb|opc|opd|answer_idx", read_medbullets),
    _layout("medqa", "MedQA (GBaker 4 options, bigbio source)", "question|options|answer_idx|meta_info", read_m1),
    _layout("m1", "question, options, answer_idx (as m1's evaluation data)", "question|options|answer_idx", read_m1),
    _layout("bigbio-qa", "bigbio question schema", "question|choices|answer", read_bigbio),
    _layout("plain", "question, options or A, B, ..., and the answer", "question", read_plain),
)
"""In the order in which they are tried: layouts with more distinctive columns first."""

_BY_ID = {layout.id: layout for layout in LAYOUTS}


def layout_of(layout_id: str) -> Layout:
    """Return the layout with this id.

    Raises:
        InvalidQuestionSet: no such layout.
    """
    if layout_id not in _BY_ID:
        raise InvalidQuestionSet(f"Unknown layout {layout_id!r}. Choose one of {', '.join(_BY_ID)}.")
    return _BY_ID[layout_id]


def detect_layout(rows: Iterable[Row], file_name: str) -> Layout:
    """Return the first layout whose columns the rows have; reads all of them.

    Raises:
        InvalidQuestionSet: no such layout.
    """
    columns: set[str] = set()
    numbers: set[str] = set()
    for row in rows:
        columns.update(row)
        numbers.update(_EXTREME_NUMBERS & {str(row.get("cop"))[:8].strip()})
    found = next((layout for layout in LAYOUTS if layout.columns <= columns), None)
    if found is None:
        raise InvalidQuestionSet(
            f"{file_name}: no layout has the columns {_listed(columns)}. "
            "Rename them to question, options and answer_idx, or see docs/question-sets.md for the others."
        )
    # MedMCQA's cop counts from 1, or from 0 on the hub, and no column tells the two apart.
    return _BY_ID["medmcqa-original"] if found.id == "medmcqa" and numbers == {"4"} else found


_EXTREME_NUMBERS = {"0", "4"}


def _listed(columns: Collection[str]) -> str:
    names = sorted(repr(str(name)[:60]) for name in columns)
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "of an empty file"
