"""Runs of strategies: started, saved while they run, closed, resumed, and read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import CursorResult, insert, select, update
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload

from storage.benchmarks.tables import BenchmarkItemRow
from storage.errors import RecordNotFound, not_found
from storage.fact_tests.tables import FactTestRow
from storage.questions.repository import as_question, utc_now
from storage.questions.tables import QuestionRow
from storage.resamplings.tables import ResamplingRow
from storage.search import question_matches
from storage.strategies.records import (
    NewStrategyRun,
    StrategyRequest,
    StrategyResult,
    StrategyRun,
    StrategyRunState,
    StrategyRunSummary,
)
from storage.strategies.tables import StrategyRequestRow, StrategyResultRow, StrategyRunRow
from storage.traces.listing import beginning
from storage.traces.records import TraceState

_NEW_FIELDS = [column.name for column in fields(NewStrategyRun)]
_RUN_FIELDS = [column.name for column in fields(StrategyRun) if column.name not in ("question", "results")]
_RESULT_FIELDS = [column.name for column in fields(StrategyResult)]
_REQUEST_FIELDS = [column.name for column in fields(StrategyRequest)]


class StrategyRepository:
    """Runs of strategies in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, run: NewStrategyRun, run_id: str = "") -> StrategyRun:
        """Start a run: all its strategies are running, without requests.

        Args:
            run: the new run.
            run_id: 32 hexadecimal digits; empty generates one.

        Raises:
            RecordNotFound: its question is not stored.
        """
        asked = self._session.get(QuestionRow, run.question_id) if run.question_id.isalnum() else None
        if asked is None:
            raise RecordNotFound(f"Question {run.question_id[:40]!r} not found. Save the question before its run.")
        moment = self._now()
        row = StrategyRunRow(
            **{name: getattr(run, name) for name in _NEW_FIELDS},
            **asdict(StrategyRunState(state=TraceState.RUNNING)),
            id=run_id or uuid4().hex,
            created_at=moment,
            updated_at=moment,
            question=asked,
            results=[],
        )
        self._session.add(row)
        self._session.flush()
        results = [StrategyResult(choice=choice, state=TraceState.RUNNING) for choice in run.choices]
        self._session.execute(
            insert(StrategyResultRow),
            [_values(each) | {"run_id": row.id, "position": place} for place, each in enumerate(results)],
        )
        return self.get(row.id)

    def save(self, run_id: str, state: StrategyRunState, owner: str) -> None:
        """Update the run's state and heartbeat.

        Raises:
            RecordNotFound: no such run.
        """
        values = asdict(state) | {"updated_at": self._now(), "owner": owner}
        changed = update(StrategyRunRow).where(StrategyRunRow.id == run_id).values(values)
        result = self._session.execute(changed.execution_options(synchronize_session=False))
        if not isinstance(result, CursorResult) or result.rowcount != 1:
            raise not_found("strategy run", run_id)

    def reopen(self, run_id: str, seen: TraceState) -> bool:
        """Have an ended run go on; False if it is no longer in the state that was seen.

        Of several that try, one succeeds, also if it has ended again before the others try.
        """
        row = StrategyRunRow
        has_ended = (row.id == run_id) & (row.state == seen) & (row.state != TraceState.RUNNING)
        changed = update(StrategyRunRow).where(has_ended).values(state=TraceState.RUNNING)
        result = self._session.execute(changed.execution_options(synchronize_session=False))
        return isinstance(result, CursorResult) and result.rowcount == 1

    def save_results(self, run_id: str, results: Mapping[int, StrategyResult]) -> None:
        """Write results by their position."""
        if results:
            rows = [_values(each) | {"run_id": run_id, "position": place} for place, each in results.items()]
            self._session.execute(update(StrategyResultRow), rows)

    def save_requests(self, run_id: str, requests: Mapping[int, Sequence[StrategyRequest]]) -> None:
        """Write requests by the position of their result; those that are stored already are replaced."""
        known = select(StrategyRequestRow.result_position, StrategyRequestRow.position)
        stored = {
            (each[0], each[1]) for each in self._session.execute(known.where(StrategyRequestRow.run_id == run_id))
        }
        rows = [
            _values(each) | {"run_id": run_id, "result_position": place}
            for place, several in requests.items()
            for each in several
        ]
        new = [row for row in rows if (row["result_position"], row["position"]) not in stored]
        old = [row for row in rows if (row["result_position"], row["position"]) in stored]
        if new:
            self._session.execute(insert(StrategyRequestRow), new)
        if old:
            self._session.execute(update(StrategyRequestRow), old)

    def get(self, run_id: str) -> StrategyRun:
        """Return a run with its results.

        Raises:
            RecordNotFound: no record has that id.
        """
        query = select(StrategyRunRow).where(StrategyRunRow.id == run_id).execution_options(populate_existing=True)
        loaded = query.options(joinedload(StrategyRunRow.question), selectinload(StrategyRunRow.results))
        row = self._session.scalar(loaded) if run_id.isalnum() else None
        if row is None:
            raise not_found("strategy run", run_id)
        return _as_run(row)

    def requests(self, run_id: str) -> Sequence[Sequence[StrategyRequest]]:
        """Return the requests of each result, in order."""
        row = StrategyRequestRow
        query = select(row).where(row.run_id == run_id).order_by(row.result_position, row.position)
        found: list[list[StrategyRequest]] = [[] for _ in self.get(run_id).choices]
        for each in self._session.scalars(query.execution_options(populate_existing=True)):
            found[each.result_position].append(
                StrategyRequest(**{name: getattr(each, name) for name in _REQUEST_FIELDS})
            )
        return found

    def asked_by(self, run_id: str) -> str:
        """Id of the account that asked, empty without one; raises RecordNotFound."""
        query = select(StrategyRunRow.asked_by).where(StrategyRunRow.id == run_id)
        found = self._session.scalar(query) if run_id.isalnum() else None
        if found is None:
            raise not_found("strategy run", run_id)
        return found

    def is_of_benchmark(self, run_id: str) -> bool:
        """Whether a run belongs to a benchmark run."""
        item = select(BenchmarkItemRow.id).where(BenchmarkItemRow.id == run_id)
        return self._session.scalar(item) is not None

    def recent(
        self, limit: int = 25, text: str = "", *, is_running: bool | None = None
    ) -> Sequence[StrategyRunSummary]:
        """Runs started by people, newest first; those of benchmark runs, fact tests and resamplings are left out.

        Args:
            limit: maximum number of results.
            text: words to find in the question, the last one as a prefix; blank matches everything.
            is_running: True: only those that run; False: only those that have ended.
        """
        of_run = select(BenchmarkItemRow.id).where(BenchmarkItemRow.id == StrategyRunRow.id).exists()
        of_test = select(FactTestRow.run_id).where(FactTestRow.run_id == StrategyRunRow.id).exists()
        resamples = select(ResamplingRow.run_id).where(ResamplingRow.run_id == StrategyRunRow.id).exists()
        query = select(StrategyRunRow).join(StrategyRunRow.question).where(~of_run, ~of_test, ~resamples)
        query = query.options(contains_eager(StrategyRunRow.question), selectinload(StrategyRunRow.results))
        if text.strip():
            query = query.where(question_matches(self._session, text))
        if is_running is not None:
            has_ended = StrategyRunRow.state != TraceState.RUNNING
            query = query.where(~has_ended if is_running else has_ended)
        newest = query.order_by(StrategyRunRow.created_at.desc(), StrategyRunRow.id.desc()).limit(max(1, limit))
        return tuple(_summary(row) for row in self._session.scalars(newest))

    def mark_interrupted(self, is_owner_alive: Callable[[str], bool], stale_after_seconds: float) -> int:
        """Mark running runs whose process is gone; what they have is kept and they can be resumed.

        Args:
            is_owner_alive: whether an owner's process ("host:pid") is still running.
            stale_after_seconds: a run with an older heartbeat is marked whoever owns it.

        Returns:
            Number of runs marked.
        """
        oldest = self._now() - timedelta(seconds=stale_after_seconds)
        is_running = StrategyRunRow.state == TraceState.RUNNING
        running = self._session.scalars(
            select(StrategyRunRow).where(is_running).options(selectinload(StrategyRunRow.results))
        ).all()
        abandoned = [row for row in running if row.updated_at < oldest or not is_owner_alive(row.owner)]
        for row in abandoned:
            row.state = TraceState.INTERRUPTED
            for each in row.results:
                if each.state is TraceState.RUNNING:
                    each.state = TraceState.INTERRUPTED
        return len(abandoned)


def _values(record: StrategyResult | StrategyRequest) -> dict[str, Any]:
    given = {column.name: getattr(record, column.name) for column in fields(record)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in given.items()}


def _as_run(row: StrategyRunRow) -> StrategyRun:
    values = {name: getattr(row, name) for name in _RUN_FIELDS}
    results = tuple(StrategyResult(**{name: getattr(each, name) for name in _RESULT_FIELDS}) for each in row.results)
    return StrategyRun(**values, question=as_question(row.question), results=results)


def _summary(row: StrategyRunRow) -> StrategyRunSummary:
    return StrategyRunSummary(
        id=row.id,
        created_at=row.created_at,
        stem=beginning(row.question.stem),
        target=row.question.target,
        choices=row.choices,
        letters=tuple(each.letter for each in row.results),
        verdicts=tuple(each.is_correct for each in row.results),
        model=row.model,
        budget_tokens=row.budget_tokens,
        state=row.state,
        generated=sum(each.generated for each in row.results),
        owner=row.owner,
        updated_at=row.updated_at,
        asked_by=row.asked_by,
    )
