"""Benchmark runs that were made elsewhere: stored in many short transactions, seen when they are whole, and read.

A run that is being stored has `UNFINISHED` in place of a deletion's id: no query finds it, as nothing in the trash.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import case, delete, func, insert, select
from sqlalchemy.orm import Session

from storage.benchmarks.records import (
    BenchmarkResult,
    BenchmarkRun,
    ImportedAnswer,
    ImportedFile,
    ItemState,
    NewBenchmarkRun,
    OwnVerdicts,
    RunState,
)
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem, add_items, as_run
from storage.benchmarks.tables import (
    BenchmarkImportedAnswerRow,
    BenchmarkImportRow,
    BenchmarkItemRow,
    BenchmarkResultRow,
    BenchmarkRunRow,
)
from storage.trash.tables import WITH_TRASH

UNFINISHED = "unfinished import"
_ANSWER_FIELDS = [column.name for column in fields(ImportedAnswer)]
_FILE_FIELDS = [column.name for column in fields(ImportedFile)]
_WITH_TRASH = {WITH_TRASH: True}


@dataclass(frozen=True, slots=True)
class ImportedResult:
    """An answer of an imported run with its scores."""

    position: int
    """Of its item."""
    answer: ImportedAnswer
    letter: str | None
    is_correct: bool | None
    m1_letter: str | None
    m1_is_correct: bool | None
    tokens: int
    """Generated tokens; 0 unless all answers of its cell say theirs."""
    thinking_tokens: int
    """The same of thinking tokens."""


def begin_imported(session: Session, run: NewBenchmarkRun, files: Sequence[ImportedFile]) -> str:
    """Store a run with its files, which nobody sees until `show_imported`; return its id."""
    added = BenchmarkRepository(session).add(run, ())
    session.execute(
        insert(BenchmarkImportRow),
        [asdict(file) | {"run_id": added.id, "position": number} for number, file in enumerate(files)],
    )
    row = session.get_one(BenchmarkRunRow, added.id)
    row.state, row.trash_id = RunState.IMPORTED, UNFINISHED
    session.flush()
    return added.id


def keep_items(session: Session, run_id: str, items: Sequence[PlannedItem]) -> None:
    """Store questions of a run that was begun, after those that it has."""
    row = _begun(session, run_id)
    add_items(session, row, items, ItemState.DONE)
    row.items_done = row.items
    session.flush()


def keep_results(
    session: Session, run_id: str, items: Sequence[PlannedItem], results: Sequence[ImportedResult]
) -> None:
    """Store answers to questions of a run that was begun.

    Args:
        session: the transaction.
        run_id: the run.
        items: all its questions, in order.
        results: some of its answers, at most some hundred.
    """
    item = BenchmarkItemRow
    positions = {each.position for each in results}
    found = select(item.position, item.id).where(item.run_id == run_id, item.position.in_(positions))
    ids = {row.position: row.id for row in session.execute(found)}
    answers = [asdict(each.answer) | {"item_id": ids[each.position]} for each in results]
    session.execute(insert(BenchmarkImportedAnswerRow), answers)
    scored = [_result_values(run_id, ids[each.position], items[each.position], each) for each in results]
    session.execute(insert(BenchmarkResultRow), scored)
    row = _begun(session, run_id)
    row.tokens_generated += sum(each.answer.generated_tokens or 0 for each in results)
    session.flush()


def show_imported(session: Session, run_id: str) -> BenchmarkRun:
    """Let everybody see a run that is stored."""
    row = _begun(session, run_id)
    row.trash_id = None
    session.flush()
    return as_run(row)


def remove_unfinished(session: Session, most: int) -> bool:
    """Remove some of what imports have stored that were never finished; False if nothing is left.

    Args:
        session: the transaction.
        most: maximum number of questions, each with all its answers.
    """
    run, item = BenchmarkRunRow, BenchmarkItemRow
    begun = session.scalars(select(run.id).where(run.trash_id == UNFINISHED), execution_options=_WITH_TRASH).all()
    if not begun:
        return False
    options = {"synchronize_session": False, WITH_TRASH: True}
    if items := session.scalars(select(item.id).where(item.run_id.in_(begun)).limit(most)).all():
        session.execute(delete(item).where(item.id.in_(items)), execution_options=options)
    else:
        session.execute(delete(run).where(run.id.in_(begun)), execution_options=options)
    return True


def _begun(session: Session, run_id: str) -> BenchmarkRunRow:
    return session.get_one(BenchmarkRunRow, run_id, execution_options=_WITH_TRASH)


def _result_values(run_id: str, item_id: str, item: PlannedItem, each: ImportedResult) -> dict[str, Any]:
    answer = each.answer
    result = BenchmarkResult(
        item_id=item_id,
        pass_number=answer.pass_number,
        budget_tokens=answer.budget_tokens,
        force_rounds=answer.force_rounds,
        letter=each.letter,
        is_correct=each.is_correct,
        m1_letter=each.m1_letter,
        m1_is_correct=each.m1_is_correct,
        thinking_tokens=each.thinking_tokens,
        tokens_if_separate=each.tokens,
        checkpoint_id=None,
    )
    return asdict(result) | {
        "run_id": run_id,
        "set_number": item.set_number,
        "model_number": item.model_number,
        "is_answered": each.letter is not None,
        "m1_is_answered": each.m1_letter is not None,
    }


def run_of_file(session: Session, sha256: str, beside_sha256: str) -> BenchmarkRun | None:
    """The run that a file was imported into, with the same settings beside it, unless that run was deleted."""
    query = (
        select(BenchmarkRunRow)
        .join(BenchmarkImportRow, BenchmarkImportRow.run_id == BenchmarkRunRow.id)
        .where(BenchmarkImportRow.sha256 == sha256, BenchmarkImportRow.beside_sha256 == beside_sha256)
        .order_by(BenchmarkRunRow.created_at)
        .limit(1)
    )
    row = session.scalars(query).first()
    return None if row is None else as_run(row)


def files_of(session: Session, run_id: str) -> tuple[ImportedFile, ...]:
    """The files that a run's answers come from; none, if this app has made it."""
    row = BenchmarkImportRow
    rows = session.scalars(select(row).where(row.run_id == run_id).order_by(row.position))
    return tuple(ImportedFile(**{name: getattr(each, name) for name in _FILE_FIELDS}) for each in rows)


