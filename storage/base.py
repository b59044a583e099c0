"""The common base of all tables.

`migrations/` builds the tables and a test keeps the two in sync; the full-text indexes `search_index` of `search_entry`
and `passage_index` of `passage` exist only there, because they differ by dialect. Relationships never load by
themselves (`lazy="raise"`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, MetaData, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.annotations.records import AnnotationAction, AnnotationState, Confidence, Origin, Part
from storage.benchmarks.records import ItemState, RunState
from storage.columns import FiniteNumber, ModelText, PackedTokenIds, UtcDateTime, word_of
from storage.jobs.records import JobKind, JobState, Resource
from storage.people.records import AccountOrigin, Role
from storage.traces.records import SegmentKind, ThinkingFinishReason, TraceState
from storage.trash.records import TrashKind


class Base(DeclarativeBase):
    """Base class of the tables: constraint names, and column types by annotation."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: ModelText(),
        float: FiniteNumber(),
        datetime: UtcDateTime(),
        tuple[int, ...]: PackedTokenIds(),
        TraceState: word_of(TraceState),
        ThinkingFinishReason: word_of(ThinkingFinishReason),
        SegmentKind: word_of(SegmentKind),
        Part: word_of(Part),
        AnnotationState: word_of(AnnotationState),
        AnnotationAction: word_of(AnnotationAction),
        Origin: word_of(Origin),
        Confidence: word_of(Confidence),
        RunState: word_of(RunState),
        ItemState: word_of(ItemState),
        JobKind: word_of(JobKind),
        JobState: word_of(JobState),
        Resource: word_of(Resource),
        Role: word_of(Role),
        AccountOrigin: word_of(AccountOrigin),
        TrashKind: word_of(TrashKind),
        # JSON, not JSONB: it keeps the order of the options.
        Mapping[str, str]: JSON(),
        Mapping[str, float]: JSON(none_as_null=True),
        list[str]: JSON(),
        Mapping[str, Any]: JSON(),
    }


Id = String(32)
"""UUID 4 as 32 hexadecimal digits."""


class Discardable:
    """A table whose rows can be in the trash; then no query sees them, unless it says so (see `storage.trash`)."""

    trash_id: Mapped[str | None] = mapped_column(Id, default=None)
    """The deletion that the row is a part of; None while it is not deleted."""


def trash_index(table: str) -> Index:
    """An index of the rows in the trash; one of all rows would mislead SQLite, which then takes it for every list."""
    is_in_trash = text("trash_id IS NOT NULL")
    return Index(f"ix_{table}_trash_id", "trash_id", sqlite_where=is_in_trash, postgresql_where=is_in_trash)
