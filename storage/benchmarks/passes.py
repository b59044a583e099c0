"""The answers of every pass of a run, for strategies that choose among several passes of a question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.benchmarks.records import BenchmarkRun, ItemState
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow
from storage.questions.tables import QuestionRow
from storage.traces.tables import CheckpointRow, TraceRow

_ITEMS_AT_ONCE = 500
"""A database takes some thousand parameters in one query."""


@dataclass(frozen=True, slots=True)
class PassAnswer:
    """The answer of one pass of a question at one budget."""

    item_id: str
    target: str | None
    pass_number: int
    budget_tokens: int
    letter: str | None
    """By the requested rule; None when unanswered."""
    is_correct: bool
    thinking_tokens: int
    tokens_if_separate: int
    """Tokens that a run of this cell alone would generate."""
    option_probabilities: Mapping[str, float] | None
    """None if they were not asked for, or the engine reports none."""


@dataclass(frozen=True, slots=True)
class PassAnswers:
    """Answers of the passes of one model, at one number of force rounds."""

    answers: tuple[PassAnswer, ...]
    """In the order of questions, passes and budgets, without those that the rule does not score."""
    questions: int
    """Questions with answers in the run; `answers` may have fewer."""


def pass_answers(
    session: Session,
    run_id: str,
    model: str,
    question_set: str,
    force_rounds: int,
    *,
    is_m1: bool = False,
    most: int,
) -> PassAnswers:
    """Read the answers of every pass.

    Args:
        session: the database.
        run_id: the run.
        model: one of its models; an unknown one has no answers.
        question_set: one of its sets; empty takes all.
        force_rounds: one of its numbers of force rounds.
        is_m1: whether to score by the published scorer.
        most: answers to read at most, roughly; of more, the questions are thinned evenly.

    Raises:
        RecordNotFound: there is no such run.
    """
    run = BenchmarkRepository(session).get(run_id)
    item_ids = _done_items(session, run, model, question_set)
    fitting = max(1, most // max(1, run.passes * len(run.budgets)))
    chosen = _thinned(item_ids, fitting)
    answers = [
        answer
        for start in range(0, len(chosen), _ITEMS_AT_ONCE)
        for answer in _answers_of(session, chosen[start : start + _ITEMS_AT_ONCE], force_rounds, is_m1)
    ]
    return PassAnswers(tuple(answers), len(item_ids))


def mean_prompt_tokens(session: Session, run_id: str, item_ids: Sequence[str], *, most: int) -> float | None:
    """Mean tokens of the prompts of some of a run's questions; None without any.

    Args:
        session: the database.
        run_id: the run.
        item_ids: the questions, each for its model.
        most: prompts to read at most, at even distances.

    Raises:
        RecordNotFound: there is no such run.
    """
    run = BenchmarkRepository(session).get(run_id)
    row = BenchmarkResultRow
    query = (
        select(row.item_id, TraceRow.prompt_token_ids)
        .join(CheckpointRow, CheckpointRow.id == row.checkpoint_id)
        .join(TraceRow, TraceRow.id == CheckpointRow.trace_id)
        .where(row.item_id.in_(_thinned(item_ids, most)), row.pass_number == 0, row.budget_tokens == max(run.budgets))
    )
    prompts = {item_id: len(prompt_ids) for item_id, prompt_ids in session.execute(query)}
    return sum(prompts.values()) / len(prompts) if prompts else None


def _done_items(session: Session, run: BenchmarkRun, model: str, question_set: str) -> Sequence[str]:
    item = BenchmarkItemRow
    query = select(item.id).where(item.run_id == run.id, item.state == ItemState.DONE)
    query = query.where(item.model_number == (run.models.index(model) if model in run.models else -1))
    if question_set:
        number = run.question_sets.index(question_set) if question_set in run.question_sets else -1
        query = query.where(item.set_number == number)
    return session.scalars(query.order_by(item.position)).all()


def _thinned(item_ids: Sequence[str], most: int) -> Sequence[str]:
    if len(item_ids) <= most:
        return item_ids
    return [item_ids[place * len(item_ids) // most] for place in range(most)]


def _answers_of(session: Session, item_ids: Sequence[str], force_rounds: int, is_m1: bool) -> list[PassAnswer]:
    row, item = BenchmarkResultRow, BenchmarkItemRow
    letter, is_correct = (row.m1_letter, row.m1_is_correct) if is_m1 else (row.letter, row.is_correct)
    query = (
        select(
            row.item_id,
            QuestionRow.target,
            row.pass_number,
            row.budget_tokens,
            letter,
            is_correct,
            row.thinking_tokens,
            row.tokens_if_separate,
            CheckpointRow.option_probabilities,
        )
        .select_from(item)
        .join(row, row.item_id == item.id)
        .join(QuestionRow, QuestionRow.id == item.question_id)
        .outerjoin(CheckpointRow, CheckpointRow.id == row.checkpoint_id)
        .where(item.id.in_(item_ids), row.force_rounds == force_rounds, is_correct.is_not(None))
        .order_by(item.position, row.pass_number, row.budget_tokens)
    )
    return [
        PassAnswer(item_id, target, number, budget, letter, bool(is_right), thinking, tokens, probabilities)
        for item_id, target, number, budget, letter, is_right, thinking, tokens, probabilities in session.execute(query)
    ]
