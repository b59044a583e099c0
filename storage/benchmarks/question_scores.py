"""How often each question of a run was answered right at one setting, for comparisons of the same questions."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.results import CellKey
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow, BenchmarkStrategyResultRow

QuestionKey = tuple[str, str]
"""(name of the question set, id of the question)."""
QuestionScores = Mapping[QuestionKey, tuple[int, int]]
"""Question -> (right answers, answers)."""


def cell_scores(
    session: Session,
    run_id: str,
    model: str,
    cell: CellKey,
    *,
    question_sets: Sequence[str] = (),
    is_m1: bool = False,
) -> QuestionScores:
    """Right answers and passes of each question in one cell; only answers that the rule scores.

    Args:
        session: the database.
        run_id: the run.
        model: one of its models; an unknown one has no results.
        cell: thinking budget in tokens, and force rounds.
        question_sets: some of its sets; none takes all.
        is_m1: whether to use the published scorer.

    Raises:
        RecordNotFound: there is no such run.
    """
    row = BenchmarkResultRow
    is_correct = row.m1_is_correct if is_m1 else row.is_correct
    in_cell = (row.budget_tokens == cell[0]) & (row.force_rounds == cell[1])
    return _scores(session, row, is_correct, run_id, model, question_sets, in_cell)


def strategy_scores(
    session: Session, run_id: str, model: str, choice: str, *, question_sets: Sequence[str] = ()
) -> QuestionScores:
    """The same of one strategy of a run, which answers each question once and is scored strictly.

    Args:
        session: the database.
        run_id: the run.
        model: one of its models; an unknown one has no results.
        choice: the strategy as the run writes it.
        question_sets: some of its sets; none takes all.

    Raises:
        RecordNotFound: there is no such run.
    """
    row = BenchmarkStrategyResultRow
    return _scores(session, row, row.is_correct, run_id, model, question_sets, row.choice == choice)


def _scores(
    session: Session, row: Any, is_correct: Any, run_id: str, model: str, question_sets: Sequence[str], which: Any
) -> QuestionScores:
    run = BenchmarkRepository(session).get(run_id)
    wanted = [number for number, name in enumerate(run.question_sets) if not question_sets or name in question_sets]
    item = BenchmarkItemRow
    query = (
        select(item.set_number, item.question_id, func.sum(case((is_correct, 1), else_=0)), func.count())
        .join(row, row.item_id == item.id)
        .where(row.run_id == run_id, row.set_number.in_(wanted), which, is_correct.is_not(None))
        .where(row.model_number == (run.models.index(model) if model in run.models else -1))
        .group_by(item.set_number, item.question_id)
    )
    return {
        (run.question_sets[of_set], question_id): (int(right), count)
        for of_set, question_id, right, count in session.execute(query)
    }
