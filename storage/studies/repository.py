"""Keeps studies that were started."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.errors import InvalidRecord, not_found
from storage.questions.repository import utc_now
from storage.studies.records import NewStudy, StoredStudy
from storage.studies.tables import StudyRow

_FIELDS = [column.name for column in fields(StoredStudy)]
_NEW_FIELDS = [column.name for column in fields(NewStudy)]


class StudyRepository:
    """Studies in the session's database. Those in the trash are not seen."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, study: NewStudy) -> StoredStudy:
        """Store a study.

        Raises:
            InvalidRecord: its name is taken, or a text cannot be stored.
        """
        if self.find(study.name) is not None:
            raise InvalidRecord(f"A study named {study.name!r} was already started. Choose another name.")
        moment = self._now()
        values = {name: getattr(study, name) for name in _NEW_FIELDS}
        row = StudyRow(id=uuid4().hex, created_at=moment, updated_at=moment, **values)
        self._session.add(row)
        self._session.flush()
        return _as_study(row)

    def get(self, study_id: str) -> StoredStudy:
        """Return the study with this id; raises RecordNotFound."""
        return _as_study(self._row(study_id))

    def find(self, name: str) -> StoredStudy | None:
        """Return the study of this name, or None."""
        if not name.isprintable():
            return None
        row = self._session.scalars(select(StudyRow).where(StudyRow.name == name)).one_or_none()
        return None if row is None else _as_study(row)

    def all(self) -> Sequence[StoredStudy]:
        """All studies, newest first."""
        query = select(StudyRow).order_by(StudyRow.created_at.desc(), StudyRow.id)
        return tuple(map(_as_study, self._session.scalars(query)))

    def touch(self, study_id: str, facts: Mapping[str, Any] | None = None) -> StoredStudy:
        """Note that something changed, and what is so now; raises RecordNotFound.

        Args:
            study_id: the study.
            facts: replace those with the same key; None changes none.
        """
        row = self._row(study_id)
        row.updated_at = self._now()
        row.facts = {**row.facts, **(facts or {})}
        self._session.flush()
        return _as_study(row)

    def _row(self, study_id: str) -> StudyRow:
        found = select(StudyRow).where(StudyRow.id == study_id)
        row = self._session.scalar(found) if study_id.isalnum() and study_id.isascii() else None
        if row is None:
            raise not_found("study", study_id)
        return row


def _as_study(row: StudyRow) -> StoredStudy:
    return StoredStudy(**{name: getattr(row, name) for name in _FIELDS})
