"""The tables of question sets."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, Discardable, Id, trash_index
from storage.columns import PersonText


class QuestionSetRow(Discardable, Base):
    """A question set without its questions."""

    __tablename__ = "question_set"
    __table_args__ = (
        trash_index("question_set"),
        # A name is free again once its set is in the trash.
        Index(
            None, "name", unique=True, sqlite_where=text("trash_id IS NULL"), postgresql_where=text("trash_id IS NULL")
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(PersonText("the question set's name"))
    source: Mapped[str] = mapped_column(PersonText("the question set's source"))
    layout: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    question_count: Mapped[int]


class QuestionSetMemberRow(Base):
    """A question in a set."""

    __tablename__ = "question_set_member"

    set_id: Mapped[str] = mapped_column(Id, ForeignKey("question_set.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    question_id: Mapped[str] = mapped_column(Id, ForeignKey("question.id"), index=True)
