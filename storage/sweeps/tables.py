"""The table of sweeps."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from storage.base import Base, Discardable, Id, trash_index
from storage.columns import JsonTuple, PersonText
from storage.questions.tables import QuestionRow
from storage.traces.records import TraceState


class SweepRow(Discardable, Base):
    """A sweep without its passes."""

    __tablename__ = "sweep"
    __table_args__ = (trash_index("sweep"), Index(None, "created_at", "id"), Index(None, "state", "updated_at"))

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
    asks_probabilities: Mapped[bool]
    profile: Mapped[str]
    owner: Mapped[str]
    asked_by: Mapped[str]
    tokens_generated: Mapped[int]
    tokens_if_separate: Mapped[int]
    seconds: Mapped[float]
    name: Mapped[str] = mapped_column(PersonText("the name"), default="")
    tags: Mapped[tuple[str, ...]] = mapped_column(JsonTuple(), default=())

    question: Mapped[QuestionRow] = relationship(lazy="raise")
