"""The tables, as SQLAlchemy's typed classes.

`migrations/` builds them and a test holds the two equal; the full-text index `search_index` beside `search_entry` is
written there only, because it differs by dialect. Relationships never load by themselves (`lazy="raise"`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from storage.annotation_records import AnnotationAction, AnnotationState, Confidence, Origin, Part
from storage.benchmark_records import ItemState, RunState
from storage.columns import FiniteNumber, JsonTuple, ModelText, PackedTokenIds, PersonText, UtcDateTime, word_of
from storage.job_records import JobKind, JobState, Resource
from storage.records import SegmentKind, ThinkingFinishReason, TraceState


class Base(DeclarativeBase):
    """Common ground of the tables: names of constraints, and column types by annotation."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: ModelText(),
        float: FiniteNumber(),
        datetime: UtcDateTime(),
        tuple[int, ...]: PackedTokenIds(),
        TraceState: word_of(TraceState),
        ThinkingFinishReason: word_of(ThinkingFinishReason),
        SegmentKind: word_of(SegmentKind),
        Part: word_of(Part),
        AnnotationState: word_of(AnnotationState),
        AnnotationAction: word_of(AnnotationAction),
        Origin: word_of(Origin),
        Confidence: word_of(Confidence),
        RunState: word_of(RunState),
        ItemState: word_of(ItemState),
        JobKind: word_of(JobKind),
        JobState: word_of(JobState),
        Resource: word_of(Resource),
        # JSON, not JSONB: it keeps the order of the options.
        Mapping[str, str]: JSON(),
        Mapping[str, float]: JSON(none_as_null=True),
        list[str]: JSON(),
        Mapping[str, Any]: JSON(),
    }


Id = String(32)
"""UUID 4 as 32 hexadecimal digits."""


class QuestionRow(Base):
    """A question."""

    __tablename__ = "question"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    stem: Mapped[str] = mapped_column(PersonText("the question"))
    options: Mapped[Mapping[str, str]]
    target: Mapped[str | None] = mapped_column(PersonText("the target"))
    source: Mapped[str] = mapped_column(PersonText("the question's source"))
    title: Mapped[str] = mapped_column(PersonText("the question's title"))
    tags: Mapped[list[str]]
    content_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(index=True)


