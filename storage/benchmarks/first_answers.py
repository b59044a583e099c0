"""How a run has answered each question at one setting, with the place where the answer is kept."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.results import CellKey
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow
from storage.questions.tables import QuestionRow


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The answer of a question's first pass at one setting."""

    question_id: str
    stem: str
    checkpoint_id: str | None
    """Its case; None if it was not answered here."""
    is_correct: bool | None
    """None if it is not scored."""


def first_answers(
    session: Session, run_id: str, model: str, question_set: str, cell: CellKey, *, is_m1: bool = False
) -> tuple[FirstAnswer, ...]:
    """The questions that a run asks a model of a set, in order, with their answers so far.

    Args:
        session: the database.
        run_id: the run.
        model: one of its models.
        question_set: one of its sets.
        cell: thinking budget in tokens, and force rounds.
        is_m1: whether to use the published scorer.

    Raises:
        RecordNotFound: there is no such run.
    """
    run = BenchmarkRepository(session).get(run_id)
    if model not in run.models or question_set not in run.question_sets:
        return ()
    item, row = BenchmarkItemRow, BenchmarkResultRow
    in_cell = (row.budget_tokens == cell[0]) & (row.force_rounds == cell[1]) & (row.pass_number == 0)
    query = (
        select(item.question_id, QuestionRow.stem, row.checkpoint_id, row.m1_is_correct if is_m1 else row.is_correct)
        .join(QuestionRow, QuestionRow.id == item.question_id)
        .outerjoin(row, (row.item_id == item.id) & in_cell)
        .where(item.run_id == run_id, item.model_number == run.models.index(model))
        .where(item.set_number == run.question_sets.index(question_set))
        .order_by(item.position)
    )
    return tuple(FirstAnswer(*found) for found in session.execute(query))
