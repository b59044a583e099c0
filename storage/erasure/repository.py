"""Removes traces, questions and persons for good, also from the trash.

What deleted rows leave in the files is for `storage.scrubbing`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, delete, exists, false, func, or_, select, update
from sqlalchemy.orm import Session

from storage.annotations.names import NameRepository
from storage.annotations.tables import AnnotationRow, AssessmentRow
from storage.annotations.work import is_annotated
from storage.benchmarks.records import ItemState, RunState
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkRunRow
from storage.erasure.records import ErasedPerson, ErasureExtent
from storage.errors import not_found
from storage.people.accounts import AccountRepository
from storage.people.tables import AccountRow
from storage.question_sets.tables import QuestionSetMemberRow, QuestionSetRow
from storage.questions.tables import QuestionRow
from storage.sweeps.tables import SweepRow
from storage.traces.records import SegmentKind, TraceState
from storage.traces.tables import SegmentRow, TraceRow
from storage.trash.tables import WITH_TRASH, DeletionRow

_BATCH = 500
_OPTIONS = {WITH_TRASH: True, "synchronize_session": False}
_IS_THINKING = SegmentRow.kind == SegmentKind.THINK


class ErasureRepository:
    """Erases in the session's database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_trace(self, trace_id: str) -> ErasureExtent:
        """What erasing a trace removes: also its sweep, if it is the only pass; raises RecordNotFound."""
        sweep_ids = self._values(select(TraceRow.sweep_id).where(TraceRow.id == trace_id))
        if not sweep_ids:
            raise not_found("trace", trace_id)
        others = exists().where(TraceRow.sweep_id == SweepRow.id, TraceRow.id != trace_id)
        sweeps = self._values(select(SweepRow.id).where(SweepRow.id.in_(filter(None, sweep_ids)), ~others))
        return self._extent([trace_id], sweeps)

    def of_question(self, question_id: str) -> ErasureExtent:
        """What erasing a question removes; raises RecordNotFound."""
        if not self._values(select(QuestionRow.id).where(QuestionRow.id == question_id)):
            raise not_found("question", question_id)
        used_by = {
            row: self._values(select(row.id).where(row.question_id == question_id))
            for row in (TraceRow, SweepRow, BenchmarkItemRow)
        }
        return self._extent(used_by[TraceRow], used_by[SweepRow], used_by[BenchmarkItemRow], [question_id])

    def older_than(self, moment: datetime, *, with_annotated: bool, limit: int | None = None) -> ErasureExtent:
        """Probes and sweeps from before a moment that have ended; those of benchmark runs stay with their runs.

        Args:
            moment: aware.
            with_annotated: whether to include those that somebody has annotated.
            limit: maximum number of probes, and of sweeps; None for all.
        """
        is_old_trace = (TraceRow.created_at < moment) & (TraceRow.state != TraceState.RUNNING)
        is_spared = false() if with_annotated else is_annotated()
        probes = self._values(
            select(TraceRow.id).where(is_old_trace, TraceRow.sweep_id.is_(None), ~is_spared).limit(limit)
        )
        has_spared = exists().where(TraceRow.sweep_id == SweepRow.id, is_spared)
        is_item = exists().where(BenchmarkItemRow.id == SweepRow.id)
        is_old_sweep = (SweepRow.created_at < moment) & (SweepRow.state != TraceState.RUNNING)
        sweeps = self._values(select(SweepRow.id).where(is_old_sweep, ~is_item, ~has_spared).limit(limit))
        passes = [
            trace_id
            for some in _batched(sweeps)
            for trace_id in self._values(select(TraceRow.id).where(TraceRow.sweep_id.in_(some)))
        ]
        return self._extent([*probes, *passes], sweeps, has_passages=False)

    def has_elsewhere(self, passage: str, extent: ErasureExtent) -> bool:
        """Whether a question or a trace's thinking outside of the extent contains a passage; reads all."""
        thoughts = select(SegmentRow.trace_id).where(_IS_THINKING, SegmentRow.text.contains(passage, autoescape=True))
        stems = select(QuestionRow.id).where(QuestionRow.stem.contains(passage, autoescape=True))
        return any(
            not {*self._values(found)} <= {*erased}
            for found, erased in ((stems, extent.questions), (thoughts, extent.traces))
        )

    def erase(self, extent: ErasureExtent) -> None:
        """Remove an extent with its annotations."""
        self._forget_items(extent.items)
        for some in _batched(extent.traces):
            for row in (AnnotationRow, AssessmentRow):
                self._change(delete(row).where(row.trace_id.in_(some)))
            self._change(delete(TraceRow).where(TraceRow.id.in_(some)))
        for some in _batched(extent.sweeps):
            self._change(delete(SweepRow).where(SweepRow.id.in_(some)))
        for some in _batched((*extent.traces, *extent.sweeps)):
            # The trash names a trace by the beginning of its question.
            self._change(delete(DeletionRow).where(DeletionRow.subject_id.in_(some)))
        for question_id in extent.questions:
            self._forget_memberships(question_id)
            self._change(delete(QuestionRow).where(QuestionRow.id == question_id))

    def questions_of(self, extent: ErasureExtent) -> tuple[str, ...]:
        """Ids of the questions that an extent's traces ask."""
        return tuple(
            dict.fromkeys(
                question_id
                for some in _batched(extent.traces)
                for question_id in self._values(select(TraceRow.question_id).where(TraceRow.id.in_(some)))
            )
        )

    def erase_unused(self, question_ids: Iterable[str]) -> int:
        """Remove those of the questions that nothing uses any more; return how many."""
        users = (TraceRow, SweepRow, BenchmarkItemRow, QuestionSetMemberRow)
        is_used = or_(*(exists().where(user.question_id == QuestionRow.id) for user in users))
        return sum(
            self._change(delete(QuestionRow).where(QuestionRow.id.in_(some), ~is_used))
            for some in _batched(question_ids)
        )

    def erase_person(self, name: str, pseudonym: str, *, account_id: str, is_removing: bool) -> ErasedPerson:
        """Remove an account and its sessions, and its name from all annotations; the audit log keeps the id.

        Args:
            name: the account's name, or one that somebody has annotated under.
            pseudonym: takes the place of the name.
            account_id: the account; empty without one.
            is_removing: whether to remove the person's own annotations and assessments too.

        Raises:
            InvalidRecord: no administrator who can log in would be left.
        """
        removed, begun = 0, 0
        if is_removing:
            removed = self._change(delete(AnnotationRow).where(AnnotationRow.annotator == name))
            begun = self._change(delete(AssessmentRow).where(AssessmentRow.annotator == name))
        moved = NameRepository(self._session).rename(name, pseudonym)
        if account_id:
            AccountRepository(self._session).change(account_id, is_disabled=True)  # Refuses the last administrator.
            self._change(delete(AccountRow).where(AccountRow.id == account_id))
        return ErasedPerson(
            removed_annotations=removed,
            removed_assessments=begun,
            renamed_annotations=moved.annotations,
            renamed_assessments=moved.cases,
            renamed_revisions=moved.revisions,
            accounts=int(bool(account_id)),
        )

    def _extent(
        self,
        traces: Sequence[str],
        sweeps: Sequence[str] = (),
        items: Sequence[str] = (),
        questions: Sequence[str] = (),
        *,
        has_passages: bool = True,
    ) -> ErasureExtent:
        return ErasureExtent(
            traces=tuple(traces),
            sweeps=tuple(sweeps),
            items=tuple(items),
            questions=tuple(questions),
            memberships=self._count(QuestionSetMemberRow.question_id, questions),
            annotations=self._count(AnnotationRow.trace_id, traces),
            assessments=self._count(AssessmentRow.trace_id, traces),
            is_running=self._is_running(traces, sweeps, items),
            passages=tuple(self._passages(traces, questions)) if has_passages else (),
        )

    def _is_running(self, traces: Sequence[str], sweeps: Sequence[str], items: Sequence[str]) -> bool:
        running_runs = select(BenchmarkRunRow.id).where(BenchmarkRunRow.state == RunState.RUNNING)
        return bool(
            self._count(TraceRow.id, traces, TraceRow.state == TraceState.RUNNING)
            or self._count(SweepRow.id, sweeps, SweepRow.state == TraceState.RUNNING)
            or self._count(BenchmarkItemRow.id, items, BenchmarkItemRow.run_id.in_(running_runs))
        )

    def _passages(self, traces: Sequence[str], questions: Sequence[str]) -> Iterator[str]:
        yield from self._values(select(QuestionRow.stem).where(QuestionRow.id.in_(questions)))
        for some in _batched(traces):
            yield from self._values(select(SegmentRow.text).where(_IS_THINKING, SegmentRow.trace_id.in_(some)))

    def _forget_items(self, item_ids: Sequence[str]) -> None:
        """Remove items with their results, and correct what their runs count."""
        for item_id in item_ids:
            item = self._session.scalar(select(BenchmarkItemRow).where(BenchmarkItemRow.id == item_id))
            if item is None:
                continue
            row = BenchmarkRunRow
            counted = update(row).where(row.id == item.run_id)
            self._change(
                counted.values(
                    items=row.items - 1,
                    items_done=row.items_done - int(item.state is ItemState.DONE),
                    items_failed=row.items_failed - int(item.state is ItemState.FAILED),
                )
            )
            self._session.expunge(item)
            self._change(delete(BenchmarkItemRow).where(BenchmarkItemRow.id == item_id))

    def _forget_memberships(self, question_id: str) -> None:
        member, row = QuestionSetMemberRow, QuestionSetRow
        set_ids = self._values(select(member.set_id).where(member.question_id == question_id))
        self._change(delete(member).where(member.question_id == question_id))
        self._change(update(row).where(row.id.in_(set_ids)).values(question_count=row.question_count - 1))

    def _count(self, column: Any, values: Sequence[str], *conditions: ColumnElement[bool]) -> int:
        counts = (select(func.count()).where(column.in_(some), *conditions) for some in _batched(values))
        return sum(self._session.scalar(each, execution_options=_OPTIONS) or 0 for each in counts)

    def _values(self, query: Any) -> list[Any]:
        return list(self._session.scalars(query, execution_options=_OPTIONS))

    def _change(self, statement: Any) -> int:
        result = self._session.execute(statement, execution_options=_OPTIONS)
        return result.rowcount if isinstance(result, CursorResult) else 0


def _batched(values: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """The values in parts that a statement can take."""
    rest = iter(values)
    while some := tuple(islice(rest, _BATCH)):
        yield some