class TraceRow(Base):
    """A trace without its segments."""

    __tablename__ = "trace"
    __table_args__ = (Index(None, "created_at", "id"), Index(None, "state", "updated_at"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    question_id: Mapped[str] = mapped_column(Id, ForeignKey("question.id"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    state: Mapped[TraceState]
    model: Mapped[str] = mapped_column(index=True)
    thinking_budget_tokens: Mapped[int]
    force_rounds: Mapped[int]
    temperature: Mapped[float]
    top_p: Mapped[float]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    answer_cap_tokens: Mapped[int]
    profile: Mapped[str]
    profile_is_guess: Mapped[bool]
    engine_kind: Mapped[str]
    engine_version: Mapped[str]
    engine_name: Mapped[str]
    owner: Mapped[str]
    thinking_finish_reason: Mapped[ThinkingFinishReason | None]
    answer_letter: Mapped[str | None]
    is_correct: Mapped[bool | None]
    thinking_tokens: Mapped[int]
    """Sum over the segments that the budget counts; kept here so that a list reads no segment."""
    tokens_generated: Mapped[int]
    time_to_first_token_seconds: Mapped[float | None]
    seconds: Mapped[float | None]
    tokens_per_second: Mapped[float | None]
    option_probabilities: Mapped[Mapping[str, float] | None]
    error: Mapped[str]
    note: Mapped[str]
    prompt_sha256: Mapped[str] = mapped_column(String(64))
    sweep_id: Mapped[str | None] = mapped_column(Id, ForeignKey("sweep.id", ondelete="CASCADE"), index=True)
    pass_number: Mapped[int]
    # Long columns last: SQLite then finds the others without reading overflow pages.
    system_prompt: Mapped[str] = mapped_column(PersonText("the system prompt"))
    prompt_text: Mapped[str] = mapped_column(PersonText("the prompt"))
    prompt_token_ids: Mapped[tuple[int, ...]]

    question: Mapped[QuestionRow] = relationship(lazy="raise")
    segments: Mapped[list["SegmentRow"]] = relationship(lazy="raise", order_by="SegmentRow.position")


class SegmentRow(Base):
    """One stretch of a trace."""

    __tablename__ = "segment"

    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    """0 for the first segment of the trace."""
    kind: Mapped[SegmentKind]
    token_count: Mapped[int]
    character_count: Mapped[int]
    """Code points of `text`; with `token_count` and `finish_reason` it tells what changed since the last save."""
    seconds: Mapped[float | None]
    finish_reason: Mapped[str | None]
    text: Mapped[str]
    token_ids: Mapped[tuple[int, ...]]
    delimiter_ids: Mapped[tuple[int, ...]]


class CheckpointRow(Base):
    """An answer forked from a trace at a cut."""

    __tablename__ = "checkpoint"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    cells: Mapped[tuple[tuple[int, int], ...]] = mapped_column(JsonTuple())
    cut_tokens: Mapped[int]
    cut_characters: Mapped[int]
    thinking_finish_reason: Mapped[ThinkingFinishReason]
    forced_rounds: Mapped[int]
    letter: Mapped[str | None]
    option_probabilities: Mapped[Mapping[str, float] | None]
    is_correct: Mapped[bool | None]
    finish_reason: Mapped[str | None]
    token_count: Mapped[int]
    tokens_generated: Mapped[int]
    tokens_if_separate: Mapped[int]
    error: Mapped[str]
    text: Mapped[str]


class SweepRow(Base):
    """A sweep without its passes."""

    __tablename__ = "sweep"
    __table_args__ = (Index(None, "created_at", "id"), Index(None, "state", "updated_at"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    question_id: Mapped[str] = mapped_column(Id, ForeignKey("question.id"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    state: Mapped[TraceState]
    error: Mapped[str]
    budgets: Mapped[tuple[int, ...]] = mapped_column(JsonTuple())
    force_rounds: Mapped[tuple[int, ...]] = mapped_column(JsonTuple())
    models: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    passes: Mapped[int]
    temperature: Mapped[float]
    top_p: Mapped[float]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    answer_cap_tokens: Mapped[int]
    system_prompt: Mapped[str | None] = mapped_column(PersonText("the system prompt"))
    profile: Mapped[str]
    owner: Mapped[str]
    tokens_generated: Mapped[int]
    tokens_if_separate: Mapped[int]
    seconds: Mapped[float]

    question: Mapped[QuestionRow] = relationship(lazy="raise")


class AssessmentRow(Base):
    """One annotator's work on one case."""

    __tablename__ = "assessment"

    case_id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Of the checkpoint, or of the trace where there is none."""
    annotator: Mapped[str] = mapped_column(PersonText("the annotator's name"), primary_key=True)
    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(Id, ForeignKey("checkpoint.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    is_submitted: Mapped[bool]
    seconds_spent: Mapped[float]
    rejected: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    draft: Mapped[Mapping[str, Any]]


class AnnotationRow(Base):
    """An annotation as it stands now."""

    __tablename__ = "annotation"
    __table_args__ = (Index(None, "case_id", "annotator"), Index(None, "state", "case_id"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    case_id: Mapped[str] = mapped_column(Id)
    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(Id, ForeignKey("checkpoint.id", ondelete="CASCADE"), index=True)
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
    """First code point of the span; None without one. `end` is one past its last."""
    end: Mapped[int | None]
    text_sha256: Mapped[str | None] = mapped_column(String(64))
    labels: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    severity: Mapped[str]
    confidence: Mapped[Confidence | None]
    is_omission: Mapped[bool]
    changed_answer: Mapped[bool | None]
    # Facts of the case, which never change once it is over: a summary reads no other table for them.
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
    """A label of an annotation, for looking it up."""

    __tablename__ = "annotation_label"

    annotation_id: Mapped[str] = mapped_column(Id, ForeignKey("annotation.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True, index=True)


class AnnotationRevisionRow(Base):
    """One state in the history of an annotation; never changed."""

    __tablename__ = "annotation_revision"

    annotation_id: Mapped[str] = mapped_column(Id, ForeignKey("annotation.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(PersonText("the annotator's name"))
    action: Mapped[AnnotationAction]
    reason: Mapped[str] = mapped_column(PersonText("the reason"))
    document: Mapped[Mapping[str, Any]]


class SearchEntryRow(Base):
    """The searchable words of one question, or of one trace that has ended."""

    __tablename__ = "search_entry"

    number: Mapped[int] = mapped_column(primary_key=True)
    """Also the row id of SQLite's full-text index."""
    question_id: Mapped[str | None] = mapped_column(Id, ForeignKey("question.id", ondelete="CASCADE"), unique=True)
    trace_id: Mapped[str | None] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), unique=True)
    words: Mapped[str]
    """Distinct words as `search.words_of` gives them, one space between two."""
