"""Benchmark runs that were made elsewhere: stored whole, in one transaction, and their answers read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from typing import Any

from sqlalchemy import case, func, insert, select
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
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem, as_run
from storage.benchmarks.tables import (
    BenchmarkImportedAnswerRow,
    BenchmarkImportRow,
    BenchmarkItemRow,
    BenchmarkResultRow,
    BenchmarkRunRow,
)

_AT_ONCE = 500
_ANSWER_FIELDS = [column.name for column in fields(ImportedAnswer)]
_FILE_FIELDS = [column.name for column in fields(ImportedFile)]


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


def add_imported(
    session: Session,
    run: NewBenchmarkRun,
    files: Sequence[ImportedFile],
    items: Sequence[PlannedItem],
    results: Iterable[ImportedResult],
) -> BenchmarkRun:
    """Store a run with its files, items and results; the caller's transaction makes it all or nothing.

    Args:
        session: the transaction.
        run: its settings.
        files: where its answers come from.
        items: its questions, in order.
        results: read as they are stored.
    """
    added = BenchmarkRepository(session).add(run, items)
    session.execute(
        insert(BenchmarkImportRow),
        [asdict(file) | {"run_id": added.id, "position": number} for number, file in enumerate(files)],
    )
    ids = session.scalars(
        select(BenchmarkItemRow.id).where(BenchmarkItemRow.run_id == added.id).order_by(BenchmarkItemRow.position)
    ).all()
    tokens = 0
    for some in _batches(results):
        tokens += sum(each.answer.generated_tokens or 0 for each in some)
        answers = [asdict(each.answer) | {"item_id": ids[each.position]} for each in some]
        session.execute(insert(BenchmarkImportedAnswerRow), answers)
        scored = [_result_values(added.id, ids[each.position], items[each.position], each) for each in some]
        session.execute(insert(BenchmarkResultRow), scored)
    done = BenchmarkItemRow.__table__.update().where(BenchmarkItemRow.run_id == added.id)  # type: ignore[attr-defined]
    session.execute(done.values(state=ItemState.DONE))
    row = session.get_one(BenchmarkRunRow, added.id)
    row.state, row.items_done, row.tokens_generated = RunState.IMPORTED, len(items), tokens
    session.flush()
    return as_run(row)


def _batches(results: Iterable[ImportedResult]) -> Iterator[list[ImportedResult]]:
    rest = iter(results)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


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
