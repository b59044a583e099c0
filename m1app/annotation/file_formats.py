"""Annotations as files: W3C Web Annotations (JSON lines), a table (CSV), and corrected examples for fine-tuning.

https://www.w3.org/TR/annotation-model/. Each line of JSON is one annotation: tags, comment, correction and evidence as
bodies, the span as TextPositionSelector and TextQuoteSelector of a target. Anything the model does not cover, such as
the history, is under "m1", so that an import restores exactly what was exported.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from m1app.annotation.errors import AnnotationRefused, ImportRefused
from m1app.annotation.form_values import check_content
from m1app.annotation.labels import Taxonomy
from m1app.spreadsheet import harmless
from storage.annotations.documents import as_document, from_document
from storage.annotations.records import Annotation, AnnotationAction, AnnotationRevision, AnnotationState, Case

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
_SELECTOR_COLUMNS = ("start", "end", "exact", "prefix", "suffix", "text_sha256")
_JSON_COLUMNS = ("evidence", "agreed_by")
_TRUTH = {"True": True, "False": False, "": None}


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


def read_jsonl(text: str) -> list[tuple[int, ExportedAnnotation]]:
    """Read the annotations of a file written by `jsonl_lines`, each with its line number.

    Raises:
        ImportRefused: a line is invalid; the message names it.
    """
    found = []
    # Not splitlines: texts may contain U+2028 and similar characters.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append((number, _read_line(json.loads(line))))
        except json.JSONDecodeError as exc:
            raise ImportRefused(f"Line {number} is not JSON ({exc.msg} at character {exc.pos + 1}).") from exc
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as exc:
            raise ImportRefused(
                f"Line {number} is not an annotation exported by m1app ({type(exc).__name__}: {exc}). Export again, or "
                "name its format with --format."
            ) from exc
    return found


def _read_line(line: Any) -> ExportedAnnotation:
    annotation = from_document(line["m1:annotation"])
    history = tuple(
        AnnotationRevision(
            annotation_id=annotation.id,
            revision=int(each["revision"]),
            made_at=datetime.fromisoformat(each["made_at"]),
            made_by=str(each["made_by"]),
            action=AnnotationAction(each["action"]),
            reason=str(each["reason"]),
            document=each["document"],
        )
        for each in line["m1:history"]
    )
    return ExportedAnnotation(annotation, history)


def check_import(number: int, annotation: Annotation, case: Case, taxonomy: Taxonomy) -> None:
    """Raise ImportRefused if the annotation does not match its case; `number` is its line."""
    try:
        # Marks may keep retired labels, but not unknown ones.
        check_content(case, annotation, taxonomy, [label.id for label in taxonomy.labels])
    except AnnotationRefused as exc:
        raise ImportRefused(f"Line {number}, {exc.field}: {exc}") from exc


def csv_text(annotations: Iterable[Annotation]) -> str:
    """A table with a row per annotation; values that a spreadsheet would run as formulas are quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for each in annotations:
        document = as_document(each)
        selector = document["selector"] or {}
        values = document | {name: selector.get(name) for name in _SELECTOR_COLUMNS}
        values["labels"] = " ".join(each.labels)
        values |= {name: json.dumps(document[name], ensure_ascii=False) for name in _JSON_COLUMNS}
        writer.writerow([_cell(values[name]) for name in CSV_COLUMNS])
    return out.getvalue()


def _cell(value: object) -> object:
    # An apostrophe is doubled, because `read_csv` removes one: the round trip is exact.
    if isinstance(value, str) and value.startswith("'"):
        return f"'{value}"
    return "" if value is None else harmless(value)


def read_csv(text: str) -> list[tuple[int, ExportedAnnotation]]:
    """Read the annotations of a table written by `csv_text`, each with its line; their history starts with the import.

    Raises:
        ImportRefused: a column is missing, or a row is invalid; the message names it.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    if missing := [name for name in CSV_COLUMNS if name not in (reader.fieldnames or ())]:
        raise ImportRefused(f"The table has no column {', '.join(missing)}. Export it again and keep its first line.")
    found, line = [], reader.line_num + 1
    for row in reader:
        try:
            made = _read_row({name: row[name].removeprefix("'") for name in CSV_COLUMNS})
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise ImportRefused(f"Line {line} is not a row exported by m1app ({type(exc).__name__}: {exc}).") from exc
        found.append((line, ExportedAnnotation(made, (_imported(made),))))
        line = reader.line_num + 1  # a row may span several lines
    return found


def _read_row(row: Mapping[str, Any]) -> Annotation:
    selector = {name: row[name] for name in _SELECTOR_COLUMNS} | {
        name: int(row[name]) for name in ("start", "end") if row[name]
    }
    return from_document(
        dict(row)
        | {name: json.loads(row[name]) for name in _JSON_COLUMNS}
        | {name: _TRUTH[row[name]] for name in ("is_upheld", "is_omission", "changed_answer")}
        | {name: int(row[name]) for name in ("taxonomy_version", "revision")}
        | {"checkpoint_id": row["checkpoint_id"] or None, "labels": row["labels"].split()}
        | {"selector": selector if row["start"] else None}
    )


def _imported(made: Annotation) -> AnnotationRevision:
    return AnnotationRevision(
        annotation_id=made.id,
        revision=made.revision,
        made_at=made.updated_at,
        made_by=made.annotator,
        action=AnnotationAction.IMPORTED,
        reason="",
        document=as_document(made),
    )


def corrected_examples(cases: Mapping[str, Case], annotations: Sequence[Annotation]) -> Iterator[str]:
    """JSON lines of corrected examples for fine-tuning, one per case with a correction.

    Args:
        cases: cases by id.
        annotations: in the order of their cases; only submitted or upheld ones with a corrected fact count.

    Yields:
        {case_id, question, options, answer_idx, answer, model, reasoning, response, spans [{part, start, end, exact,
        labels, severity, corrected_fact, evidence}], corrected_facts}; every row has every column, for `datasets`.
    """
    by_case: dict[str, list[Annotation]] = {}
    for each in annotations:
        is_kept = each.state in (AnnotationState.SUBMITTED, AnnotationState.ADJUDICATED) and each.is_upheld is not False
        if is_kept and each.corrected_fact:
            by_case.setdefault(each.case_id, []).append(each)
    for case_id, corrections in by_case.items():
        yield json.dumps(_example(cases[case_id], corrections), ensure_ascii=False) + "\n"


def _example(case: Case, corrections: Sequence[Annotation]) -> dict[str, Any]:
    question = case.question
    target = question.target or ""
    return {
        "case_id": case.id,
        "question": question.stem,
        "options": [{"letter": letter, "text": text} for letter, text in question.options.items()],
        "answer_idx": target,
        "answer": question.options.get(target, ""),
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
