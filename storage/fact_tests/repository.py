"""Fact tests: stored with their run, read, listed by case, and counted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, contains_eager, load_only, selectinload

from storage.annotations.queue_rows import smallest
from storage.annotations.records import AnnotationState, Part
from storage.annotations.repository import COUNTS, IS_CORRECTION, IS_TAKEN_BACK, is_seen_by
from storage.annotations.tables import AnnotationLabelRow, AnnotationRow
from storage.errors import not_found
from storage.fact_tests.records import FactTest, FactTestSummary, NewFactTest, WaitingFact
from storage.fact_tests.tables import FactTestRow
from storage.questions.tables import QuestionRow
from storage.strategies.tables import StrategyResultRow, StrategyRunRow
from storage.traces.listing import beginning
from storage.traces.records import TraceState
from storage.traces.tables import CheckpointRow, TraceRow

_FIELDS = [column.name for column in fields(FactTest)]
_LISTED = (
    FactTestRow.trace_id,
    FactTestRow.checkpoint_id,
    FactTestRow.annotation_id,
    FactTestRow.study_id,
    FactTestRow.fact,
    FactTestRow.names_target,
    FactTestRow.seeds,
)
_NEWEST = (StrategyRunRow.created_at.desc(), StrategyRunRow.id.desc())
_NEW_FIELDS = [column.name for column in fields(NewFactTest)]


class FactTestRepository:
    """Fact tests in the session's database. Those of runs in the trash are not seen."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, run_id: str, test: NewFactTest) -> None:
        """Store what a run tests.

        Raises:
            InvalidRecord: the fact holds NUL or a lone surrogate.
        """
        self._session.add(FactTestRow(run_id=run_id, **{name: getattr(test, name) for name in _NEW_FIELDS}))
        self._session.flush()

    def get(self, run_id: str) -> FactTest:
        """Return a test; raises RecordNotFound."""
        found = self.find(run_id)
        if found is None:
            raise not_found("fact test", run_id)
        return found

    def find(self, run_id: str) -> FactTest | None:
        """Return a test; None if the run is not one, or is not there."""
        query = select(FactTestRow).join(FactTestRow.run).where(FactTestRow.run_id == run_id)
        row = self._session.scalar(query) if run_id.isalnum() else None
        return FactTest(**{name: getattr(row, name) for name in _FIELDS}) if row else None

    def newest_of(self, annotation_id: str) -> str:
        """Id of the newest test of an annotation, empty if it has none; nobody adds one until the transaction ends."""
        self._session.scalar(select(AnnotationRow.id).where(AnnotationRow.id == annotation_id).with_for_update())
        query = select(FactTestRow.run_id).join(FactTestRow.run).where(FactTestRow.annotation_id == annotation_id)
        return self._session.scalar(query.order_by(*_NEWEST).limit(1)) or ""

    def recent(
        self,
        limit: int,
        *,
        case_id: str = "",
        annotation_id: str = "",
        study_id: str | None = None,
        seen_by: str | None = None,
        is_standing: bool = False,
    ) -> Sequence[FactTestSummary]:
        """Tests, newest first.

        Args:
            limit: maximum number of results.
            case_id: only those of this case; empty for all.
            annotation_id: only those of this annotation; empty for all.
            study_id: only those that this study made; empty for those that people made; None for all.
            seen_by: only those that the double blind lets this annotator see; None for all.
            is_standing: without those whose annotation was withdrawn or rejected since.
        """
        query = select(FactTestRow).join(FactTestRow.run).join(StrategyRunRow.question)
        query = query.options(
            contains_eager(FactTestRow.run).options(
                load_only(StrategyRunRow.created_at, StrategyRunRow.state, StrategyRunRow.model),
                contains_eager(StrategyRunRow.question).load_only(QuestionRow.stem, QuestionRow.tags),
                selectinload(StrategyRunRow.results).load_only(StrategyResultRow.picture),
            )
        )
        query = query.options(load_only(*_LISTED))
        if case_id:
            is_of_trace = (FactTestRow.trace_id == case_id) & FactTestRow.checkpoint_id.is_(None)
            query = query.where((FactTestRow.checkpoint_id == case_id) | is_of_trace)
        if annotation_id:
            query = query.where(FactTestRow.annotation_id == annotation_id)
        if study_id is not None:
            query = query.where(FactTestRow.study_id == study_id if study_id else FactTestRow.study_id.is_(None))
        if seen_by is not None:
            is_submitted = AnnotationRow.state != AnnotationState.DRAFT
            is_seen = (AnnotationRow.annotator == seen_by) | (is_submitted & is_seen_by(seen_by))
            seen = exists().where(AnnotationRow.id == FactTestRow.annotation_id, is_seen)
            query = query.where(FactTestRow.annotation_id.is_(None) | seen)
        if is_standing:
            query = query.where(~exists().where(AnnotationRow.id == FactTestRow.annotation_id, IS_TAKEN_BACK))
        rows = self._session.scalars(query.order_by(*_NEWEST).limit(max(1, limit))).all()
        labels = self._labels({row.annotation_id for row in rows if row.annotation_id})
        budgets = self._budgets(rows)
        return tuple(
            _summary(row, labels.get(row.annotation_id or "", ()), budgets[row.checkpoint_id or row.trace_id])
            for row in rows
        )

    def waiting(self, limit: int, most_characters: int, *, label: str = "", model: str = "") -> Sequence[WaitingFact]:
        """Corrected facts that can be tested and have not been, in the order they were written.

        Those are of submitted annotations that were not rejected, on a stretch of the thinking of a wrong answer that
        was given here.

        Args:
            limit: maximum number of results.
            most_characters: of a fact that can be tested.
            label: only those of annotations with this label; empty for all.
            model: only those on answers of this model; empty for all.
        """
        tested = (
            select(FactTestRow.run_id)
            .join(FactTestRow.run)
            .where(FactTestRow.annotation_id == AnnotationRow.id, StrategyRunRow.state == TraceState.COMPLETED)
            .exists()
        )
        query = (
            select(AnnotationRow, QuestionRow.stem)
            .join(TraceRow, TraceRow.id == AnnotationRow.trace_id)
            .join(QuestionRow, QuestionRow.id == TraceRow.question_id)
            .where(IS_CORRECTION, AnnotationRow.part == Part.THINKING, AnnotationRow.start.is_not(None))
            .where(AnnotationRow.is_correct.is_(False), ~tested)
            # Imported traces have no prompt.
            .where(TraceRow.prompt_text != "", func.length(AnnotationRow.corrected_fact) <= most_characters)
        )
        if label:
            has_label = AnnotationLabelRow.annotation_id == AnnotationRow.id
            query = query.where(exists().where(has_label, AnnotationLabelRow.label == label))
        if model:
            query = query.where(AnnotationRow.model == model)
        oldest = query.order_by(AnnotationRow.created_at, AnnotationRow.id).limit(max(1, limit))
        return tuple(
            WaitingFact(
                annotation_id=row.id,
                case_id=row.case_id,
                model=row.model,
                labels=tuple(row.labels),
                stem=beginning(stem),
                fact=row.corrected_fact,
            )
            for row, stem in self._session.execute(oldest)
        )

    def is_study_testing(self, study_id: str) -> bool:
        """Whether a test that a study made is running."""
        query = select(FactTestRow.run_id).join(FactTestRow.run).where(FactTestRow.study_id == study_id)
        return self._session.scalar(query.where(StrategyRunRow.state == TraceState.RUNNING).limit(1)) is not None

    def _budgets(self, rows: Collection[FactTestRow]) -> Mapping[str, int]:
        """The thinking budget of each case."""
        traces = select(TraceRow.id, TraceRow.thinking_budget_tokens).where(
            TraceRow.id.in_({row.trace_id for row in rows})
        )
        found = {row.id: row.thinking_budget_tokens for row in self._session.execute(traces)}
        cuts = select(CheckpointRow.id, CheckpointRow.trace_id, CheckpointRow.cells).where(
            CheckpointRow.id.in_({row.checkpoint_id for row in rows if row.checkpoint_id})
        )
        for id_, trace_id, cells in self._session.execute(cuts):
            budget, _ = smallest(cells) or (found[trace_id], 0)
            found[id_] = budget
        return found

    def _labels(self, annotation_ids: set[str]) -> dict[str, tuple[str, ...]]:
        """Labels of annotations that count: drafts, and what was withdrawn or rejected, do not."""
        query = select(AnnotationRow).where(AnnotationRow.id.in_(annotation_ids), COUNTS)
        return {row.id: tuple(row.labels) for row in self._session.scalars(query)}


def _summary(row: FactTestRow, labels: tuple[str, ...], budget: int) -> FactTestSummary:
    run = row.run
    picture = run.results[0].picture if run.results else {}
    return FactTestSummary(
        run_id=row.run_id,
        created_at=run.created_at,
        state=run.state,
        model=run.model,
        trace_id=row.trace_id,
        case_id=row.checkpoint_id or row.trace_id,
        annotation_id=row.annotation_id,
        study_id=row.study_id,
        labels=labels,
        tags=tuple(run.question.tags),
        thinking_budget_tokens=budget,
        stem=beginning(run.question.stem),
        fact=row.fact,
        names_target=row.names_target,
        seeds=row.seeds,
        verdict=picture.get("verdict", {}),
    )
