"""The trash: deletions that hide their rows, bring them back, and after a time remove them.

What people wrote is never a part of a deletion: annotated traces stay, and the sweeps that they are passes of.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, CursorResult, delete, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.annotations.tables import AnnotationRow, AssessmentRow
from storage.annotations.work import HAS_WORK, is_annotated
from storage.base import Discardable
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow, BenchmarkRunRow
from storage.corpora.repository import count_passages_only_in, delete_unused_passages
from storage.corpora.tables import CorpusPassageRow, CorpusRow, CorpusVectorsRow
from storage.errors import InvalidRecord, RecordNotFound, not_found
from storage.fact_tests.tables import FactTestRow
from storage.jobs.tables import JobRow
from storage.question_sets.repository import count_questions_only_in, delete_unused_questions
from storage.question_sets.tables import QuestionSetMemberRow, QuestionSetRow
from storage.questions.repository import utc_now
from storage.questions.tables import QuestionRow
from storage.resamplings.tables import ResamplingRow
from storage.strategies.tables import StrategyRunRow
from storage.studies.tables import StudyRow
from storage.sweeps.tables import SweepRow
from storage.traces.tables import TraceRow
from storage.trash.records import Deletion, Extent, TrashKind
from storage.trash.tables import WITH_TRASH, DeletionRow

_FIELDS = [column.name for column in fields(Deletion)]
_TABLES: dict[TrashKind, Any] = {
    TrashKind.TRACE: TraceRow,
    TrashKind.SWEEP: SweepRow,
    TrashKind.STRATEGY_RUN: StrategyRunRow,
    TrashKind.BENCHMARK_RUN: BenchmarkRunRow,
    TrashKind.QUESTION_SET: QuestionSetRow,
    TrashKind.CORPUS: CorpusRow,
    TrashKind.JOB: JobRow,
    TrashKind.STUDY: StudyRow,
}
_NAMED = (TrashKind.QUESTION_SET, TrashKind.CORPUS, TrashKind.STUDY)
_WITH_PASSES: tuple[Any, ...] = (SweepRow, StrategyRunRow)
_WORDS = {kind: kind.value.replace("_", " ") for kind in TrashKind}
_NAME_CHARACTERS = 160
_WITH_TRASH = {WITH_TRASH: True}


class TrashRepository:
    """The trash of the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def extent(self, kind: TrashKind, subject_id: str) -> Extent:
        """What deleting this would remove and leave; raises RecordNotFound."""
        row = self._row(kind, subject_id)
        if kind is TrashKind.JOB:
            return Extent()
        if kind is TrashKind.STUDY:
            return Extent(strategy_runs=self._count(StrategyRunRow, _is_test_of(subject_id)))
        if kind is TrashKind.CORPUS:
            return Extent(passages=count_passages_only_in(self._session, row.name))
        if kind is TrashKind.QUESTION_SET:
            return Extent(questions=count_questions_only_in(self._session, subject_id))
        traces = _traces_of(kind, subject_id)
        kept = select(TraceRow.id).where(traces, is_annotated())
        results = select(func.count()).where(BenchmarkResultRow.run_id == subject_id)
        annotations = select(func.count()).where(AnnotationRow.trace_id.in_(kept))
        goes = {
            table: self._count(table, _of(table, kind, subject_id), ~_has_annotated_pass(table))
            for table in _with_passes_in(kind)
        }
        return Extent(
            sweeps=goes.get(SweepRow, 0),
            strategy_runs=goes.get(StrategyRunRow, 0)
            + self._count(StrategyRunRow, _is_experiment_on(kind, subject_id)),
            traces=self._count(TraceRow, traces, ~is_annotated()),
            results=self._session.scalar(results) or 0,
            traces_kept=self._count(TraceRow, traces, is_annotated()),
            annotations_kept=self._session.scalar(annotations) or 0,
        )

    def discard(self, kind: TrashKind, subject_id: str, person: str) -> Deletion:
        """Delete something; it can be restored.

        Args:
            kind: what it is.
            subject_id: its id.
            person: who deletes it, as in the audit log.

        Raises:
            RecordNotFound: no such record.
            InvalidRecord: it is annotated, or a pass of a sweep or a strategy.
        """
        row = self._row(kind, subject_id, is_locked=True)
        if kind is TrashKind.TRACE and row.sweep_id is not None:
            raise InvalidRecord("This trace is a pass of a sweep. Delete the sweep instead.")
        if kind is TrashKind.TRACE and row.strategy_run_id is not None:
            raise InvalidRecord("This trace is a pass of a strategy. Delete the strategy run instead.")
        deletion = DeletionRow(
            id=uuid4().hex,
            kind=kind,
            subject_id=subject_id,
            name=self._name_of(row),
            deleted_at=self._now(),
            deleted_by=person,
            is_being_removed=False,
        )
        self._session.add(deletion)
        self._session.flush()
        hidden = [
            self._changed(update(table).where(*parts).values(trash_id=deletion.id))
            for table, parts in _parts_of(kind, row)
        ]
        if not any(hidden):
            raise InvalidRecord(
                f"This {_WORDS[kind]} has annotations, which are not deleted with it, so it is kept with them."
            )
        # A row that stays loaded would be found by its id, without a query.
        self._session.expunge_all()
        return _as_deletion(deletion)

    def all(self) -> Sequence[Deletion]:
        """Everything in the trash, newest first."""
        query = select(DeletionRow).order_by(DeletionRow.deleted_at.desc(), DeletionRow.id)
        return tuple(map(_as_deletion, self._session.scalars(query)))

    def get(self, deletion_id: str) -> Deletion:
        """Return a deletion; raises RecordNotFound."""
        return _as_deletion(self._deletion(deletion_id))

    def restore(self, deletion_id: str) -> Deletion:
        """Undo a deletion.

        Raises:
            RecordNotFound: it is not in the trash any more.
            InvalidRecord: another set, corpus or study has the name by now, or removing it for good has begun.
        """
        row = self._deletion(deletion_id, is_locked=True)
        if row.is_being_removed:
            raise InvalidRecord(
                "This is being removed for good, and part of it is already gone, so it cannot be restored."
            )
        if row.kind in _NAMED and self._count(_TABLES[row.kind], _TABLES[row.kind].name == row.name):
            raise InvalidRecord(
                f"There is now another {_WORDS[row.kind]} named {row.name!r}. Delete that one first, then restore "
                "this one."
            )
        for table in _TABLES.values():
            self._changed(update(table).where(table.trash_id == deletion_id).values(trash_id=None), with_trash=True)
        self._changed(delete(DeletionRow).where(DeletionRow.id == deletion_id))
        self._session.expunge_all()
        return _as_deletion(row)

    def expired(self, oldest: datetime) -> Sequence[Deletion]:
        """Deletions to remove for good: up to that date, and those of which a part is gone already; newest first."""
        is_due = (DeletionRow.deleted_at <= oldest) | DeletionRow.is_being_removed
        query = select(DeletionRow).where(is_due).order_by(DeletionRow.deleted_at.desc(), DeletionRow.id)
        return tuple(map(_as_deletion, self._session.scalars(query)))

    def begin_removal(self, deletion_id: str) -> None:
        """Let nobody restore a deletion any more; raises RecordNotFound."""
        self._begin(deletion_id)

    def purge(self, deletion_id: str, most_rows: int) -> bool:
        """Remove at most `most_rows` records of a deletion for good; False if there may be more, for the next call.

        What was annotated after all comes back instead.
        """
        row = self._begin(deletion_id)
        for table, key, is_part in _purged_in_steps(row):
            # One by one they have many dependent rows; nobody should have to wait for all of them.
            some = self._session.scalars(select(key).where(is_part).limit(most_rows), execution_options=_WITH_TRASH)
            if keys := some.all():
                if table is TraceRow:  # what is left of people who only looked
                    self._changed(
                        delete(AssessmentRow).where(AssessmentRow.trace_id.in_(keys), ~HAS_WORK), with_trash=True
                    )
                self._changed(delete(table).where(is_part, key.in_(keys)), with_trash=True)
                if table is QuestionSetMemberRow:
                    delete_unused_questions(self._session, keys, row.name)
                if table is CorpusPassageRow:
                    delete_unused_passages(self._session, keys)
                return False
        whole_tables: tuple[Any, ...] = (BenchmarkRunRow, QuestionSetRow, CorpusRow, JobRow, StudyRow)
        for whole in whole_tables:
            self._changed(delete(whole).where(whole.trash_id == deletion_id), with_trash=True)
        self._changed(delete(DeletionRow).where(DeletionRow.id == deletion_id))
        return True

    def _begin(self, deletion_id: str) -> DeletionRow:
        row = self._deletion(deletion_id, is_locked=True)
        if not row.is_being_removed:
            row.is_being_removed = True
            self._spare_annotated(deletion_id)
        return row

    def _spare_annotated(self, deletion_id: str) -> None:
        """Take traces out that somebody annotated in the moment of the deletion, and what they are passes of."""
        spared: tuple[tuple[Any, ColumnElement[bool]], ...] = (
            (TraceRow, is_annotated()),
            *((table, _has_annotated_pass(table)) for table in _WITH_PASSES),
        )
        for table, is_spared in spared:
            shown = update(table).where(table.trash_id == deletion_id, is_spared).values(trash_id=None)
            self._changed(shown, with_trash=True)

    def _changed(self, statement: Any, *, with_trash: bool = False) -> int:
        options = {WITH_TRASH: with_trash, "synchronize_session": False}
        result = self._session.execute(statement, execution_options=options)
        return result.rowcount if isinstance(result, CursorResult) else 0

    def _deletion(self, deletion_id: str, *, is_locked: bool = False) -> DeletionRow:
        row = self._session.get(DeletionRow, deletion_id, with_for_update=is_locked) if deletion_id.isalnum() else None
        if row is None:
            raise RecordNotFound("This is no longer in the trash: it was restored or removed for good.")
        return row

    def _row(self, kind: TrashKind, subject_id: str, *, is_locked: bool = False) -> Any:
        """The row; while it is locked, no other transaction can delete the same."""
        table = _TABLES[kind]
        query = select(table).where(table.id == subject_id)
        query = query.with_for_update() if is_locked else query
        row = self._session.scalar(query) if subject_id.isalnum() and subject_id.isascii() else None
        if row is None:
            raise not_found(_WORDS[kind], subject_id)
        return row

    def _name_of(self, row: Any) -> str:
        if hasattr(row, "question_id"):
            stem = self._session.scalar(select(QuestionRow.stem).where(QuestionRow.id == row.question_id)) or ""
            return str(getattr(row, "name", "") or stem)[:_NAME_CHARACTERS]
        return str(row.name)

    def _count(self, table: Any, *conditions: ColumnElement[bool]) -> int:
        return self._session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


