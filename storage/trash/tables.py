"""The table of deletions, and the rule that hides what they removed."""

from datetime import datetime

from sqlalchemy import event
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria

from storage.base import Base, Discardable, Id
from storage.columns import PersonText
from storage.trash.records import TrashKind

WITH_TRASH = "m1_with_trash"
"""Execution option of a statement that also sees what is in the trash."""


class DeletionRow(Base):
    """A deletion; its parts have its id as their `trash_id`."""

    __tablename__ = "deletion"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[TrashKind]
    subject_id: Mapped[str] = mapped_column(Id, index=True)
    name: Mapped[str] = mapped_column(PersonText("the name"))
    deleted_at: Mapped[datetime] = mapped_column(index=True)
    deleted_by: Mapped[str]
    is_being_removed: Mapped[bool]
    """Whether removing it for good has begun; then it can no longer be restored."""


@event.listens_for(Session, "do_orm_execute")
def _leave_out_trash(state: ORMExecuteState) -> None:
    """Add the condition to every statement on such a table, so that no query can forget it."""
    if state.is_column_load or state.execution_options.get(WITH_TRASH, False) or not state.is_orm_statement:
        return
    if state.is_select or state.is_update or state.is_delete:
        hidden = with_loader_criteria(Discardable, lambda row: row.trash_id.is_(None), include_aliases=True)
        state.statement = state.statement.options(hidden)
