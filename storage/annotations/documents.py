"""Convert annotations to JSON values and back, for revisions and exports."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from storage.annotations.records import (
    Annotation,
    AnnotationContent,
    AnnotationState,
    Confidence,
    Evidence,
    EvidenceKind,
    Origin,
    Part,
    TextSelector,
)

CONTENT_FIELDS = tuple(field.name for field in fields(AnnotationContent))


def as_document(annotation: Annotation) -> dict[str, Any]:
    """Every field of the annotation as JSON values; times in ISO 8601."""
    document = asdict(annotation)
    document["labels"] = list(annotation.labels)
    document["agreed_by"] = list(annotation.agreed_by)
    document["evidence"] = [{"kind": each.kind.value, "value": each.value} for each in annotation.evidence]
    for name in ("part", "state", "origin"):
        document[name] = getattr(annotation, name).value
    document["confidence"] = annotation.confidence.value if annotation.confidence else None
    document["created_at"] = annotation.created_at.isoformat()
    document["updated_at"] = annotation.updated_at.isoformat()
    return document


def from_document(document: Mapping[str, Any]) -> Annotation:
    """Return the annotation stored in a document.

    Raises:
        KeyError, TypeError, ValueError: the document was not made by `as_document`.
    """
    values = {field.name: document[field.name] for field in fields(Annotation)}
    selector = values["selector"]
    return Annotation(
        **values
        | {
            "part": Part(values["part"]),
            "state": AnnotationState(values["state"]),
            "origin": Origin(values["origin"]),
            "confidence": Confidence(values["confidence"]) if values["confidence"] else None,
            "selector": TextSelector(**selector) if selector else None,
            "labels": tuple(values["labels"]),
            "agreed_by": tuple(values["agreed_by"]),
            "evidence": tuple(Evidence(EvidenceKind(e["kind"]), e["value"]) for e in values["evidence"]),
            "created_at": datetime.fromisoformat(values["created_at"]),
            "updated_at": datetime.fromisoformat(values["updated_at"]),
        }
    )
