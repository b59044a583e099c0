"""The table of jobs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, Discardable, Id, trash_index
from storage.columns import PersonText
from storage.jobs.records import JobKind, JobState, Resource


class JobRow(Discardable, Base):
    """A job."""

    __tablename__ = "job"
    __table_args__ = (
        trash_index("job"),
        Index(None, "created_at", "id"),
        Index(None, "state", "priority", "created_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    kind: Mapped[JobKind]
    name: Mapped[str] = mapped_column(PersonText("the job's name"))
    recipe: Mapped[Mapping[str, Any]]
    subject_id: Mapped[str] = mapped_column(String(32), index=True)
    resource: Mapped[Resource]
    priority: Mapped[int]
    executor: Mapped[str]
    state: Mapped[JobState]
    handle: Mapped[str]
    attempt: Mapped[int]
    progress: Mapped[Mapping[str, Any]]
    error: Mapped[str]
