"""Keeps batches of probes until they are over."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.orm import Session, joinedload

from storage.erasure.repository import ErasureRepository
from storage.probe_batches.records import KeptBatch, KeptItem, NewBatch
from storage.probe_batches.tables import ProbeBatchItemRow, ProbeBatchRow
from storage.questions.repository import QuestionRepository, as_question, utc_now
from storage.traces.tables import TraceRow


class ProbeBatchRepository:
    """Batches in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, batch: NewBatch) -> None:
        """Keep a batch with its questions.

        Raises:
            InvalidRecord: a text cannot be stored.
        """
        questions = [question for question, _ in batch.questions]
        ids = QuestionRepository(self._session, self._now).upsert_all(questions)
        moment = self._now()
        whole: dict[str, Any] = {"id": batch.id, "asked_by": batch.asked_by, "owner": batch.owner}
        whole |= {"allows_identifiers": batch.allows_identifiers, "created_at": moment, "updated_at": moment}
        self._session.execute(insert(ProbeBatchRow), [whole])
        rows = [
            {"batch_id": batch.id, "position": number, "question_id": question_id, "settings": dict(settings)}
            | {"trace_id": None, "problem": ""}
            for number, (question_id, (_, settings)) in enumerate(zip(ids, batch.questions, strict=True))
        ]
        self._session.execute(insert(ProbeBatchItemRow), rows)

    def note(self, batch_id: str, position: int, *, trace_id: str | None = None, problem: str = "") -> None:
        """Note the trace that asks a question, or why it was refused; nothing if the batch is gone."""
        which = (ProbeBatchItemRow.batch_id == batch_id) & (ProbeBatchItemRow.position == position)
        self._session.execute(update(ProbeBatchItemRow).where(which).values(trace_id=trace_id, problem=problem))

    def touch(self, batch_id: str) -> None:
        """Say that its process still asks it."""
        self._session.execute(update(ProbeBatchRow).where(ProbeBatchRow.id == batch_id).values(updated_at=self._now()))

    def of_person(self, asked_by: str) -> tuple[KeptBatch, ...]:
        """The batches that somebody has asked and that are not over, the newest first."""
        newest = select(ProbeBatchRow.id).where(ProbeBatchRow.asked_by == asked_by)
        ids = self._session.scalars(newest.order_by(ProbeBatchRow.created_at.desc(), ProbeBatchRow.id)).all()
        return tuple(found for batch_id in ids if (found := self.find(batch_id)) is not None)

    def find(self, batch_id: str) -> KeptBatch | None:
        """A batch; None if there is none with this id."""
        row = self._session.get(ProbeBatchRow, batch_id) if batch_id.isalnum() else None
        if row is None:
            return None
        trace = TraceRow
        query = (
            select(ProbeBatchItemRow, trace.state, trace.answer_letter, trace.is_correct)
            .join(trace, trace.id == ProbeBatchItemRow.trace_id, isouter=True)
            .options(joinedload(ProbeBatchItemRow.question))
            .where(ProbeBatchItemRow.batch_id == batch_id)
            .order_by(ProbeBatchItemRow.position)
        )
        items = tuple(_as_item(*each) for each in self._session.execute(query))
        return KeptBatch(row.id, row.asked_by, row.owner, row.updated_at, row.allows_identifiers, items)

    def claim(self, batch: KeptBatch, asked_by: str, owner: str) -> bool:
        """Make another process the one that asks it; False if yet another one already does, or it is gone."""
        row = ProbeBatchRow
        which = (row.id == batch.id) & (row.owner == batch.owner) & (row.updated_at == batch.updated_at)
        changed = update(row).where(which).values(owner=owner, asked_by=asked_by, updated_at=self._now())
        result = self._session.execute(changed)
        return isinstance(result, CursorResult) and result.rowcount == 1

    def remove_before(self, moment: datetime) -> tuple[int, int]:
        """Forget the batches that no process has asked since a moment; return how many, and of how many questions."""
        old = self._session.scalars(select(ProbeBatchRow.id).where(ProbeBatchRow.updated_at < moment)).all()
        return len(old), sum(map(self.remove, old))

    def remove(self, batch_id: str) -> int:
        """Forget a batch, with those of its questions that nothing else uses; return how many these are."""
        item = ProbeBatchItemRow
        questions = self._session.scalars(select(item.question_id).where(item.batch_id == batch_id)).all()
        self._session.execute(delete(ProbeBatchRow).where(ProbeBatchRow.id == batch_id))
        return ErasureRepository(self._session).erase_unused(questions)


def _as_item(row: ProbeBatchItemRow, state: Any, letter: str | None, is_correct: bool | None) -> KeptItem:
    question = as_question(row.question)
    return KeptItem(row.position, question, row.settings, row.trace_id or "", row.problem, state, letter, is_correct)