def _parts_of(kind: TrashKind, row: Any) -> Sequence[tuple[type[Discardable], tuple[ColumnElement[bool], ...]]]:
    """The tables that a deletion hides rows of, with conditions; dependent ones first."""
    subject_id = row.id
    if kind is TrashKind.CORPUS:  # with all its versions
        return ((CorpusRow, (CorpusRow.name == row.name,)),)
    if kind is TrashKind.STUDY:
        return ((StrategyRunRow, (_is_test_of(subject_id),)), (StudyRow, (StudyRow.id == subject_id,)))
    if kind in (TrashKind.JOB, TrashKind.QUESTION_SET):
        return ((_TABLES[kind], (_TABLES[kind].id == subject_id,)),)
    parts: list[tuple[type[Discardable], tuple[ColumnElement[bool], ...]]] = [
        (StrategyRunRow, (_is_experiment_on(kind, subject_id),)),
        (TraceRow, (_traces_of(kind, subject_id), ~is_annotated())),
    ]
    parts += [(table, (_of(table, kind, subject_id), ~_has_annotated_pass(table))) for table in _with_passes_in(kind)]
    if kind is TrashKind.BENCHMARK_RUN:
        parts.append((BenchmarkRunRow, (BenchmarkRunRow.id == subject_id,)))
    return parts


