"""The table of branches."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, Id
from storage.columns import PersonText


class BranchRow(Base):
    """Where a trace comes from; it goes with its trace, and outlives its parent."""

    __tablename__ = "branch"

    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), primary_key=True)
    parent_id: Mapped[str | None] = mapped_column(Id, ForeignKey("trace.id", ondelete="SET NULL"), index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(Id, ForeignKey("checkpoint.id", ondelete="SET NULL"), index=True)
    kept_tokens: Mapped[int]
    kept_characters: Mapped[int]
    inserted_tokens: Mapped[int]
    replaced: Mapped[str]
    written: Mapped[str] = mapped_column(PersonText("the edited text"))
