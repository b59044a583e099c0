"""The tables of traces, their segments and checkpoints."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from storage.base import Base, Discardable, Id, trash_index
from storage.columns import JsonTuple, PersonText
from storage.questions.tables import QuestionRow
from storage.traces.records import SegmentKind, ThinkingFinishReason, TraceState


class TraceRow(Discardable, Base):
    """A trace without its segments."""

    __tablename__ = "trace"
    __table_args__ = (trash_index("trace"), Index(None, "created_at", "id"), Index(None, "state", "updated_at"))

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
    asked_by: Mapped[str]
    thinking_finish_reason: Mapped[ThinkingFinishReason | None]
    answer_letter: Mapped[str | None]
    is_correct: Mapped[bool | None]
    letter_rule: Mapped[str | None]
    letter_start: Mapped[int | None]
    letter_end: Mapped[int | None]
    strict_version: Mapped[int | None]
    thinking_tokens: Mapped[int]
    """Sum over the segments counted by the budget; stored here so that lists need not read segments."""
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
    strategy_run_id: Mapped[str | None] = mapped_column(
        Id, ForeignKey("strategy_run.id", ondelete="CASCADE"), index=True, default=None
    )
    name: Mapped[str] = mapped_column(PersonText("the name"), default="")
    tags: Mapped[tuple[str, ...]] = mapped_column(JsonTuple(), default=())
    # Long columns last: SQLite then finds the others without reading overflow pages.
    system_prompt: Mapped[str] = mapped_column(PersonText("the system prompt"))
    prompt_text: Mapped[str] = mapped_column(PersonText("the prompt"))
    prompt_token_ids: Mapped[tuple[int, ...]]

    question: Mapped[QuestionRow] = relationship(lazy="raise")
    segments: Mapped[list["SegmentRow"]] = relationship(lazy="raise", order_by="SegmentRow.position")


class SegmentRow(Base):
    """A segment of a trace, or a part of one that is still growing."""

    __tablename__ = "segment"

    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    """0 for the first segment of the trace; see `_PARTS` in the repository for the parts of growing ones."""
    kind: Mapped[SegmentKind]
    token_count: Mapped[int]
    character_count: Mapped[int]
    """Code points of the segment up to the end of this row, as `token_count` counts its tokens."""
    seconds: Mapped[float | None]
    finish_reason: Mapped[str | None]
    text: Mapped[str]
    token_ids: Mapped[tuple[int, ...]]
    delimiter_ids: Mapped[tuple[int, ...]]


class CheckpointRow(Base):
    """An answer forked from a trace at a cut."""

    __tablename__ = "checkpoint"
    __table_args__ = (
        # Answers as cases to annotate: their counts are read from this index alone.
        Index(
            "ix_checkpoint_case",
            *("trace_id", "cut_tokens", "is_correct", "is_after_right", "is_flip", "is_last", "id"),
            sqlite_where=text("error = ''"),
            postgresql_where=text("error = ''"),
        ),
        Index(
            "ix_checkpoint_last",
            *("trace_id", "letter", "id"),
            sqlite_where=text("is_last = 1"),
            postgresql_where=text("is_last"),
        ),
    )

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
    letter_rule: Mapped[str | None]
    letter_start: Mapped[int | None]
    letter_end: Mapped[int | None]
    strict_version: Mapped[int | None]
    finish_reason: Mapped[str | None]
    token_count: Mapped[int]
    tokens_generated: Mapped[int]
    tokens_if_separate: Mapped[int]
    error: Mapped[str]
    # Where its pass turned, see `storage.traces.turns`.
    is_after_right: Mapped[bool] = mapped_column(default=False)
    """Whether it is wrong, and an earlier cut was right."""
    is_flip: Mapped[bool] = mapped_column(default=False)
    """Whether it is wrong, and the cut before it was right."""
    is_last: Mapped[bool] = mapped_column(default=False)
    """Whether it is the last answered cut of its pass."""
    text: Mapped[str]


class EarlierReadingRow(Base):
    """What an earlier version of the rule `strict` read in an answer that was scored again."""

    __tablename__ = "earlier_reading"

    checkpoint_id: Mapped[str] = mapped_column(Id, ForeignKey("checkpoint.id", ondelete="CASCADE"), primary_key=True)
    strict_version: Mapped[int] = mapped_column(primary_key=True)
    letter: Mapped[str | None]
    is_correct: Mapped[bool | None]
    letter_rule: Mapped[str | None]
    letter_start: Mapped[int | None]
    letter_end: Mapped[int | None]
    replaced_at: Mapped[datetime]
