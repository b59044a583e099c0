"""Layouts of published question sets: the columns of each, and how a row becomes a question.

A reader raises RowProblem for a row that it cannot use. How rows are nested in a JSON file is handled in `rows`.
docs/question-sets.md lists the sources of the columns.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from string import ascii_uppercase

from m1app.question_sets.cell_rows import LETTER_COLUMN
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.evaluation_rows import options_within, read_bigbench, read_bigbench_hub, read_inspect
from m1app.question_sets.exam_rows import (
    read_careqa,
    read_frenchmedmcqa,
    read_headqa,
    read_medqa_hf,
    read_mmlu,
    read_mmlu_csv,
    read_nejm,
)
from m1app.question_sets.open_rows import open_reader
from m1app.question_sets.row_targets import letter_at, numbered_at, target_at
from m1app.question_sets.row_values import (
    Row,
    RowProblem,
    SetQuestion,
    check_answer,
    lettered_options,
    option_columns,
    optional_text,
    options_at,
    text_at,
    texts_of,
    unexpected,
    unpacked,
)

MEDMCQA_OPTIONS = ("opa", "opb", "opc", "opd")
GPQA_ANSWERS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
GPQA_DOMAIN = "High-level domain"
_DECISIONS = ("yes", "no", "maybe")
# MedXpertQA repeats the options at the end of the question.
_REPEATED_OPTIONS = re.compile(r"\s*Answer Choices:\s*\(A\).*\Z", re.DOTALL)
_TARGET_COLUMNS = ("answer_idx", "target", "label", "answer")
SUBJECT_COLUMNS = ("subject", "subject_name", "category", "topic", "topic_name", "specialty")
"""Columns that become tags where a layout names no others."""


def read_m1(row: Row) -> SetQuestion:
    """m1's evaluation data; MedQA in its 4-option form and bigbio's form have these columns too."""
    options = options_at(row, "options")
    target = letter_at(row, "answer_idx", options)
    check_answer(row, "answer", options, target)
    return SetQuestion(text_at(row, "question"), options, target, texts_of(row, ("meta_info", *SUBJECT_COLUMNS)))


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
    return SetQuestion(text_at(row, "question"), options, target, texts_of(row, SUBJECT_COLUMNS))


def read_medxpertqa(row: Row) -> SetQuestion:
    """MedXpertQA's text part, without the options that its questions repeat."""
    if row.get("images"):
        raise unexpected("images", row["images"], "no image: only the text part (config Text) can be asked")
    options = options_at(row, "options")
    target = letter_at(row, "label", options)
    stem = _REPEATED_OPTIONS.sub("", text_at(row, "question"))
    tags = texts_of(row, ("medical_task", "body_system", "question_type"))
    return SetQuestion(stem, options, target, tags, optional_text(row, "id"))


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
    """A user's own table: options in one column, in columns A, B, ... or in the question; target as letter or text."""
    stem = text_at(row, "question")
    column = next((name for name in _TARGET_COLUMNS if row.get(name) not in (None, "")), "")
    stated = None
    if row.get("options"):
        options = options_at(row, "options")
    elif letters := {name: text for name, text in row.items() if len(name) == 1 and name in ascii_uppercase}:
        options = lettered_options(letters, "A, B, ...")
    else:
        stem, options, stated = options_within(stem, "question")
    target = stated if stated and not column else target_at(row, column or "answer_idx", options)
    return SetQuestion(stem, options, target, texts_of(row, SUBJECT_COLUMNS))