def _purged_in_steps(deletion: DeletionRow) -> Sequence[tuple[Any, Any, ColumnElement[bool]]]:
    """The tables that a purge empties in steps, in order: table, key, and which rows."""
    own, item, member, place = deletion.subject_id, BenchmarkItemRow, QuestionSetMemberRow, CorpusPassageRow
    corpora = select(CorpusRow.id).where(CorpusRow.trash_id == deletion.id)
    return (
        (TraceRow, TraceRow.id, TraceRow.trash_id == deletion.id),
        *((table, table.id, table.trash_id == deletion.id) for table in _WITH_PASSES),
        (item, item.id, item.run_id == own),
        (member, member.question_id, member.set_id == own),
        (CorpusVectorsRow, CorpusVectorsRow.first_position, CorpusVectorsRow.corpus_id.in_(corpora)),
        (place, place.passage_number, place.corpus_id.in_(corpora)),
    )


def _with_passes_in(kind: TrashKind) -> Sequence[Any]:
    """Tables of what has passes, of which a deletion hides rows."""
    if kind is TrashKind.BENCHMARK_RUN:
        return _WITH_PASSES
    return [table for table in _WITH_PASSES if table is _TABLES[kind]]


def _of(table: Any, kind: TrashKind, subject_id: str) -> ColumnElement[bool]:
    """Which sweeps, or strategy runs, a deletion hides."""
    key: InstrumentedAttribute[str] = table.id
    if kind is TrashKind.BENCHMARK_RUN:
        return key.in_(select(BenchmarkItemRow.id).where(BenchmarkItemRow.run_id == subject_id))
    return key == subject_id


