"""The layouts in which question sets are published: which columns each has, and which function reads it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from m1app.question_sets import layout_readers as readers
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.records import SetQuestion
from m1app.question_sets.row_values import Row

_MMLU_PRO_MEDICAL = ("health", "biology")
_GPQA_MEDICAL = ("biology",)


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which question sets are written down."""

    id: str
    label: str
    """For people."""
    columns: frozenset[str]
    """Those that every file of this layout has."""
    read: Callable[[Row], SetQuestion]
    """A row as a question; raises RowProblem."""
    subjects: tuple[str, ...] = ()
    """Values of `subject_column` in lower case that are taken; empty takes all."""
    subject_column: str = ""

    def takes(self, row: Row) -> bool:
        """Whether the row is of a subject that this layout takes."""
        return not self.subjects or str(row.get(self.subject_column)).strip().casefold() in self.subjects


def _layout(layout_id: str, label: str, columns: str, read: Callable[[Row], SetQuestion]) -> Layout:
    return Layout(layout_id, label, frozenset(columns.split("|")), read)


def _part(whole: Layout, layout_id: str, label: str, column: str, subjects: tuple[str, ...]) -> Layout:
    return Layout(layout_id, label, whole.columns | {column}, whole.read, subjects, column)


_MMLU_PRO = _layout("mmlu-pro-all", "MMLU-Pro, every category", "question|options|answer_index", readers.read_mmlu_pro)
_GPQA = _layout("gpqa-all", "GPQA, every domain", "|".join(("Question", *readers.GPQA_ANSWERS)), readers.read_gpqa)

LAYOUTS = (
    _layout("pubmedqa", "PubMedQA, pqa_labeled", "question|context|final_decision", readers.read_pubmedqa),
    _layout(
        "pubmedqa-original",
        "PubMedQA, ori_pqal.json",
        "QUESTION|CONTEXTS|final_decision",
        readers.read_pubmedqa_original,
    ),
    _part(_GPQA, "gpqa", "GPQA, biology (its medical part)", readers.GPQA_DOMAIN, _GPQA_MEDICAL),
    _GPQA,
    _part(_MMLU_PRO, "mmlu-pro", "MMLU-Pro, health and biology", "category", _MMLU_PRO_MEDICAL),
    _MMLU_PRO,
    _layout("medxpertqa", "MedXpertQA, text part", "question|options|label", readers.read_medxpertqa),
    _layout("medmcqa", "MedMCQA, cop from 0 (hub)", "question|opa|opb|opc|opd|cop", readers.read_medmcqa),
    _layout(
        "medmcqa-original",
        "MedMCQA, cop from 1 (authors' files)",
        "question|opa|opb|opc|opd|cop",
        readers.read_medmcqa_original,
    ),
    _layout("medbullets", "MedBullets, 4 or 5 options", "question|opa|opb|opc|opd|answer_idx", readers.read_medbullets),
    _layout(
        "medqa", "MedQA (GBaker 4 options, bigbio source)", "question|options|answer_idx|meta_info", readers.read_m1
    ),
    _layout("m1", "m1's evaluation data (Lancet, NEJM and others)", "question|options|answer_idx", readers.read_m1),
    _layout("bigbio-qa", "bigbio question schema", "question|choices|answer", readers.read_bigbio),
    _layout("plain", "question, options or A, B, ..., and the answer", "question", readers.read_plain),
)
"""In the order in which they are tried: the one with the more telling columns first."""

_BY_ID = {layout.id: layout for layout in LAYOUTS}


def layout_of(layout_id: str) -> Layout:
    """The layout with that id.

    Raises:
        InvalidQuestionSet: there is none.
    """
    if layout_id not in _BY_ID:
        raise InvalidQuestionSet(f"There is no layout {layout_id!r}. Choose one of {', '.join(_BY_ID)}.")
    return _BY_ID[layout_id]


def detect_layout(rows: Sequence[Row], file_name: str) -> Layout:
    """The first layout whose columns the rows have.

    Raises:
        InvalidQuestionSet: there is none.
    """
    columns: set[str] = set()
    for row in rows:
        columns.update(row)
    found = next((layout for layout in LAYOUTS if layout.columns <= columns), None)
    if found is None:
        raise InvalidQuestionSet(
            f"{file_name}: no layout has the columns {_listed(columns)}. "
            "Rename them to question, options and answer_idx, or see docs/question-sets.md for the others."
        )
    return _BY_ID["medmcqa-original"] if found.id == "medmcqa" and _counts_from_one(rows) else found


def _counts_from_one(rows: Sequence[Row]) -> bool:
    """Whether MedMCQA's cop counts from 1; the hub's counts from 0, and no column tells them apart."""
    numbers = {str(row.get("cop")).strip() for row in rows}
    return "4" in numbers and "0" not in numbers


def _listed(columns: Collection[str]) -> str:
    names = sorted(map(repr, columns))
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "of an empty file"
