"""The table of resamplings."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from storage.base import Base, Id
from storage.strategies.tables import StrategyRunRow


class ResamplingRow(Base):
    """Which sentence a strategy run resamples; it goes with its run."""

    __tablename__ = "resampling"

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("strategy_run.id", ondelete="CASCADE"), primary_key=True)
    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(Id, ForeignKey("checkpoint.id", ondelete="CASCADE"), index=True)
    start: Mapped[int]
    end: Mapped[int]
    sentence: Mapped[str]
    letter: Mapped[str]
    seeds: Mapped[int]
    before_text: Mapped[str]
    after_text: Mapped[str]
    before_rounds: Mapped[int]
    after_rounds: Mapped[int]
    before_ids: Mapped[tuple[int, ...]]
    after_ids: Mapped[tuple[int, ...]]

    run: Mapped[StrategyRunRow] = relationship(lazy="raise")