def imported_answers(session: Session, item_id: str) -> tuple[ImportedAnswer, ...]:
    """The answers to an item of an imported run, by pass, rounds and budget."""
    row = BenchmarkImportedAnswerRow
    query = select(row).where(row.item_id == item_id).order_by(row.pass_number, row.force_rounds, row.budget_tokens)
    return tuple(
        ImportedAnswer(**{name: getattr(each, name) for name in _ANSWER_FIELDS}) for each in session.scalars(query)
    )


def own_verdicts(session: Session, run_id: str) -> OwnVerdicts:
    """How the verdicts of a run's files compare with ours, over the answers that have both."""
    result, own = BenchmarkResultRow, BenchmarkImportedAnswerRow

    def differ(ours: Any) -> Any:
        return func.coalesce(func.sum(case((ours.is_not(None) & (ours != own.own_is_correct), 1), else_=0)), 0)

    query = (
        select(
            func.count(),
            func.coalesce(func.sum(case((own.own_is_correct.is_(True), 1), else_=0)), 0),
            differ(result.is_correct),
            differ(result.m1_is_correct),
        )
        .select_from(result)
        .join(
            own,
            (own.item_id == result.item_id)
            & (own.pass_number == result.pass_number)
            & (own.budget_tokens == result.budget_tokens)
            & (own.force_rounds == result.force_rounds),
        )
        .where(result.run_id == run_id, own.own_is_correct.is_not(None))
    )
    answers, correct, strict, m1 = session.execute(query).one()
    return OwnVerdicts(answers=answers, correct=int(correct), differ_strict=int(strict), differ_m1=int(m1))