def read_lm_eval(row: Row) -> SetQuestion:
    """A sample that lm-evaluation-harness logs: `doc` is the row of the task's own dataset, in that set's layout."""
    doc = unpacked(row.get("doc"), "doc")
    if not isinstance(doc, Mapping):
        raise unexpected("doc", doc, "an object, the row of the task")
    layout = next((each for each in LAYOUTS if each.columns <= doc.keys()), None)
    if layout is not None and layout.id != "lm-eval":
        return detect_layout([doc], "doc").read(doc)
    if {"query", "choices", "gold"} <= doc.keys():
        return read_mmlu({"question": doc["query"], "choices": doc["choices"], "answer": doc["gold"]})
    raise RowProblem(f"column doc: no layout has the columns {_listed(doc.keys())}, expected those of a known set")


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
    _layout("medbullets", "MedBullets, 4 or 5 options", "question|opa|opb|opc|opd|answer_idx", read_medbullets),
    _layout("medqa", "MedQA (GBaker 4 options, bigbio source)", "question|options|answer_idx|meta_info", read_m1),
    _layout("m1", "question, options, answer_idx (as m1's evaluation data)", "question|options|answer_idx", read_m1),
    _layout("lm-eval", "Samples of lm-evaluation-harness", "doc|doc_id", read_lm_eval),
    _layout("medqa-hf", "MedQA, GBaker 4 options -hf", "sent1|ending0|ending1|ending2|ending3|label", read_medqa_hf),
    _layout("careqa", "CareQA, cop from 1", "question|op1|op2|op3|op4|cop", read_careqa),
    _layout("headqa", "HEAD-QA", "qtext|answers|ra", read_headqa),
    _layout("frenchmedmcqa", "FrenchMedMCQA (hub)", "question|answer_a|correct_answers", read_frenchmedmcqa),
    _layout(
        "frenchmedmcqa-json", "FrenchMedMCQA, authors' JSON", "question|answers|correct_answers", read_frenchmedmcqa
    ),
    _layout(
        "frenchmedmcqa-csv", "FrenchMedMCQA, authors' CSV", "question|answers.a|correct_answers", read_frenchmedmcqa
    ),
    _layout("agentclinic-nejm", "AgentClinic, NEJM cases", "question|answers|patient_info", read_nejm),
    _layout("mmlu-csv", "MMLU, authors' CSV without a header", f"question|A|B|{LETTER_COLUMN}", read_mmlu_csv),
    _layout("mmlu", "MMLU (hub)", "question|choices|answer", read_mmlu),
    _layout("bigbio-qa", "bigbio question schema", "question|choices|answer", read_bigbio),
    _layout("bigbench", "BIG-bench task, multiple choice", "input|target_scores", read_bigbench),
    _layout(
        "bigbench-hub", "BIG-bench (hub)", "inputs|multiple_choice_targets|multiple_choice_scores", read_bigbench_hub
    ),
    _layout("inspect", "Inspect samples", "input|choices|target", read_inspect),
    _layout(
        "open-verifiable",
        "Open questions of HuatuoGPT-o1 (verifiable problems)",
        "Open-ended Verifiable Question|Ground-True Answer",
        open_reader("Open-ended Verifiable Question", ("Ground-True Answer",)),
    ),
    *(
        _layout(layout_id, label, f"question|{column}", open_reader("question", (column,), SUBJECT_COLUMNS))
        for layout_id, label, column in (
            ("open", "Open questions: question and reference", "reference"),
            ("open-reference-answer", "Open questions: question and reference_answer", "reference_answer"),
            ("open-ground-truth", "Open questions: question and ground_truth", "ground_truth"),
        )
    ),
    _layout("plain", "question, options or A, B, ..., and the answer", "question", read_plain),
)
"""In the order in which they are tried: layouts with more distinctive columns first."""
OPEN_ANSWER = Layout(
    "open-answer",
    "Open questions: question and answer, a text",
    frozenset(("question", "answer")),
    open_reader("question", ("answer",), SUBJECT_COLUMNS),
)
"""Only by name: a table of question and answer may as well have its options within the question."""

ALL_LAYOUTS = (*LAYOUTS, OPEN_ANSWER)
_BY_ID = {layout.id: layout for layout in ALL_LAYOUTS}
_OF_OPTIONS = frozenset(("options", "A", "B", "answer_idx"))
"""A table that has one of these has options, whatever its column "reference" may be."""


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
    are_texts = False
    for row in rows:
        columns.update(row)
        numbers.update(_EXTREME_NUMBERS & {str(row.get("cop"))[:8].strip()})
        are_texts = are_texts or not (row.get("answer") in (None, "") or _is_number(row.get("answer")))
    found = next((layout for layout in LAYOUTS if layout.columns <= columns), None)
    if found is None:
        raise InvalidQuestionSet(f"{file_name}: {_unknown(columns)}")
    if "reference" in found.columns and columns & _OF_OPTIONS:
        return _BY_ID["plain"]
    # MedMCQA's cop counts from 1, or from 0 on the hub, and no column tells the two apart.
    if found.id == "medmcqa" and numbers == {"4"}:
        return _BY_ID["medmcqa-original"]
    # MMLU and bigbio's schema have the same columns; only MMLU's answer is a number.
    return _BY_ID["bigbio-qa"] if found.id == "mmlu" and are_texts else found


def _is_number(value: object) -> bool:
    is_digit = isinstance(value, str) and len(value) < 3 and value.strip().isdecimal()
    return is_digit or (isinstance(value, int | float) and not isinstance(value, bool))


_EXTREME_NUMBERS = {"0", "4"}


def _unknown(columns: Collection[str]) -> str:
    """What a file without a known layout looks like, and what to do."""
    advice = (
        "Rename them to question, options and answer_idx, say which column is which (Choose columns on the Admin page, "
        "--question-column on the command line), or see docs/question-sets.md for the others."
    )
    if any(_reads_as_question(str(name)) for name in columns):
        return (
            f"no header row: the first line looks like a question ({_listed(columns)}). "
            "Add a first line with the names of the columns, such as question,A,B,C,D,answer."
        )
    return f"no layout has the columns {_listed(columns)}. {advice}"


def _reads_as_question(name: str) -> bool:
    return name.count(" ") > 2 and (len(name) > _NAME_CHARACTERS or name.rstrip().endswith("?"))


_NAME_CHARACTERS = 60


def _listed(columns: Collection[str]) -> str:
    names = sorted(
        repr(name if len(name) <= _NAME_CHARACTERS else f"{name[:_NAME_CHARACTERS]}...") for name in map(str, columns)
    )
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "of an empty file"
