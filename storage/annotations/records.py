"""What people say about traces, as plain values: standard library only, no database.

A *case* is one answer with the thinking that led to it: a trace of a probe, or a checkpoint of a sweep. Its id is that
of the checkpoint, or of the trace if there is no checkpoint. An *assessment* is one annotator's work on one case; its
*annotations* are what they marked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from storage.questions.records import Question


class Part(StrEnum):
    """The part of a case that an annotation refers to."""

    THINKING = "thinking"
    ANSWER = "answer"
    WHOLE = "whole"
    """The case as a whole: no span."""


class AnnotationState(StrEnum):
    """Lifecycle state of an annotation."""

    DRAFT = "draft"
    """Its annotator is still working on the case; nobody else can see it."""
    SUBMITTED = "submitted"
    DISPUTED = "disputed"
    """Another annotator disagrees; it awaits adjudication."""
    ADJUDICATED = "adjudicated"
    """A dispute was decided, see `Annotation.is_upheld`."""
    WITHDRAWN = "withdrawn"
    """Withdrawn by its annotator; kept in the history."""


class AnnotationAction(StrEnum):
    """The action that created a revision."""

    CREATED = "created"
    EDITED = "edited"
    SUBMITTED = "submitted"
    REOPENED = "reopened"
    """Its annotator took the submission of the case back; it is a draft again."""
    AGREED = "agreed"
    DISPUTED = "disputed"
    ADJUDICATED = "adjudicated"
    WITHDRAWN = "withdrawn"
    IMPORTED = "imported"


class Origin(StrEnum):
    """How an annotation was created."""

    PERSON = "person"
    SUGGESTION = "suggestion"
    """Suggested by the app and accepted by the annotator."""
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
    """A span of one text: W3C TextPositionSelector and TextQuoteSelector, in Unicode code points."""

    start: int
    """First code point."""
    end: int
    """One past the last code point."""
    exact: str
    """The selected text."""
    prefix: str
    """Text just before it."""
    suffix: str
    """Text just after it."""
    text_sha256: str
    """SHA-256 (hex) of the whole text in UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationContent:
    """The editable content of an annotation."""

    part: Part
    selector: TextSelector | None = None
    """The marked span, or for an omission the place where something is missing; None for the whole part."""
    labels: tuple[str, ...] = ()
    """Label ids from the taxonomy, at least one."""
    severity: str = "none"
    """Severity id from the taxonomy."""
    comment: str = ""
    corrected_fact: str = ""
    """What would have been correct."""
    evidence: tuple[Evidence, ...] = ()
    confidence: Confidence | None = None
    is_omission: bool = False
    """True: something is missing; False: something is wrong (commission)."""
    changed_answer: bool | None = None
    """Whether it changed the final answer; None if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation(AnnotationContent):
    """A stored annotation."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    case_id: str
    trace_id: str
    checkpoint_id: str | None
    annotator: str
    state: AnnotationState
    is_upheld: bool | None
    """Outcome of the adjudication; None before it."""
    agreed_by: tuple[str, ...]
    """Annotators who reviewed it and agreed."""
    origin: Origin
    taxonomy_version: int
    revision: int
    """Starts at 1; a save must name the revision it changes."""
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
    """The annotation at this revision, as JSON values; see `storage.annotations.documents`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One annotator's work on one case."""

    case_id: str
    trace_id: str
    checkpoint_id: str | None
    annotator: str
    is_submitted: bool
    draft: Mapping[str, Any]
    """Unsaved form input in the page's format; empty if there is none."""
    rejected: tuple[str, ...]
    """Keys of rejected suggestions."""
    has_seen_others: bool
    """Whether others' marks on the case were shown; then the submission cannot be taken back."""
    seconds_spent: float
    """Time spent with the case open and active."""
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
    """For a checkpoint, the smallest budget whose cell ends there."""
    force_rounds: int
    thinking_text: str
    """Includes injected waits; for a checkpoint, only the text before its cut."""
    waits: tuple[tuple[int, int], ...]
    """Start and end of each injected "Wait", in code points."""
    edits: tuple[tuple[int, int], ...] = ()
    """Start and end of each text that a person wrote into the thinking, in code points."""
    answer_text: str
    letter: str | None
    is_correct: bool | None
    created_at: datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSummary:
    """A case as listed in the queue."""

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
    pass_number: int
    """Number of the pass of this model in its sweep, from 0; 0 for a probe."""
    seed: int | None
    """None if the temperature was 0."""
    thinking_budget_tokens: int
    force_rounds: int
    letter: str | None
    is_correct: bool | None
    is_flip: bool
    """Whether it is wrong, and the cut before it was right."""
    is_submitted: bool | None
    """The requesting annotator's assessment; None if they have none."""
    assessed_by: int
    """Number of submitted assessments."""
    strategy: str
    """The strategy that asked for it, as written; the first of several that share it; empty for other cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseGroup:
    """The matching cases of one sweep, or those of one question's probes, as listed in the queue."""

    key: str
    """Names the group in a request for its cases."""
    created_at: datetime
    """Aware, UTC: of the sweep, or of the newest matching probe."""
    stem: str
    """The first 160 characters of the question."""
    target: str | None
    models: int
    """Number of models."""
    model: str
    """One of them."""
    passes: int
    """Number of traces."""
    cases: int
    wrong: int
    flips: int
    """Cases that are wrong after a cut that was right."""
    submitted: int
    """How many the requesting annotator has submitted."""
    only: CaseSummary | None
    """The case, if it is the only one."""


