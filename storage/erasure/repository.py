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
from storage.branches.tables import BranchRow
from storage.corpora.facts import forget_facts
from storage.erasure.fact_readers import runs_that_read
from storage.erasure.records import ErasedPerson, ErasureExtent
from storage.errors import not_found
from storage.fact_tests.tables import FactTestRow
from storage.open_verdicts.tables import OpenVerdictRow
from storage.people.accounts import AccountRepository
from storage.people.tables import AccountRow
from storage.probe_batches.tables import ProbeBatchItemRow
from storage.question_sets.tables import QuestionSetMemberRow, QuestionSetRow
from storage.questions.tables import QuestionRow
from storage.resamplings.tables import ResamplingRow
from storage.strategies.tables import StrategyRequestRow, StrategyRunRow
from storage.sweeps.tables import SweepRow
from storage.traces.records import SegmentKind, TraceState
from storage.traces.tables import SegmentRow, TraceRow
from storage.trash.tables import WITH_TRASH, DeletionRow

_BATCH = 500
_OPTIONS = {WITH_TRASH: True, "synchronize_session": False}
_IS_OF_STRATEGY = TraceRow.strategy_run_id.is_not(None)
_IS_THINKING = SegmentRow.kind == SegmentKind.THINK


class ErasureRepository:
    """Erases in the session's database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_trace(self, trace_id: str) -> ErasureExtent:
        """What erasing a trace removes: its branches too, and its sweep if it is the only pass.

        Raises RecordNotFound.

        Branches begin with its thinking. Of a strategy run everything is removed, also of one that took the trace from
        a sweep: what it asked about one pass may quote it.
        """
        sweep_ids = self._values(select(TraceRow.sweep_id).where(TraceRow.id == trace_id))
        if not sweep_ids:
            raise not_found("trace", trace_id)
        taken_by = select(StrategyRequestRow.run_id).where(StrategyRequestRow.trace_id == trace_id)
        runs = self._values(
            select(TraceRow.strategy_run_id).where(TraceRow.id == trace_id, _IS_OF_STRATEGY).union(taken_by)
        )
        passes = dict.fromkeys([trace_id, *self._passes_of(TraceRow.strategy_run_id, runs)])
        passes |= dict.fromkeys(self._branches_of(passes))
        erased, runs = self._with_readers(passes, runs)
        others = exists().where(TraceRow.sweep_id == SweepRow.id, TraceRow.id != trace_id)
        sweeps = self._values(select(SweepRow.id).where(SweepRow.id.in_(filter(None, sweep_ids)), ~others))
        return self._extent(erased, sweeps, strategy_runs=runs)

    def of_question(self, question_id: str) -> ErasureExtent:
        """What erasing a question removes; raises RecordNotFound."""
        if not self._values(select(QuestionRow.id).where(QuestionRow.id == question_id)):
            raise not_found("question", question_id)
        used_by = {
            row: self._values(select(row.id).where(row.question_id == question_id))
            for row in (TraceRow, SweepRow, BenchmarkItemRow, StrategyRunRow)
        }
        passes, runs = self._with_readers(used_by[TraceRow], used_by[StrategyRunRow])
        return self._extent(passes, used_by[SweepRow], used_by[BenchmarkItemRow], [question_id], strategy_runs=runs)

    def older_than(self, moment: datetime, *, with_annotated: bool, limit: int | None = None) -> ErasureExtent:
        """Probes, sweeps and strategy runs from before a moment that have ended; those of benchmarks stay with them.

        Args:
            moment: aware.
            with_annotated: whether to include those that somebody has annotated.
            limit: maximum number of each; None for all.
        """
        is_old_trace = (TraceRow.created_at < moment) & (TraceRow.state != TraceState.RUNNING)
        is_spared = false() if with_annotated else is_annotated()
        probes = self._values(
            select(TraceRow.id)
            .where(is_old_trace, TraceRow.sweep_id.is_(None), ~_IS_OF_STRATEGY, ~is_spared)
            .limit(limit)
        )
        old: dict[Any, list[str]] = {}
        kinds: tuple[tuple[Any, Any], ...] = (
            (SweepRow, TraceRow.sweep_id),
            (StrategyRunRow, TraceRow.strategy_run_id),
        )
        for row, of in kinds:
            has_spared = exists().where(of == row.id, is_spared)
            is_item = exists().where(BenchmarkItemRow.id == row.id)
            is_old = (row.created_at < moment) & (row.state != TraceState.RUNNING)
            old[row] = self._values(select(row.id).where(is_old, ~is_item, ~has_spared).limit(limit))
        passes = [trace_id for row, of in kinds for trace_id in self._passes_of(of, old[row])]
        return self._extent([*probes, *passes], old[SweepRow], strategy_runs=old[StrategyRunRow], has_passages=False)

    def _with_readers(
        self, traces: Iterable[str], runs: Iterable[str], own: Sequence[str] = ()
    ) -> tuple[list[str], list[str]]:
        """Traces and runs, with the runs that have read facts written on these traces, and what these consist of.

        Args:
            traces: whose annotations go with them.
            runs: of strategies.
            own: annotations that go besides.
        """
        passes, known = dict.fromkeys(traces), dict.fromkeys(runs)
        while True:
            of_passes = (
                each
                for some in _batched(passes)
                for each in self._values(select(AnnotationRow.id).where(AnnotationRow.trace_id.in_(some)))
            )
            annotations = list(dict.fromkeys((*own, *of_passes)))
            new = [each for each in runs_that_read(self._session, annotations) if each not in known]
            if not new:
                return list(passes), list(known)
            known |= dict.fromkeys(new)
            passes |= dict.fromkeys(self._passes_of(TraceRow.strategy_run_id, new))
            passes |= dict.fromkeys(self._branches_of(passes))

    def _branches_of(self, traces: Iterable[str]) -> list[str]:
        """Branches of traces, and theirs, without the traces themselves."""
        known = level = {*traces}
        while level:
            level = {*(self._with_parents_in(level))} - known
            known = known | level
        return sorted(known - {*traces})

    def _with_parents_in(self, traces: Iterable[str]) -> Iterator[str]:
        for some in _batched(traces):
            yield from self._values(select(BranchRow.trace_id).where(BranchRow.parent_id.in_(some)))

    def _passes_of(self, column: Any, ids: Sequence[str]) -> list[str]:
        return [
            trace_id for some in _batched(ids) for trace_id in self._values(select(TraceRow.id).where(column.in_(some)))
        ]

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
            self._forget_facts(AnnotationRow.trace_id.in_(some))
            for row in (AnnotationRow, AssessmentRow):
                self._change(delete(row).where(row.trace_id.in_(some)))
            self._change(delete(TraceRow).where(TraceRow.id.in_(some)))
        for some in _batched(extent.sweeps):
            self._change(delete(SweepRow).where(SweepRow.id.in_(some)))
        for some in _batched(extent.strategy_runs):
            self._change(delete(StrategyRunRow).where(StrategyRunRow.id.in_(some)))
        for some in _batched((*extent.traces, *extent.sweeps, *extent.strategy_runs)):
            # The trash names a trace by the beginning of its question.
            self._change(delete(DeletionRow).where(DeletionRow.subject_id.in_(some)))
        for question_id in extent.questions:
            self._forget_memberships(question_id)
            self._change(delete(QuestionRow).where(QuestionRow.id == question_id))

    def _forget_facts(self, is_erased: ColumnElement[bool]) -> None:
        """Remove the passages made of annotations that are about to go."""
        forget_facts(self._session, self._values(select(AnnotationRow.id).where(is_erased)))

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
        users = (TraceRow, SweepRow, StrategyRunRow, BenchmarkItemRow, QuestionSetMemberRow, ProbeBatchItemRow)
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
        removed, begun, read = 0, 0, list[str]()
        if is_removing:
            written = self._values(select(AnnotationRow.id).where(AnnotationRow.annotator == name))
            passes, read = self._with_readers((), (), written)
            self.erase(self._extent(passes, strategy_runs=read, has_passages=False))
            self._forget_facts(AnnotationRow.annotator == name)
            own_facts = select(FactTestRow.run_id).join(AnnotationRow, AnnotationRow.id == FactTestRow.annotation_id)
            self._change(
                delete(StrategyRunRow).where(StrategyRunRow.id.in_(own_facts.where(AnnotationRow.annotator == name)))
            )
            removed = self._change(delete(AnnotationRow).where(AnnotationRow.annotator == name))
            begun = self._change(delete(AssessmentRow).where(AssessmentRow.annotator == name))
            if account_id:
                own = OpenVerdictRow.is_person.is_(True) & (OpenVerdictRow.judged_by == account_id)
                self._change(delete(OpenVerdictRow).where(own))
        moved = NameRepository(self._session).rename(name, pseudonym)
        if account_id:
            AccountRepository(self._session).change(account_id, is_disabled=True)  # Refuses the last administrator.
            self._change(delete(AccountRow).where(AccountRow.id == account_id))
        return ErasedPerson(
            removed_annotations=removed,
            removed_assessments=begun,
            removed_strategy_runs=len(read),
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
        strategy_runs: Sequence[str] = (),
        has_passages: bool = True,
    ) -> ErasureExtent:
        strategy_runs = [*dict.fromkeys((*strategy_runs, *self._experiments_on(traces)))]
        return ErasureExtent(
            traces=tuple(traces),
            sweeps=tuple(sweeps),
            strategy_runs=tuple(strategy_runs),
            items=tuple(items),
            questions=tuple(questions),
            memberships=self._count(QuestionSetMemberRow.question_id, questions),
            annotations=self._count(AnnotationRow.trace_id, traces),
            assessments=self._count(AssessmentRow.trace_id, traces),
            is_running=self._is_running(traces, sweeps, items)
            or bool(self._count(StrategyRunRow.id, strategy_runs, StrategyRunRow.state == TraceState.RUNNING)),
            passages=tuple(self._passages(traces, questions, strategy_runs)) if has_passages else (),
        )

    def _experiments_on(self, traces: Sequence[str]) -> list[str]:
        """Runs that test a fact on these traces, or resample a sentence: they go on from them, and quote them."""
        return [
            found
            for some in _batched(traces)
            for row in (FactTestRow, ResamplingRow)
            for found in self._values(select(row.run_id).where(row.trace_id.in_(some)))
        ]

    def _is_running(self, traces: Sequence[str], sweeps: Sequence[str], items: Sequence[str]) -> bool:
        running_runs = select(BenchmarkRunRow.id).where(BenchmarkRunRow.state == RunState.RUNNING)
        return bool(
            self._count(TraceRow.id, traces, TraceRow.state == TraceState.RUNNING)
            or self._count(SweepRow.id, sweeps, SweepRow.state == TraceState.RUNNING)
            or self._count(BenchmarkItemRow.id, items, BenchmarkItemRow.run_id.in_(running_runs))
        )

    def _passages(self, traces: Sequence[str], questions: Sequence[str], strategy_runs: Sequence[str]) -> Iterator[str]:
        yield from self._values(select(QuestionRow.stem).where(QuestionRow.id.in_(questions)))
        for some in _batched(traces):
            yield from self._values(select(SegmentRow.text).where(_IS_THINKING, SegmentRow.trace_id.in_(some)))
        for some in _batched(strategy_runs):
            request = StrategyRequestRow
            of_run = (request.run_id.in_(some), request.text != "", request.purpose != "answer")
            yield from self._values(select(request.text).where(*of_run))

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
