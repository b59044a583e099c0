"""The table of studies."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, Discardable, Id, trash_index
from storage.columns import PersonText


class StudyRow(Discardable, Base):
    """A study that was started; its benchmark runs are rows of their own, which stay when it is deleted."""

    __tablename__ = "study"
    __table_args__ = (
        trash_index("study"),
        # A name is free again once its study is in the trash.
        Index(
            None, "name", unique=True, sqlite_where=text("trash_id IS NULL"), postgresql_where=text("trash_id IS NULL")
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    name: Mapped[str] = mapped_column(PersonText("the study's name"))
    text: Mapped[str] = mapped_column(PersonText("the study's file"))
    models: Mapped[Mapping[str, str]]
    sets: Mapped[Mapping[str, str]]
    runs: Mapped[Mapping[str, str]]
    facts: Mapped[Mapping[str, Any]]
    started_by: Mapped[str]
