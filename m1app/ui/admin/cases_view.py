"""Traces from elsewhere on the Admin page: what a file holds, and what was imported."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from m1app.annotation.case_import import CasesPreview, CasesReport
from m1app.annotation.exchange import CasesFormat
from m1app.annotation.foreign_cases import FieldNames, ForeignCase
from m1app.wording import counted

_SHOWN_LABELS = 50
_BEGINNING = 300


class CasesForm(BaseModel):
    """The form's fields, as the page sends them in the address."""

    file: str = Field(default="", max_length=200)
    format: CasesFormat = CasesFormat.TRACES
    question: str = Field(default="", max_length=200)
    thinking: str = Field(default="", max_length=200)
    answer: str = Field(default="", max_length=200)
    model: str = Field(default="", max_length=200)

    @property
    def names(self) -> FieldNames:
        """Which fields of the file hold what."""
        return FieldNames(*(each.strip() for each in (self.question, self.thinking, self.answer, self.model)))


def cases_preview_value(preview: CasesPreview) -> dict[str, Any]:
    """What would be imported, what not, and the first traces."""
    present = f", of which {preview.present:,} are already present" if preview.present else ""
    return {
        "found": f"{counted(preview.traces, 'trace')}{present}, and {counted(preview.spans, 'mark')}.",
        "importable": preview.traces if not preview.problem_count else 0,
        "labels": _labels(preview.labels),
        "unknown": _labels(preview.unknown_labels),
        "left_out": _left_out(preview.spans_left_out, "would be"),
        "problems": list(preview.problems),
        "problem_count": preview.problem_count,
        "first": [_case(each) for each in preview.first],
    }


def cases_report_value(report: CasesReport) -> dict[str, Any]:
    """What was imported, in sentences."""
    imported = f"{counted(report.cases, 'case')} and {counted(report.marks, 'mark')} imported."
    notes = []
    if report.present or report.marks_present:
        already = f"{counted(report.present, 'case')} and {counted(report.marks_present, 'mark')}"
        notes.append(f"Already present: {already}.")
    if report.spans_left_out:
        notes.append(_left_out(report.spans_left_out, "was" if report.spans_left_out == 1 else "were"))
    return {"imported": imported, "notes": notes}


def _left_out(spans: int, are: str) -> str:
    """Marks that are left out, and what to do; `are` is what becomes of them."""
    if not spans:
        return ""
    return (
        f"{counted(spans, 'mark')} without a label that this installation has {are} left out. To keep them, add their "
        "labels to M1_HOME/labels.toml, restart the app, and import the file again."
    )


def _labels(counts: Mapping[str, int]) -> list[list[Any]]:
    """The most frequent labels with their counts; the last entry counts the others."""
    shown = [[name, count] for name, count in list(counts.items())[:_SHOWN_LABELS]]
    rest = len(counts) - len(shown)
    return [*shown, [f"and {counted(rest, 'other label')}", None]] if rest else shown


def _case(case: ForeignCase) -> dict[str, Any]:
    trace = case.trace
    facts = [
        ("Question", trace.question),
        ("Options", " ".join(f"{letter}. {text}" for letter, text in trace.options.items())),
        ("Target", trace.target or ""),
        ("Thinking", trace.thinking),
        ("Answer", trace.answer),
        ("Model", trace.model),
        ("Marks", f"{len(case.spans):,}"),
    ]
    return {"where": case.where, "facts": [[name, _beginning(text)] for name, text in facts if text]}


def _beginning(text: str) -> str:
    return text if len(text) <= _BEGINNING else f"{text[:_BEGINNING]}…"
