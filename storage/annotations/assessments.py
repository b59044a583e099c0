"""Assessments: who worked on which case, for how long, and their unsaved input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from storage.annotations.records import Assessment, Case
from storage.annotations.tables import AssessmentRow
from storage.questions.repository import utc_now

_FIELDS = tuple(field.name for field in fields(Assessment))


class AssessmentRepository:
    """Assessments of the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def get(self, case_id: str, annotator: str) -> Assessment | None:
        """One annotator's work on the case; None if they have not started."""
        row = self._session.get(AssessmentRow, (case_id, annotator))
        return Assessment(**{name: getattr(row, name) for name in _FIELDS}) if row else None

    def save(
        self,
        case: Case,
        annotator: str,
        *,
        draft: Mapping[str, Any] | None = None,
        rejected: str = "",
        is_submitted: bool | None = None,
        has_seen_others: bool = False,
        more_seconds: float = 0.0,
    ) -> Assessment:
        """Start or update an assessment; omitted arguments are left unchanged."""
        kept = self.get(case.id, annotator)
        values: dict[str, Any] = {"updated_at": self._now()}
        if draft is not None:
            values["draft"] = dict(draft)
        if rejected:
            values["rejected"] = (*(kept.rejected if kept else ()), rejected)
        if is_submitted is not None:
            values["is_submitted"] = is_submitted
        if has_seen_others:
            values["has_seen_others"] = True
        values["seconds_spent"] = (kept.seconds_spent if kept else 0.0) + max(0.0, more_seconds)
        if kept is None:
            begun: dict[str, Any] = {"is_submitted": False, "has_seen_others": False, "rejected": (), "draft": {}}
            begun |= values
            begun |= {"case_id": case.id, "annotator": annotator, "created_at": values["updated_at"]}
            begun |= {"trace_id": case.trace_id, "checkpoint_id": case.checkpoint_id}
            self._session.execute(insert(AssessmentRow).values(begun))
        else:
            which = (AssessmentRow.case_id == case.id) & (AssessmentRow.annotator == annotator)
            self._session.execute(update(AssessmentRow).where(which).values(values))
            self._session.expire_all()
        saved = self.get(case.id, annotator)
        if saved is None:
            raise AssertionError("unreachable: it was saved in this transaction")
        return saved

    def submitted_by(self, case_id: str) -> tuple[str, ...]:
        """Names of the annotators who submitted the case, sorted."""
        query = select(AssessmentRow.annotator).where(AssessmentRow.case_id == case_id, AssessmentRow.is_submitted)
        return tuple(self._session.scalars(query.order_by(AssessmentRow.annotator)))

    def count_submitted(self, case_ids: Sequence[str]) -> dict[str, int]:
        """Number of annotators who submitted each case."""
        query = (
            select(AssessmentRow.case_id, func.count())
            .where(AssessmentRow.case_id.in_(case_ids), AssessmentRow.is_submitted)
            .group_by(AssessmentRow.case_id)
        )
        return {row[0]: row[1] for row in self._session.execute(query)}

    def annotators(self) -> tuple[str, ...]:
        """Names of everyone who has worked on a case, sorted."""
        return tuple(
            self._session.scalars(select(AssessmentRow.annotator).distinct().order_by(AssessmentRow.annotator))
        )
