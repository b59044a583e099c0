"""The tables of batches of probes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from storage.base import Base, Id
from storage.questions.tables import QuestionRow


class ProbeBatchRow(Base):
    """A batch that is not over."""

    __tablename__ = "probe_batch"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(index=True)
    owner: Mapped[str]
    allows_identifiers: Mapped[bool]


class ProbeBatchItemRow(Base):
    """A question of a batch."""

    __tablename__ = "probe_batch_item"

    batch_id: Mapped[str] = mapped_column(Id, ForeignKey("probe_batch.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    """0 for the first."""
    question_id: Mapped[str] = mapped_column(Id, ForeignKey("question.id", ondelete="CASCADE"), index=True)
    settings: Mapped[Mapping[str, Any]]
    trace_id: Mapped[str | None] = mapped_column(Id)
    """Not a foreign key: a question whose trace was erased has still been asked."""
    problem: Mapped[str]

    question: Mapped[QuestionRow] = relationship(lazy="raise")
