"""Benchmark runs and their items: planned, claimed, asked, finished. `results` queries their results."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import uuid4

from sqlalchemy import CursorResult, Select, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from storage.benchmarks.records import (
    BenchmarkItem,
    BenchmarkResult,
    BenchmarkRun,
    BenchmarkStrategyResult,
    ItemState,
    NewBenchmarkRun,
    RunState,
)
from storage.benchmarks.tables import (
    BenchmarkItemRow,
    BenchmarkResultRow,
    BenchmarkRunRow,
    BenchmarkStrategyResultRow,
)
from storage.errors import not_found
from storage.questions.repository import utc_now
from storage.search import entry_numbers
from storage.sweeps.tables import SweepRow

_NEW_FIELDS = [column.name for column in fields(NewBenchmarkRun)]
_FIELDS = [column.name for column in fields(BenchmarkRun)]
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One question to ask one model."""

    set_number: int
    """Position of its set in the run's `question_sets`."""
    model_number: int
    """Position of its model in the run's `models`."""
    question_id: str


class BenchmarkRepository:
    """Runs in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, run: NewBenchmarkRun, items: Iterable[PlannedItem]) -> BenchmarkRun:
        """Store a planned run, with its items in this order."""
        moment = self._now()
        values: dict[str, Any] = {name: getattr(run, name) for name in _NEW_FIELDS}
        row = BenchmarkRunRow(
            **values,
            id=uuid4().hex,
            created_at=moment,
            updated_at=moment,
            state=RunState.WAITING,
            error="",
            owner="",
            tags=(),
            is_archived=False,
            items=0,
            items_done=0,
            items_failed=0,
            tokens_generated=0,
            tokens_if_separate=0,
            seconds=0.0,
        )
        self._session.add(row)
        self._session.flush()
        add_items(self._session, row, items)
        return as_run(row)

    def extend(self, run_id: str, limit: int, items: Iterable[PlannedItem]) -> BenchmarkRun:
        """Add items after those of a run, which then waits to be gone on with; nothing changes without items.

        Args:
            run_id: a run that is not running.
            limit: its most questions per set from now on.
            items: questions that it has not asked.

        Raises:
            RecordNotFound: no record has that id.
        """
        row = self._row(run_id)
        before = row.items
        add_items(self._session, row, items)
        if row.items > before:
            row.limit, row.state, row.updated_at = limit, RunState.WAITING, self._now()
            self._session.flush()
        return as_run(row)

    def get(self, run_id: str) -> BenchmarkRun:
        """Return the run with this id.

        Raises:
            RecordNotFound: no record has that id.
        """
        return as_run(self._row(run_id))

    def recent(self, limit: int = 200, text: str = "", *, with_archived: bool = False) -> Sequence[BenchmarkRun]:
        """Runs, newest first.

        Args:
            limit: maximum number of results.
            text: part of the name, ignoring case; blank matches everything.
            with_archived: include archived runs.
        """
        query = select(BenchmarkRunRow).order_by(BenchmarkRunRow.created_at.desc(), BenchmarkRunRow.id.desc())
        if not with_archived:
            query = query.where(BenchmarkRunRow.is_archived.is_(False))
        if text.strip():
            query = query.where(func.lower(BenchmarkRunRow.name).contains(text.strip().lower(), autoescape=True))
        return tuple(as_run(row) for row in self._session.scalars(query.limit(max(1, limit))))

    def describe(
        self,
        run_id: str,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        is_archived: bool | None = None,
    ) -> BenchmarkRun:
        """Change a run's name, tags or archived flag; None leaves it unchanged. Raises RecordNotFound."""
        row = self._row(run_id)
        row.name = row.name if name is None else name
        row.tags = row.tags if tags is None else tuple(dict.fromkeys(tags))
        row.is_archived = row.is_archived if is_archived is None else is_archived
        self._session.flush()
        return as_run(row)

    def note_speculation(self, run_id: str, speculation: str | None) -> None:
        """Say how the run's engine guesses tokens as it begins or goes on; what it did before may make it unknown.

        Raises:
            RecordNotFound: no record has that id.
        """
        row = self._row(run_id)
        is_new = row.items_done + row.items_failed == 0
        row.speculation = speculation if is_new or row.speculation == speculation else None
        self._session.flush()

    def claim(self, run_id: str, owner: str, is_alive: Callable[[str, datetime], bool]) -> bool:
        """Take ownership of a run and mark it running; False if another live process runs it.

        Args:
            is_alive: whether an owner's process is still alive, given its name and last heartbeat.

        Raises:
            RecordNotFound: no record has that id.
        """
        row = self._row(run_id)
        is_taken = row.state is RunState.RUNNING and row.owner != owner
        if is_taken and is_alive(row.owner, row.updated_at):
            return False
        moment = self._now()
        # Of two simultaneous claims, only one finds the row unchanged.
        claimed = update(BenchmarkRunRow).where(
            BenchmarkRunRow.id == run_id, BenchmarkRunRow.owner == row.owner, BenchmarkRunRow.state == row.state
        )
        values = {"owner": owner, "state": RunState.RUNNING, "updated_at": moment, "error": ""}
        return self._changed(claimed.values(values)) == 1

    def heartbeat(self, run_id: str, owner: str, seconds: float) -> bool:
        """Record that the run is alive after `seconds` in total; False if it was deleted or has another owner now."""
        # A run marked interrupted after a long silence turns out to be alive.
        is_open = BenchmarkRunRow.state.in_((RunState.RUNNING, RunState.INTERRUPTED))
        kept = update(BenchmarkRunRow).where(BenchmarkRunRow.id == run_id, BenchmarkRunRow.owner == owner, is_open)
        values = {"updated_at": self._now(), "seconds": seconds, "state": RunState.RUNNING}
        return self._changed(kept.values(values)) == 1

    def end(self, run_id: str, owner: str, state: RunState, error: str, seconds: float) -> None:
        """Record how the run ended, unless it has another owner by now."""
        kept = update(BenchmarkRunRow).where(BenchmarkRunRow.id == run_id, BenchmarkRunRow.owner == owner)
        self._changed(kept.values(state=state, error=error, seconds=seconds, updated_at=self._now()))

    def mark_interrupted(self, is_alive: Callable[[str, datetime], bool]) -> int:
        """Mark running runs whose process is gone; return their number."""
        running = select(BenchmarkRunRow).where(BenchmarkRunRow.state == RunState.RUNNING)
        gone = [row for row in self._session.scalars(running) if not is_alive(row.owner, row.updated_at)]
        for row in gone:
            row.state = RunState.INTERRUPTED
        self._session.flush()
        return len(gone)

    def reopen_failed(self, run_id: str) -> int:
        """Queue failed items again and drop their results; return their number.

        Their tokens are subtracted from the run's counts: what is resumed reports them again when it finishes.
        """
        failed = select(BenchmarkItemRow.id).where(
            BenchmarkItemRow.run_id == run_id, BenchmarkItemRow.state == ItemState.FAILED
        )
        spent = select(
            func.coalesce(func.sum(SweepRow.tokens_generated), 0),
            func.coalesce(func.sum(SweepRow.tokens_if_separate), 0),
        )
        generated, separate = self._session.execute(spent.where(SweepRow.id.in_(failed))).one()
        asked, whole = self._session.execute(_spent_on_strategies(failed)).one()
        for results in (BenchmarkResultRow, BenchmarkStrategyResultRow):
            self._changed(delete(results).where(results.item_id.in_(failed)))
        reopened = update(BenchmarkItemRow).where(
            BenchmarkItemRow.run_id == run_id, BenchmarkItemRow.state == ItemState.FAILED
        )
        count = self._changed(reopened.values(state=ItemState.WAITING, attempts=0, error=""))
        if count:
            run = update(BenchmarkRunRow).where(BenchmarkRunRow.id == run_id)
            self._changed(
                run.values(
                    items_failed=0,
                    tokens_generated=BenchmarkRunRow.tokens_generated - generated - asked,
                    tokens_if_separate=BenchmarkRunRow.tokens_if_separate - separate - whole,
                )
            )
        return count

    def waiting(self, run_id: str, after: int = -1, limit: int = 256) -> Sequence[BenchmarkItem]:
        """Items not yet asked, in order, starting after position `after`."""
        run = self._row(run_id)
        query = (
            select(BenchmarkItemRow)
            .where(
                BenchmarkItemRow.run_id == run_id,
                BenchmarkItemRow.state == ItemState.WAITING,
                BenchmarkItemRow.position > after,
            )
            .order_by(BenchmarkItemRow.position)
        )
        return tuple(as_item(row, run) for row in self._session.scalars(query.limit(limit)))

    def finish(
        self,
        item_id: str,
        state: ItemState,
        results: Sequence[BenchmarkResult],
        strategies: Sequence[BenchmarkStrategyResult] = (),
        *,
        tokens_generated: int,
        tokens_if_separate: int,
        attempts: int,
        error: str = "",
    ) -> bool:
        """Store an item's results once; False if it was already finished or has been deleted.

        Args:
            state: done or failed.
            results: one per cell and pass; for an unanswered cell, one without a letter.
            strategies: one for each of the run's strategies.
            tokens_generated: all tokens that were generated for it.
            tokens_if_separate: what separate runs of its cells and strategies would have generated.
        """
        has_run = exists().where(BenchmarkRunRow.id == BenchmarkItemRow.run_id)
        open_item = update(BenchmarkItemRow).where(
            BenchmarkItemRow.id == item_id, BenchmarkItemRow.state == ItemState.WAITING, has_run
        )
        if self._changed(open_item.values(state=state, attempts=attempts, error=error)) != 1:
            return False
        item = self._session.get(BenchmarkItemRow, item_id, populate_existing=True)
        if item is None:
            return False
        if results:
            self._session.execute(insert(BenchmarkResultRow), [_result_values(each, item) for each in results])
        if strategies:
            rows = [asdict(each) | _place_of(item) for each in strategies]
            self._session.execute(insert(BenchmarkStrategyResultRow), rows)
        run = update(BenchmarkRunRow).where(BenchmarkRunRow.id == item.run_id)
        self._changed(
            run.values(
                items_done=BenchmarkRunRow.items_done + int(state is ItemState.DONE),
                items_failed=BenchmarkRunRow.items_failed + int(state is ItemState.FAILED),
                tokens_generated=BenchmarkRunRow.tokens_generated + tokens_generated,
                tokens_if_separate=BenchmarkRunRow.tokens_if_separate + tokens_if_separate,
            )
        )
        return True

    def forget(self, run_id: str) -> None:
        """Remove a run that has never been started. Raises RecordNotFound."""
        self._row(run_id)
        self._changed(delete(BenchmarkRunRow).where(BenchmarkRunRow.id == run_id))

    def tokens_per_second(self, models: Sequence[str]) -> float | None:
        """Rate of the newest run of exactly these models that has run long enough; None if there is none."""
        query = (
            select(BenchmarkRunRow)
            .where(BenchmarkRunRow.seconds > 1.0, BenchmarkRunRow.tokens_generated > 0)
            .order_by(BenchmarkRunRow.created_at.desc())
            .limit(50)
        )
        wanted = set(models)
        for row in self._session.scalars(query):
            if set(row.models) == wanted:
                return row.tokens_generated / row.seconds
        return None

    def _row(self, run_id: str) -> BenchmarkRunRow:
        row = self._session.get(BenchmarkRunRow, run_id) if run_id.isalnum() else None
        if row is None:
            raise not_found("benchmark run", run_id)
        return row

    def _changed(self, statement: Any) -> int:
        result = self._session.execute(statement, execution_options={"synchronize_session": False})
        return result.rowcount if isinstance(result, CursorResult) else 0


