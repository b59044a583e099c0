"""The items of a run with everything they came to, a stretch at a time: for whoever reads a whole run."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.benchmarks.records import BenchmarkItem, BenchmarkResult, BenchmarkStrategyResult
from storage.benchmarks.repository import as_item
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow, BenchmarkRunRow, BenchmarkStrategyResultRow
from storage.errors import not_found

_RESULT = [column.name for column in fields(BenchmarkResult)]
_STRATEGY = [column.name for column in fields(BenchmarkStrategyResult)]


def items_at(session: Session, run_id: str, positions: range) -> tuple[BenchmarkItem, ...]:
    """Items of a run at these positions, in order.

    Raises:
        RecordNotFound: no such run.
    """
    run = session.get(BenchmarkRunRow, run_id) if run_id.isalnum() else None
    if run is None:
        raise not_found("benchmark run", run_id)
    item = BenchmarkItemRow
    query = select(item).where(item.run_id == run_id, item.position >= positions.start, item.position < positions.stop)
    return tuple(as_item(row, run) for row in session.scalars(query.order_by(item.position)))


def items_of(session: Session, item_ids: Sequence[str]) -> Mapping[str, BenchmarkItem]:
    """Items by id, of any runs; unknown ids are left out."""
    item, run = BenchmarkItemRow, BenchmarkRunRow
    query = select(item, run).join(run, run.id == item.run_id).where(item.id.in_(item_ids))
    return {row.id: as_item(row, of_run) for row, of_run in session.execute(query)}


def results_of_items(session: Session, item_ids: Sequence[str]) -> Mapping[str, Sequence[BenchmarkResult]]:
    """Results by item, by pass, rounds and budget; items without any are left out."""
    row = BenchmarkResultRow
    query = select(row).where(row.item_id.in_(item_ids)).order_by(row.pass_number, row.force_rounds, row.budget_tokens)
    return _by_item(
        BenchmarkResult(**{name: getattr(each, name) for name in _RESULT}) for each in session.scalars(query)
    )


def strategies_of_items(session: Session, item_ids: Sequence[str]) -> Mapping[str, Sequence[BenchmarkStrategyResult]]:
    """Results of strategies by item; items without any are left out."""
    row = BenchmarkStrategyResultRow
    query = select(row).where(row.item_id.in_(item_ids)).order_by(row.choice)
    return _by_item(
        BenchmarkStrategyResult(**{name: getattr(each, name) for name in _STRATEGY}) for each in session.scalars(query)
    )


def _by_item(found: Any) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {}
    for each in found:
        made.setdefault(each.item_id, []).append(each)
    return made
