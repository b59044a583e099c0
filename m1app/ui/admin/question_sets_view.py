"""Question sets on the Admin page: the list, import reports, previews."""

from collections.abc import Mapping, Sequence
from typing import Any

from m1app.question_sets.comparison import Overlap
from m1app.question_sets.service import ImportReport
from m1app.targets import letters_of
from m1app.wording import counted, percent
from storage.question_sets.records import QuestionSet
from storage.questions.records import Question

PREVIEW_PAGE = 20
_SHOWN_PAIRS = 10


def sets_value(sets: Sequence[QuestionSet], layouts: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The list, and the available layouts."""
    labels = dict(layouts)
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
    }


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
        "facts": _facts(chosen, dict(layouts)),
        "text": text,
        "offset": offset,
        "has_more": len(questions) > PREVIEW_PAGE,
        "page": PREVIEW_PAGE,
        "questions": [_question(each) for each in shown],
        "empty": "" if shown else nothing,
    }


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