def add_items(
    session: Session, row: BenchmarkRunRow, items: Iterable[PlannedItem], state: ItemState = ItemState.WAITING
) -> None:
    """Store items of a run, after those that it has."""
    numbered = enumerate(items, start=row.items)
    while some := list(islice(numbered, _AT_ONCE)):
        numbers = entry_numbers(session, {item.question_id for _, item in some})
        planned = [_item_values(row.id, position, item, numbers) | {"state": state} for position, item in some]
        session.execute(insert(BenchmarkItemRow), planned)
        row.items += len(some)
    session.flush()


def as_run(row: BenchmarkRunRow) -> BenchmarkRun:
    """Convert a row to its record."""
    return BenchmarkRun(**{name: getattr(row, name) for name in _FIELDS})


def _item_values(run_id: str, position: int, item: PlannedItem, numbers: Mapping[str, int]) -> dict[str, Any]:
    return asdict(item) | {
        "id": uuid4().hex,
        "run_id": run_id,
        "position": position,
        # A missing question has no number; the foreign key rejects it.
        "question_number": numbers.get(item.question_id, 0),
        "state": ItemState.WAITING,
        "attempts": 0,
        "error": "",
    }


def as_item(row: BenchmarkItemRow, run: BenchmarkRunRow) -> BenchmarkItem:
    """Convert a row to its record."""
    return BenchmarkItem(
        id=row.id,
        run_id=row.run_id,
        position=row.position,
        question_set=run.question_sets[row.set_number],
        model=run.models[row.model_number],
        question_id=row.question_id,
        state=row.state,
        attempts=row.attempts,
        error=row.error,
    )


def _spent_on_strategies(items: Select[str]) -> Select[int, int]:
    """Tokens that were asked for the strategies of items, and all that these cost."""
    row = BenchmarkStrategyResultRow
    query = select(func.coalesce(func.sum(row.generated - row.shared), 0), func.coalesce(func.sum(row.generated), 0))
    return query.where(row.item_id.in_(items))


def _place_of(item: BenchmarkItemRow) -> dict[str, Any]:
    return {"run_id": item.run_id, "set_number": item.set_number, "model_number": item.model_number}


def _result_values(result: BenchmarkResult, item: BenchmarkItemRow) -> dict[str, Any]:
    return (
        asdict(result)
        | _place_of(item)
        | {
            "is_answered": result.letter is not None,
            "m1_is_answered": result.m1_letter is not None,
        }
    )
