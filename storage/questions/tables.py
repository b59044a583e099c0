"""The table of questions."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, Id
from storage.columns import PersonText


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
    reference: Mapped[str | None] = mapped_column(PersonText("the reference answer"), default=None)
