"""Verdicts on answers to open questions: one of each judge on each answer, and how models and persons agree."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, aliased

from storage.errors import not_found
from storage.open_verdicts.records import Judgement, NewOpenVerdict, OpenVerdict
from storage.open_verdicts.tables import OpenVerdictRow
from storage.questions.repository import utc_now
from storage.questions.tables import QuestionRow
from storage.traces.tables import CheckpointRow, TraceRow

_COLUMNS = [column.name for column in fields(OpenVerdict)]
_NEW_COLUMNS = [column.name for column in fields(NewOpenVerdict)]


class OpenVerdictRepository:
    """Verdicts in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def put(self, verdict: NewOpenVerdict) -> OpenVerdict:
        """Store a verdict in place of the same judge's earlier one on the same answer.

        Raises:
            RecordNotFound: its trace is not stored.
            InvalidRecord: the reference answer holds NUL or a lone surrogate.
        """
        if self._session.scalar(select(TraceRow.id).where(TraceRow.id == verdict.trace_id)) is None:
            raise not_found("trace", verdict.trace_id)
        self._session.execute(
            delete(OpenVerdictRow).where(
                OpenVerdictRow.trace_id == verdict.trace_id,
                OpenVerdictRow.checkpoint_id.is_not_distinct_from(verdict.checkpoint_id),
                OpenVerdictRow.is_person == verdict.is_person,
                OpenVerdictRow.judged_by == verdict.judged_by,
            )
        )
        values = {name: getattr(verdict, name) for name in _NEW_COLUMNS}
        row = OpenVerdictRow(**values, id=uuid4().hex, created_at=self._now())
        self._session.add(row)
        self._session.flush()
        self._session.refresh(row)
        return _as_verdict(row)

    def on(self, trace_id: str, checkpoint_id: str | None = None) -> Sequence[OpenVerdict]:
        """Verdicts on an answer, the newest first."""
        query = (
            select(OpenVerdictRow)
            .where(
                OpenVerdictRow.trace_id == trace_id,
                OpenVerdictRow.checkpoint_id.is_not_distinct_from(checkpoint_id),
            )
            .order_by(OpenVerdictRow.created_at.desc(), OpenVerdictRow.id)
        )
        return tuple(_as_verdict(row) for row in self._session.scalars(query))

    def of_checkpoints(self, checkpoint_ids: Sequence[str]) -> Mapping[str, Sequence[OpenVerdict]]:
        """Verdicts on answers of sweeps by the answer's id, the newest first."""
        query = (
            select(OpenVerdictRow)
            .where(OpenVerdictRow.checkpoint_id.in_(checkpoint_ids))
            .order_by(OpenVerdictRow.created_at.desc(), OpenVerdictRow.id)
        )
        found: dict[str, list[OpenVerdict]] = {}
        for row in self._session.scalars(query):
            found.setdefault(str(row.checkpoint_id), []).append(_as_verdict(row))
        return found

    def pairs(self) -> Mapping[tuple[Judgement, Judgement], int]:
        """How often a model said the first and a person the second of the same answer by the same reference.

        Answers in the trash do not count.
        """
        model, person = aliased(OpenVerdictRow), aliased(OpenVerdictRow)
        is_same = (
            (model.trace_id == person.trace_id)
            & model.checkpoint_id.is_not_distinct_from(person.checkpoint_id)
            & (model.reference == person.reference)
        )
        query = (
            select(model.judgement, person.judgement)
            .join(person, is_same)
            .join(TraceRow, TraceRow.id == model.trace_id)
            .where(model.is_person.is_(False), person.is_person.is_(True))
        )
        return Counter((first, second) for first, second in self._session.execute(query))


@dataclass(frozen=True, slots=True)
class OpenAnswer:
    """An answer of a sweep to an open question."""

    trace_id: str
    reference: str
    """The question's reference answer."""


def open_answer(session: Session, checkpoint_id: str) -> OpenAnswer | None:
    """The answer with this id; None if it is not one to an open question with a reference answer."""
    query = (
        select(CheckpointRow.trace_id, QuestionRow.options, QuestionRow.reference)
        .join(TraceRow, TraceRow.id == CheckpointRow.trace_id)
        .join(QuestionRow, QuestionRow.id == TraceRow.question_id)
        .where(CheckpointRow.id == checkpoint_id)
    )
    found = session.execute(query).one_or_none()
    return None if found is None or found[1] or not found[2] else OpenAnswer(found[0], found[2])


def _as_verdict(row: OpenVerdictRow) -> OpenVerdict:
    return OpenVerdict(**{name: getattr(row, name) for name in _COLUMNS})
