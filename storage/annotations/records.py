"""What people say about traces, as plain values: standard library only, and nothing here knows a database.

A *case* is one answer with the thinking that led to it: a trace of a probe, or a checkpoint of a sweep. Its id is the
checkpoint's, or the trace's where there is none. An *assessment* is one annotator's work on one case; its
*annotations* are what they marked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from storage.questions.records import Question


class Part(StrEnum):
    """Which text of a case an annotation is about."""

    THINKING = "thinking"
    ANSWER = "answer"
    WHOLE = "whole"
    """The case as a whole: no span."""


class AnnotationState(StrEnum):
    """Where an annotation is in its life."""

    DRAFT = "draft"
    """Its annotator still works on the case; nobody else sees it."""
    SUBMITTED = "submitted"
    DISPUTED = "disputed"
    """Somebody else does not agree; it waits for an adjudication."""
    ADJUDICATED = "adjudicated"
    """A dispute was decided, see `Annotation.is_upheld`."""
    WITHDRAWN = "withdrawn"
    """Its annotator took it back; it stays in the history."""


class AnnotationAction(StrEnum):
    """What made a revision."""

    CREATED = "created"
    EDITED = "edited"
    SUBMITTED = "submitted"
    AGREED = "agreed"
    DISPUTED = "disputed"
    ADJUDICATED = "adjudicated"
    WITHDRAWN = "withdrawn"
    IMPORTED = "imported"


class Origin(StrEnum):
    """How an annotation came about."""

    PERSON = "person"
    SUGGESTION = "suggestion"
    """The app suggested it and a person accepted."""
    IMPORT = "import"


class Confidence(StrEnum):
    """How sure an annotator is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class EvidenceKind(StrEnum):
    """What kind of source supports a correction."""

    PMID = "pmid"
    DOI = "doi"
    URL = "url"
    GUIDELINE = "guideline"
    QUOTE = "quote"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One source that supports a correction."""

    kind: EvidenceKind
    value: str


@dataclass(frozen=True, slots=True)
class TextSelector:
    """A stretch of one text: W3C TextPositionSelector and TextQuoteSelector, in Unicode code points."""

    start: int
    """First code point."""
    end: int
    """One past the last."""
    exact: str
    """What stands there."""
    prefix: str
    """What stands before it."""
    suffix: str
    """What stands after it."""
    text_sha256: str
    """SHA-256 (hex) of the whole text in UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationContent:
    """What an annotation says; all of it can be edited."""

    part: Part
    selector: TextSelector | None = None
    """The stretch that is marked, or for an omission the place where it is missing; None for the whole part."""
    labels: tuple[str, ...] = ()
    """Ids of the taxonomy, at least one."""
    severity: str = "none"
    """Id of the taxonomy."""
    comment: str = ""
    corrected_fact: str = ""
    """What would be right."""
    evidence: tuple[Evidence, ...] = ()
    confidence: Confidence | None = None
    is_omission: bool = False
    """True: something is missing; False: something is wrong (commission)."""
    changed_answer: bool | None = None
    """Whether it changed the final answer; None is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation(AnnotationContent):
    """An annotation that is kept."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    case_id: str
    trace_id: str
    checkpoint_id: str | None
    annotator: str
    state: AnnotationState
    is_upheld: bool | None
    """What the adjudication decided; None before one."""
    agreed_by: tuple[str, ...]
    """Annotators who reviewed it and agree."""
    origin: Origin
    taxonomy_version: int
    revision: int
    """Counts from 1; a save must name the one it changes."""
    created_at: datetime
    """Aware, UTC."""
    updated_at: datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationRevision:
    """One state in the history of an annotation; revisions are never changed."""

    annotation_id: str
    revision: int
    made_at: datetime
    """Aware, UTC."""
    made_by: str
    action: AnnotationAction
    reason: str
    document: Mapping[str, Any]
    """The annotation after it, as JSON values; see `storage.annotations.documents`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One annotator's work on one case."""

    case_id: str
    trace_id: str
    checkpoint_id: str | None
    annotator: str
    is_submitted: bool
    draft: Mapping[str, Any]
    """The form as typed and not yet saved, as the page keeps it; empty when there is none."""
    rejected: tuple[str, ...]
    """Keys of the suggestions that were rejected."""
    seconds_spent: float
    """Time with the case open and in use."""
    created_at: datetime
    """Aware, UTC."""
    updated_at: datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One answer with the thinking that led to it."""

    id: str
    trace_id: str
    checkpoint_id: str | None
    sweep_id: str | None
    question: Question
    model: str
    thinking_budget_tokens: int
    """Of a checkpoint: the smallest budget whose cell ends there."""
    force_rounds: int
    thinking_text: str
    """Waits included; of a checkpoint only what came before its cut."""
    waits: tuple[tuple[int, int], ...]
    """Where injected "Wait"s stand in it: start and end in code points."""
    answer_text: str
    letter: str | None
    is_correct: bool | None
    created_at: datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSummary:
    """What the queue shows of a case."""

    id: str
    trace_id: str
    checkpoint_id: str | None
    sweep_id: str | None
    created_at: datetime
    """Aware, UTC."""
    stem: str
    """The first 160 characters of the question."""
    target: str | None
    model: str
    thinking_budget_tokens: int
    force_rounds: int
    letter: str | None
    is_correct: bool | None
    is_submitted: bool | None
    """The asking annotator's assessment; None when there is none."""
    assessed_by: int
    """How many annotators have submitted an assessment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases a queue holds; a field left at its default restricts nothing."""

    is_correct: bool | None = None
    is_unscored: bool = False
    """Only cases without a verdict."""
    is_flipped: bool = False
    """Only wrong answers of a sweep whose pass had a right answer at an earlier cut."""
    model: str = ""
    sweep_id: str = ""
    """Only cases of this sweep, or of the sweeps of this benchmark run."""
    label: str = ""
    """Only cases with an annotation that carries it."""
    severity: str = ""
    annotator: str = ""
    """Only cases that this person has annotated."""
    not_assessed_by: str = ""
    """Only cases that this person has not submitted."""
    is_disputed: bool = False
    """Only cases with a disputed annotation."""
    thinking_budget_tokens: int | None = None
    force_rounds: int | None = None
    text: str = ""
    """Words of the question, the last one as a prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """A part of a queue."""

    items: tuple[CaseSummary, ...]
    total: int
    """Cases that the filter lets through."""
    submitted: int
    """How many of them the asking annotator has submitted."""
    next_cursor: str | None
    """Where the queue goes on; None at its end."""


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """Annotations that have these facts in common; drafts, withdrawn and rejected ones are not counted."""

    label: str
    severity: str
    model: str
    thinking_budget_tokens: int
    force_rounds: int
    is_correct: bool | None
    """Of the case's answer."""
    annotations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What agreement is computed from: one submitted assessment with its annotations."""

    case_id: str
    annotator: str
    annotations: tuple[Annotation, ...] = field(default=())
    """Withdrawn ones are left out."""