class CaseOrder(StrEnum):
    """Which cases the queue takes, and in which order."""

    NEWEST = "newest"
    """All, by sweep and question, the newest first."""
    RANDOM = "random"
    """All, one by one, in an order that the seed decides."""
    DISAGREEMENT = "disagreement"
    """Those whose annotators chose different labels, and the last answers of passes that end differently."""
    FLIP = "flip"
    """Those that are wrong while the cut before was right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Filter and order of the queue; fields left at their defaults do not filter."""

    order: CaseOrder = CaseOrder.NEWEST
    seed: int = 0
    """Of the random order."""

    is_correct: bool | None = None
    is_unscored: bool = False
    """Only cases without a verdict."""
    is_flipped: bool = False
    """Only wrong answers whose sweep pass was right at an earlier cut."""
    model: str = ""
    sweep_id: str = ""
    """Only cases from this sweep, or from this benchmark run's sweeps."""
    label: str = ""
    """Only cases with an annotation that has this label."""
    severity: str = ""
    annotator: str = ""
    """Only cases this annotator has annotated."""
    not_assessed_by: str = ""
    """Only cases this annotator has not submitted."""
    is_disputed: bool = False
    """Only cases with a disputed annotation."""
    thinking_budget_tokens: int | None = None
    force_rounds: int | None = None
    text: str = ""
    """Words in the question, the last one as a prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """One page of the queue."""

    groups: tuple[CaseGroup, ...]
    total: int
    """Total number of matching cases."""
    submitted: int
    """How many of them the requesting annotator has submitted."""
    next_cursor: str | None
    """Cursor for the next page; None on the last page."""


@dataclass(frozen=True, slots=True)
class MarkCount:
    """Number of annotations that share these attributes, without drafts and withdrawn or rejected ones.

    Each annotation is in one of these counts, whatever its number of labels.
    """

    severity: str
    model: str
    thinking_budget_tokens: int
    force_rounds: int
    is_correct: bool | None
    """Verdict on the case's answer."""
    marks: int


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """Number of annotations that share these attributes, without drafts and withdrawn or rejected ones.

    An annotation with several labels is in the count of each: only sums over one label are numbers of annotations.
    """

    label: str
    severity: str
    model: str
    thinking_budget_tokens: int
    force_rounds: int
    is_correct: bool | None
    """Verdict on the case's answer."""
    annotations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """Input for agreement: one submitted assessment with its annotations."""

    case_id: str
    annotator: str
    annotations: tuple[Annotation, ...] = field(default=())
    """Without withdrawn ones."""
