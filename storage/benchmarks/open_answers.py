"""Answers of a run to open questions, one by one, with what models and persons say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.orm import Session

from storage.benchmarks.records import BenchmarkRun
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow
from storage.open_verdicts.records import OpenVerdict
from storage.open_verdicts.repository import OpenVerdictRepository
from storage.open_verdicts.tables import OpenVerdictRow
from storage.questions.tables import QuestionRow
from storage.traces.tables import CheckpointRow


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAnswerFilter:
    """Which answers are listed; empty fields do not filter."""

    cell: tuple[int, int]
    """(thinking budget in tokens, force rounds)."""
    model: str = ""
    question_set: str = ""
    without_verdict_of: str | None = None
    """Leaves out empty answers, and those that this person has judged; by account id, which may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAnswer:
    """An answer of a run to an open question."""

    checkpoint_id: str
    item_id: str
    """Of its question in the run, and of the sweep that asked it."""
    pass_number: int
    question_set: str
    model: str
    stem: str
    reference: str
    """The reference answer."""
    text: str
    verdicts: tuple[OpenVerdict, ...]
    """By this reference answer, the newest first."""


def open_answers(
    session: Session, run_id: str, wanted: OpenAnswerFilter, limit: int, offset: int
) -> tuple[tuple[ListedAnswer, ...], int]:
    """One page of a run's answers to open questions in the run's order, and their total number.

    Raises:
        RecordNotFound: no such run.
    """
    run = BenchmarkRepository(session).get(run_id)
    query = _query(run, wanted)
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    order = (BenchmarkItemRow.position, BenchmarkResultRow.pass_number)
    rows = session.execute(query.order_by(*order).limit(max(1, limit)).offset(max(0, offset))).all()
    verdicts = OpenVerdictRepository(session).of_checkpoints([row.checkpoint_id for row in rows])
    return tuple(_listed(run, row, verdicts) for row in rows), total


def _query(run: BenchmarkRun, wanted: OpenAnswerFilter) -> Any:
    row, item, answer = BenchmarkResultRow, BenchmarkItemRow, CheckpointRow
    conditions: list[ColumnElement[bool]] = [
        row.run_id == run.id,
        row.is_correct.is_(None),
        and_(row.budget_tokens == wanted.cell[0], row.force_rounds == wanted.cell[1]),
        QuestionRow.reference.is_not(None),
    ]
    if wanted.model:
        conditions.append(row.model_number == _place(wanted.model, run.models))
    if wanted.question_set:
        conditions.append(row.set_number == _place(wanted.question_set, run.question_sets))
    if wanted.without_verdict_of is not None:
        conditions += [func.trim(answer.text) != "", ~_is_judged_by(wanted.without_verdict_of)]
    columns: tuple[Any, ...] = (
        row.checkpoint_id,
        row.item_id,
        row.pass_number,
        row.set_number,
        row.model_number,
        QuestionRow.stem,
        QuestionRow.reference,
        answer.text,
    )
    return (
        select(*columns)
        .select_from(row)
        .join(item, item.id == row.item_id)
        .join(QuestionRow, QuestionRow.id == item.question_id)
        .join(answer, answer.id == row.checkpoint_id)
        .where(*conditions)
    )


def _is_judged_by(person: str) -> ColumnElement[bool]:
    own = OpenVerdictRow
    return exists().where(
        own.checkpoint_id == BenchmarkResultRow.checkpoint_id,
        own.is_person.is_(True),
        own.judged_by == person,
        own.reference == QuestionRow.reference,
    )


def _place(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else -1


def _listed(run: BenchmarkRun, row: Any, verdicts: Mapping[str, Sequence[OpenVerdict]]) -> ListedAnswer:
    of_answer = verdicts.get(row.checkpoint_id, ())
    return ListedAnswer(
        checkpoint_id=row.checkpoint_id,
        item_id=row.item_id,
        pass_number=row.pass_number,
        question_set=run.question_sets[row.set_number],
        model=run.models[row.model_number],
        stem=row.stem,
        reference=row.reference,
        text=row.text,
        verdicts=tuple(each for each in of_answer if each.reference == row.reference),
    )