def _traces_of(kind: TrashKind, subject_id: str) -> ColumnElement[bool]:
    if kind is TrashKind.TRACE:
        return TraceRow.id == subject_id
    if kind is TrashKind.BENCHMARK_RUN:
        items = select(BenchmarkItemRow.id).where(BenchmarkItemRow.run_id == subject_id)
        return TraceRow.sweep_id.in_(items) | TraceRow.strategy_run_id.in_(items)
    return _passes_of(_TABLES[kind]) == subject_id


def _is_experiment_on(kind: TrashKind, subject_id: str) -> ColumnElement[bool]:
    """Which runs test a fact on a trace that a deletion hides, or resample a sentence: they go on from it."""
    traces = select(TraceRow.id).where(_traces_of(kind, subject_id), ~is_annotated())
    return or_(
        *(
            StrategyRunRow.id.in_(select(row.run_id).where(row.trace_id.in_(traces)))
            for row in (FactTestRow, ResamplingRow)
        )
    )


def _is_test_of(study_id: str) -> ColumnElement[bool]:
    """Which runs are fact tests that a study made."""
    return StrategyRunRow.id.in_(select(FactTestRow.run_id).where(FactTestRow.study_id == study_id))


def _passes_of(table: Any) -> InstrumentedAttribute[str | None]:
    """The column that says of which sweep, or strategy run, a trace is a pass."""
    return TraceRow.sweep_id if table is SweepRow else TraceRow.strategy_run_id


def _has_annotated_pass(table: Any) -> ColumnElement[bool]:
    return exists().where(_passes_of(table) == table.id, is_annotated())


def _as_deletion(row: DeletionRow) -> Deletion:
    return Deletion(**{name: getattr(row, name) for name in _FIELDS})
