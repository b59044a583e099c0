"""The tables of annotations, their history, and assessments."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.annotations.records import AnnotationAction, AnnotationState, Confidence, Origin, Part
from storage.base import Base, Id
from storage.columns import JsonTuple, PersonText


class AssessmentRow(Base):
    """One annotator's work on one case."""

    __tablename__ = "assessment"
    __table_args__ = (Index(None, "annotator", "is_submitted", "case_id"),)

    case_id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Id of the checkpoint, or of the trace if there is no checkpoint."""
    annotator: Mapped[str] = mapped_column(PersonText("the annotator's name"), primary_key=True)
    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id"), index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(Id, ForeignKey("checkpoint.id"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    is_submitted: Mapped[bool]
    has_seen_others: Mapped[bool]
    seconds_spent: Mapped[float]
    rejected: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    draft: Mapped[Mapping[str, Any]]


class AnnotationRow(Base):
    """The current state of an annotation."""

    __tablename__ = "annotation"
    __table_args__ = (Index(None, "case_id", "annotator"), Index(None, "state", "case_id"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    case_id: Mapped[str] = mapped_column(Id)
    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id"), index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(Id, ForeignKey("checkpoint.id"), index=True)
    annotator: Mapped[str] = mapped_column(PersonText("the annotator's name"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    state: Mapped[AnnotationState]
    is_upheld: Mapped[bool | None]
    agreed_by: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    origin: Mapped[Origin]
    taxonomy_version: Mapped[int]
    revision: Mapped[int]
    part: Mapped[Part]
    start: Mapped[int | None]
    """First code point of the span, None without a span; `end` is one past the last."""
    end: Mapped[int | None]
    text_sha256: Mapped[str | None] = mapped_column(String(64))
    labels: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    severity: Mapped[str]
    confidence: Mapped[Confidence | None]
    is_omission: Mapped[bool]
    changed_answer: Mapped[bool | None]
    # Attributes of the case, immutable once it is over; copied here so that a summary reads no other table.
    model: Mapped[str]
    thinking_budget_tokens: Mapped[int]
    force_rounds: Mapped[int]
    is_correct: Mapped[bool | None]
    evidence: Mapped[tuple[tuple[str, str], ...]] = mapped_column(JsonTuple())
    """(kind, value) of each source."""
    exact: Mapped[str | None]
    prefix: Mapped[str | None]
    suffix: Mapped[str | None]
    comment: Mapped[str] = mapped_column(PersonText("the comment"))
    corrected_fact: Mapped[str] = mapped_column(PersonText("the corrected fact"))


class AnnotationLabelRow(Base):
    """A label of an annotation, for lookup."""

    __tablename__ = "annotation_label"

    annotation_id: Mapped[str] = mapped_column(Id, ForeignKey("annotation.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True, index=True)


class AnnotationRevisionRow(Base):
    """One state in an annotation's history; only names in it change, when somebody's work moves to another name."""

    __tablename__ = "annotation_revision"

    annotation_id: Mapped[str] = mapped_column(Id, ForeignKey("annotation.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(PersonText("the annotator's name"))
    action: Mapped[AnnotationAction]
    reason: Mapped[str] = mapped_column(PersonText("the reason"))
    document: Mapped[Mapping[str, Any]]
