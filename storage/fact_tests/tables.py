"""The table of fact tests."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from storage.base import Base, Id
from storage.columns import PersonText
from storage.strategies.tables import StrategyRunRow


class FactTestRow(Base):
    """What a strategy run tests; it goes with its run."""

    __tablename__ = "fact_test"

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("strategy_run.id", ondelete="CASCADE"), primary_key=True)
    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(Id, ForeignKey("checkpoint.id", ondelete="CASCADE"), index=True)
    annotation_id: Mapped[str | None] = mapped_column(Id, ForeignKey("annotation.id", ondelete="SET NULL"), index=True)
    study_id: Mapped[str | None] = mapped_column(Id, index=True)
    """No foreign key: a study's tests are never taken for people's, not even when it is gone."""
    mark_start: Mapped[int]
    mark_end: Mapped[int]
    names_target: Mapped[str]
    seeds: Mapped[int]
    first_letter: Mapped[str | None]
    fact: Mapped[str] = mapped_column(PersonText("the fact"))
    wrong_fact: Mapped[str] = mapped_column(PersonText("the wrong fact"))
    unrelated_fact: Mapped[str]
    marked: Mapped[str]
    prompt: Mapped[str]
    kept_characters: Mapped[int]
    text_before: Mapped[str]
    insertions: Mapped[Mapping[str, Any]]
    kept_ids: Mapped[tuple[int, ...]]

    run: Mapped[StrategyRunRow] = relationship(lazy="raise")
