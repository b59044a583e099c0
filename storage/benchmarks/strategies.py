"""What the strategies of a run came to, by question."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.benchmarks.records import BenchmarkStrategyResult
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkStrategyResultRow
from storage.questions.tables import QuestionRow

_FIELDS = [column.name for column in fields(BenchmarkStrategyResult)]


@dataclass(frozen=True, slots=True)
class StrategyResults:
    """The results of a run's strategies, for one model."""

    choices: tuple[str, ...]
    """The run's strategies, in its order."""
    results: tuple[BenchmarkStrategyResult, ...]
    """In the order of the questions, and of the strategies for each."""


def strategy_results(session: Session, run_id: str, model: str, question_set: str = "") -> StrategyResults:
    """Read the results of a run's strategies.

    Args:
        session: the database.
        run_id: the run.
        model: one of its models; an unknown one has no results.
        question_set: one of its sets; empty takes all.

    Raises:
        RecordNotFound: there is no such run.
    """
    run = BenchmarkRepository(session).get(run_id)
    row, item = BenchmarkStrategyResultRow, BenchmarkItemRow
    query = select(row).join(item, item.id == row.item_id).where(row.run_id == run_id)
    query = query.where(row.model_number == _place(model, run.models))
    if question_set:
        query = query.where(row.set_number == _place(question_set, run.question_sets))
    found = [_as_result(each) for each in session.scalars(query.order_by(item.position))]
    found.sort(key=lambda each: _place(each.choice, run.strategies))
    order = {each.item_id: place for place, each in reversed(list(enumerate(found)))}
    found.sort(key=lambda each: order[each.item_id])
    return StrategyResults(run.strategies, tuple(found))


def strategy_rows(session: Session, run_id: str, positions: range) -> list[dict[str, Any]]:
    """Results with their questions, in order, for export; those of the items at `positions`.

    Raises:
        RecordNotFound: there is no such run.
    """
    run = BenchmarkRepository(session).get(run_id)
    row, item = BenchmarkStrategyResultRow, BenchmarkItemRow
    query = (
        select(row, item, QuestionRow.stem, QuestionRow.target)
        .select_from(item)
        .join(row, row.item_id == item.id)
        .join(QuestionRow, QuestionRow.id == item.question_id)
        .where(item.run_id == run_id, item.position >= positions.start, item.position < positions.stop)
        .order_by(item.position)
    )
    found = [
        {
            "run_id": run.id,
            "run": run.name,
            "question_set": run.question_sets[of.set_number],
            "model": run.models[of.model_number],
            "position": of.position,
            "question_id": of.question_id,
            "question": stem,
            "target": target,
            "strategy": result.choice,
            "source": "from the pool" if result.is_from_pool else "measured",
            "letter": result.letter,
            "is_correct": result.is_correct,
            "generated": result.generated,
            "shared": result.shared,
            "injected": result.injected,
            "prompt_new": result.prompt_new,
            "prompt_cached": result.prompt_cached,
            "wasted": result.wasted,
            "seconds": result.seconds,
            "error": result.error,
        }
        for result, of, stem, target in session.execute(query)
    ]
    return sorted(found, key=lambda each: (each["position"], _place(each["strategy"], run.strategies)))


def _as_result(row: BenchmarkStrategyResultRow) -> BenchmarkStrategyResult:
    return BenchmarkStrategyResult(**{name: getattr(row, name) for name in _FIELDS})


def _place(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else -1
