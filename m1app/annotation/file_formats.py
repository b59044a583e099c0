"""Annotations as files: W3C Web Annotations (JSON lines), a table (CSV), and corrected examples for fine-tuning.

https://www.w3.org/TR/annotation-model/. Each line of JSON is one annotation: tags, comment, correction and evidence as
bodies, the span as TextPositionSelector and TextQuoteSelector of a target. Anything the model does not cover, such as
the history, is under "m1", so that an import restores exactly what was exported.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from m1app.spreadsheet import harmless
from m1app.targets import letters_of
from storage.annotations.documents import as_document
from storage.annotations.records import Annotation, AnnotationAction, AnnotationRevision, Case

_CONTEXT = ["http://www.w3.org/ns/anno.jsonld", {"m1": "urn:m1app:"}]
_PURPOSES = {"comment": "commenting", "corrected_fact": "editing"}

CSV_COLUMNS = (
    *("id", "case_id", "trace_id", "checkpoint_id", "annotator", "state", "is_upheld", "part", "start", "end"),
    *(
        "exact",
        "prefix",
        "suffix",
        "text_sha256",
        "labels",
        "severity",
        "confidence",
        "is_omission",
        "changed_answer",
        "comment",
        "corrected_fact",
    ),
    *("evidence", "agreed_by", "origin", "taxonomy_version", "revision", "created_at", "updated_at"),
)
SELECTOR_COLUMNS = ("start", "end", "exact", "prefix", "suffix", "text_sha256")
JSON_COLUMNS = ("evidence", "agreed_by")


@dataclass(frozen=True, slots=True)
class ExportedAnnotation:
    """An annotation with all its exported data."""

    annotation: Annotation
    history: tuple[AnnotationRevision, ...]


def jsonl_lines(exported: Iterable[ExportedAnnotation]) -> Iterator[str]:
    """One W3C annotation per line, in the given order."""
    for each in exported:
        yield json.dumps(_web_annotation(each), ensure_ascii=False, separators=(",", ":")) + "\n"


def _web_annotation(exported: ExportedAnnotation) -> dict[str, Any]:
    made = exported.annotation
    bodies: list[dict[str, Any]] = [
        {"type": "TextualBody", "purpose": "tagging", "value": label} for label in made.labels
    ]
    for field, purpose in _PURPOSES.items():
        if text := getattr(made, field):
            bodies.append({"type": "TextualBody", "purpose": purpose, "value": text, "format": "text/plain"})
    bodies += [
        {"type": "TextualBody", "purpose": "linking", "value": each.value, "m1:kind": each.kind.value}
        for each in made.evidence
    ]
    target: dict[str, Any] = {"source": f"urn:m1app:case:{made.case_id}#{made.part.value}"}
    if selector := made.selector:
        target["selector"] = [
            {"type": "TextPositionSelector", "start": selector.start, "end": selector.end},
            {
                "type": "TextQuoteSelector",
                "exact": selector.exact,
                "prefix": selector.prefix,
                "suffix": selector.suffix,
            },
        ]
    return {
        "@context": _CONTEXT,
        "id": f"urn:m1app:annotation:{made.id}",
        "type": "Annotation",
        "motivation": "assessing",
        "creator": {"type": "Person", "name": made.annotator},
        "created": made.created_at.isoformat(),
        "modified": made.updated_at.isoformat(),
        "body": bodies,
        "target": target,
        "m1:annotation": as_document(made),
        "m1:history": [_revision_document(each) for each in exported.history],
    }


def _revision_document(revision: AnnotationRevision) -> dict[str, Any]:
    return {
        "revision": revision.revision,
        "made_at": revision.made_at.isoformat(),
        "made_by": revision.made_by,
        "action": revision.action.value,
        "reason": revision.reason,
        "document": dict(revision.document),
    }


def csv_lines(annotations: Iterable[Annotation], *, has_header: bool) -> str:
    """Rows of a table, one per annotation; values that a spreadsheet would run as formulas are quoted.

    Args:
        annotations: what to write, in the given order.
        has_header: whether the column names come first.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    if has_header:
        writer.writerow(CSV_COLUMNS)
    for each in annotations:
        document = as_document(each)
        selector = document["selector"] or {}
        values = document | {name: selector.get(name) for name in SELECTOR_COLUMNS}
        values["labels"] = " ".join(each.labels)
        values |= {name: json.dumps(document[name], ensure_ascii=False) for name in JSON_COLUMNS}
        writer.writerow([_cell(values[name]) for name in CSV_COLUMNS])
    return out.getvalue()


def _cell(value: object) -> object:
    # An apostrophe is doubled, because reading removes one: the round trip is exact.
    if isinstance(value, str) and value.startswith("'"):
        return f"'{value}"
    return "" if value is None else harmless(value)


def imported(made: Annotation) -> AnnotationRevision:
    """The history of an annotation whose own is not known: that it was imported."""
    return AnnotationRevision(
        annotation_id=made.id,
        revision=made.revision,
        made_at=made.updated_at,
        made_by=made.annotator,
        action=AnnotationAction.IMPORTED,
        reason="",
        document=as_document(made),
    )


def corrected_example(case: Case, corrections: Sequence[Annotation]) -> str:
    """A line of JSON for fine-tuning; every line has every column, for `datasets`.

    Args:
        case: the case.
        corrections: its annotations with a corrected fact, in order.

    Returns:
        {case_id, question, options, answer_idx, answer, model, reasoning, response, spans [{part, start, end, exact,
        labels, severity, corrected_fact, evidence}], corrected_facts}.
    """
    return json.dumps(_example(case, corrections), ensure_ascii=False) + "\n"


def _example(case: Case, corrections: Sequence[Annotation]) -> dict[str, Any]:
    question = case.question
    right = letters_of(question.target)
    return {
        "case_id": case.id,
        "question": question.stem,
        "options": [{"letter": letter, "text": text} for letter, text in question.options.items()],
        "answer_idx": question.target or "",
        "answer": "; ".join(question.options.get(letter, "") for letter in right),
        "model": case.model,
        "reasoning": case.thinking_text,
        "response": case.answer_text,
        "spans": [_span(each) for each in corrections],
        "corrected_facts": list(dict.fromkeys(each.corrected_fact for each in corrections)),
    }


def _span(made: Annotation) -> dict[str, Any]:
    selector = made.selector
    return {
        "part": made.part.value,
        "start": selector.start if selector else -1,
        "end": selector.end if selector else -1,
        "exact": selector.exact if selector else "",
        "labels": list(made.labels),
        "severity": made.severity,
        "corrected_fact": made.corrected_fact,
        "evidence": [f"{each.kind.value}:{each.value}" for each in made.evidence],
    }
