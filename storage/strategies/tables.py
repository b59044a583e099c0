"""The tables of strategies' runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from storage.base import Base, Discardable, Id, trash_index
from storage.columns import JsonTuple, PackedNumbers, PersonText, ZippedCounts
from storage.questions.tables import QuestionRow
from storage.traces.records import TraceState


class StrategyRunRow(Discardable, Base):
    """A run without its results."""

    __tablename__ = "strategy_run"
    __table_args__ = (
        trash_index("strategy_run"),
        Index(None, "created_at", "id"),
        Index(None, "state", "updated_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    question_id: Mapped[str] = mapped_column(Id, ForeignKey("question.id"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    state: Mapped[TraceState]
    error: Mapped[str]
    seconds: Mapped[float]
    choices: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    model: Mapped[str]
    profile: Mapped[str]
    system_prompt: Mapped[str | None] = mapped_column(PersonText("the system prompt"))
    budget_tokens: Mapped[int]
    thinking_tokens: Mapped[int | None]
    force_rounds: Mapped[int]
    temperature: Mapped[float]
    top_p: Mapped[float]
    seed: Mapped[int] = mapped_column(BigInteger)
    answer_cap_tokens: Mapped[int]
    engine_kind: Mapped[str]
    engine_version: Mapped[str]
    engine_name: Mapped[str]
    prompt_sha256: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str]
    asked_by: Mapped[str]

    question: Mapped[QuestionRow] = relationship(lazy="raise")
    results: Mapped[list["StrategyResultRow"]] = relationship(lazy="raise", order_by="StrategyResultRow.position")


class StrategyResultRow(Base):
    """What one strategy of a run came to."""

    __tablename__ = "strategy_result"

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("strategy_run.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    choice: Mapped[str]
    state: Mapped[TraceState]
    letter: Mapped[str | None]
    answer: Mapped[str]
    is_correct: Mapped[bool | None]
    why: Mapped[str]
    of_key: Mapped[str]
    error: Mapped[str]
    generated: Mapped[int]
    injected: Mapped[int]
    prompt_new: Mapped[int]
    prompt_cached: Mapped[int]
    wasted: Mapped[int]
    seconds: Mapped[float]
    picture: Mapped[Mapping[str, Any]]


class StrategyRequestRow(Base):
    """One request of a strategy."""

    __tablename__ = "strategy_request"

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("strategy_run.id", ondelete="CASCADE"), primary_key=True)
    result_position: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    attempt: Mapped[int]
    purpose: Mapped[str]
    model: Mapped[str]
    state: Mapped[str]
    generated: Mapped[int]
    injected: Mapped[int]
    prompt_new: Mapped[int]
    prompt_cached: Mapped[int]
    prompt_reported: Mapped[int]
    cached_reported: Mapped[int]
    wasted: Mapped[int]
    seconds: Mapped[float]
    trace_id: Mapped[str | None] = mapped_column(Id, ForeignKey("trace.id", ondelete="SET NULL"), index=True)
    letter: Mapped[str | None]
    tokens: Mapped[int]
    finish: Mapped[str]
    forced_rounds: Mapped[int]
    stops: Mapped[tuple[int, ...]] = mapped_column(JsonTuple())
    probabilities: Mapped[Mapping[str, float] | None] = mapped_column(JSON(none_as_null=True))
    is_shared: Mapped[bool]
    error: Mapped[str]
    prompt: Mapped[str]
    text: Mapped[str]
    token_ids: Mapped[tuple[int, ...]]
    prompt_ids: Mapped[tuple[int, ...]]
    confidences: Mapped[tuple[float, ...]] = mapped_column(PackedNumbers())
    told: Mapped[tuple[int, ...]] = mapped_column(ZippedCounts())
    rest: Mapped[str]
