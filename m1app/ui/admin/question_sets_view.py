"""Question sets on the Admin page: the list, import reports, previews."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from m1app.question_sets.column_mapping import MAPPED, AnswerBase, ColumnMapping
from m1app.question_sets.comparison import Overlap
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.file_sample import FileSample, SampledRow
from m1app.question_sets.first_rows import MAX_COLUMN_CHARACTERS
from m1app.question_sets.import_options import MAX_LIMIT, MAX_SEED, ImportOptions
from m1app.question_sets.service import ImportReport
from m1app.question_sets.typed_sets import LIBRARY, TYPED
from m1app.targets import letters_of
from m1app.wording import counted, percent
from storage.question_sets.records import QuestionSet
from storage.questions.records import Question

PREVIEW_PAGE = 20
_SHOWN_PAIRS = 10


def sets_value(sets: Sequence[QuestionSet], layouts: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The list, and the available layouts."""
    labels = _labels(layouts)
    return {"rows": [_row(each, labels) for each in sets], "layouts": [list(layout) for layout in layouts]}


def set_choices(sets: Sequence[QuestionSet]) -> list[tuple[str, str]]:
    """Choices for the launch form: label with count, and name."""
    return [(f"{each.name} ({each.question_count:,})", each.name) for each in sets]


def report_value(report: ImportReport) -> dict[str, Any]:
    """The result of an import, in sentences."""
    notes = [_duplicates(name, count) for name, count in report.duplicates.items() if count]
    return {
        "imported": [{"name": each.name, "questions": each.question_count} for each in report.sets],
        "notes": [*notes, *report.notes],
        "overlaps": overlaps_value(report.overlaps),
        "bad": {"rows": [[each.where, each.reason] for each in report.bad_rows], "count": report.bad_row_count},
    }


def sample_value(sample: FileSample) -> dict[str, Any]:
    """The columns of a file, and its first rows as questions."""
    return {
        "columns": [list(column) for column in sample.columns.items()],
        "count": sample.column_count,
        "layout": sample.layout,
        "problem": sample.problem,
        "rows": [_sampled_row(each) for each in sample.rows],
    }


def _sampled_row(row: SampledRow) -> dict[str, Any]:
    options = [[letter, text] for letter, text in row.options.items()]
    targets = list(letters_of(row.target))
    return {"where": row.where, "problem": row.problem, "stem": row.stem, "options": options, "targets": targets}


class _Columns(BaseModel):
    """The columns that were chosen on the page."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(max_length=MAX_COLUMN_CHARACTERS)
    options: tuple[str, ...]
    answer: str
    answer_base: AnswerBase
    tags: tuple[str, ...]


class _ImportForm(BaseModel):
    """The form of a file or a dataset, besides its name and layout."""

    model_config = ConfigDict(extra="forbid")

    skip_bad: bool = False
    columns: _Columns | None = None
    limit: int = Field(default=0, ge=0, le=MAX_LIMIT)
    seed: int = Field(default=0, ge=0, le=MAX_SEED)


def import_options(text: str) -> ImportOptions:
    """The options of an import that the page sends as JSON; empty for the defaults.

    Raises:
        InvalidQuestionSet: a number is out of range, or the page sent something else.
    """
    try:
        form = _ImportForm.model_validate_json(text or "{}")
    except ValidationError as exc:
        if exc.errors(include_input=False)[0]["loc"] in (("limit",), ("seed",)):
            raise InvalidQuestionSet(
                f"Enter a whole number of questions from 1 to {MAX_LIMIT:,}, and a whole seed from 0 to {MAX_SEED:,}."
            ) from exc
        raise InvalidQuestionSet("The chosen columns cannot be read. Reload the page and choose them again.") from exc
    columns = ColumnMapping(**form.columns.model_dump()) if form.columns else None
    return ImportOptions(columns, form.skip_bad, form.limit, form.seed)


def write_ids(folder: Path, ids: bytes) -> Path:
    """Write a list of ids below a folder, where no uploaded file can have its name; messages call it by that name."""
    path = folder / ".ids" / "list of ids"
    path.parent.mkdir()
    path.write_bytes(ids)
    return path


def overlaps_value(overlaps: Sequence[Overlap]) -> list[dict[str, Any]]:
    """Which sets share questions, with some pairs of each."""
    return [_overlap(each) for each in overlaps if each.count]


def preview_value(
    chosen: QuestionSet, questions: Sequence[Question], *, text: str, offset: int, layouts: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """One page of a set's questions.

    Args:
        chosen: the set.
        questions: up to PREVIEW_PAGE questions, plus one if there are more.
        text: the search text.
        offset: offset of the first question.
        layouts: the known layouts: id and label.
    """
    shown = questions[:PREVIEW_PAGE]
    nothing = "No question contains these words." if text else "The set has no questions."
    return {
        "id": chosen.id,
        "name": chosen.name,
        "facts": _facts(chosen, _labels(layouts)),
        "text": text,
        "offset": offset,
        "has_more": len(questions) > PREVIEW_PAGE,
        "page": PREVIEW_PAGE,
        "questions": [_question(each) for each in shown],
        "empty": "" if shown else nothing,
    }


def _labels(layouts: Sequence[tuple[str, str]]) -> dict[str, str]:
    ours = {MAPPED: "Columns chosen during import", TYPED: "Pasted on a page", LIBRARY: "Question library"}
    return {**dict(layouts), **ours}


def _row(each: QuestionSet, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": each.id,
        "name": each.name,
        "questions": each.question_count,
        "layout": labels.get(each.layout, each.layout),
        "source": each.source,
        "imported": each.created_at.isoformat(),
    }


def _facts(chosen: QuestionSet, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    facts = [
        ("Questions", f"{chosen.question_count:,}"),
        ("From", chosen.source),
        ("Layout", labels.get(chosen.layout, chosen.layout)),
        ("SHA-256", chosen.sha256),
    ]
    return [(name, text) for name, text in facts if text]


def _question(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "stem": question.stem,
        "options": [[letter, text] for letter, text in question.options.items()],
        "targets": list(letters_of(question.target)),
    }


def _duplicates(name: str, count: int) -> str:
    were = "was" if count == 1 else "were"
    return f"{name}: {counted(count, 'question')} {were} repeated in the file and imported once."


def _overlap(overlap: Overlap) -> dict[str, Any]:
    return {
        "text": f"{overlap.sentence}.",
        "pairs": [[first, second, percent(share, 0)] for first, second, share in overlap.pairs[:_SHOWN_PAIRS]],
    }
