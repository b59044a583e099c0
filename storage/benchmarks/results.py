"""Queries over benchmark results: counts by cell, comparisons between cells, lists by question."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.orm import Session, aliased

from storage.benchmarks.records import BenchmarkRun, CellCount, ItemState, QuestionVerdict, RunState
from storage.benchmarks.repository import as_run
from storage.benchmarks.tables import (
    BenchmarkImportedAnswerRow,
    BenchmarkItemRow,
    BenchmarkResultRow,
    BenchmarkRunRow,
)
from storage.errors import not_found
from storage.questions.tables import QuestionRow
from storage.search import number_matches
from storage.traces.listing import beginning, read_beginning
from storage.traces.tables import CheckpointRow, EarlierReadingRow

CellKey = tuple[int, int]
"""(thinking budget in tokens, force rounds)."""
_NO_CELL = (0, -1)
_WORDS_CHARACTERS = 300
_WORDS = func.substr(
    CheckpointRow.text,
    CheckpointRow.letter_start + 1,
    case(
        (CheckpointRow.letter_end - CheckpointRow.letter_start > _WORDS_CHARACTERS, _WORDS_CHARACTERS),
        else_=CheckpointRow.letter_end - CheckpointRow.letter_start,
    ),
)
_EARLIER = aliased(EarlierReadingRow)
"""What the version before the present reading read in an answer."""
_LETTER_BASIS = (CheckpointRow.letter_rule, _WORDS, CheckpointRow.strict_version)

_Query = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictFilter:
    """Which questions of a run to list; empty fields do not filter."""

    model: str = ""
    question_set: str = ""
    cell: CellKey
    """The cell whose verdict is shown."""
    before: CellKey | None = None
    """The cell it is compared with."""
    before_model: str = ""
    """Model of that cell; empty means the question's own."""
    verdict: str = ""
    """"right", "wrong", "unanswered", "failed"; with `before` also "right-wrong" and so on, `before` first."""
    text: str = ""
    """Words in the question, the last one as a prefix."""
    is_m1: bool = False
    """Score by the published scorer instead of the strict rule."""


class BenchmarkResultRepository:
    """Results in the session's database."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def cell_counts(self, run_ids: Sequence[str], *, is_m1: bool = False) -> tuple[CellCount, ...]:
        """Results counted for each run, model, set and cell; only those that the rule scores."""
        runs = self._runs(run_ids)
        row = BenchmarkResultRow
        keys = (row.run_id, row.model_number, row.set_number, row.force_rounds, row.budget_tokens)
        is_correct, is_answered = _rule(row, is_m1)
        query = (
            select(
                *keys,
                func.count(),
                func.sum(case((is_correct, 1), else_=0)),
                func.sum(case((is_answered, 1), else_=0)),
                func.sum(row.thinking_tokens),
                func.sum(row.tokens_if_separate),
            )
            .where(row.run_id.in_(list(runs)), is_correct.is_not(None))
            .group_by(*keys)
            .order_by(*keys)
        )
        return tuple(
            CellCount(
                run_id=run_id,
                model=runs[run_id].models[model],
                question_set=runs[run_id].question_sets[of_set],
                budget_tokens=budget,
                force_rounds=rounds,
                n=n,
                correct=int(correct),
                answered=int(answered),
                thinking_tokens=int(thinking),
                tokens_if_separate=int(separate),
            )
            for run_id, model, of_set, rounds, budget, n, correct, answered, thinking, separate in (
                self._session.execute(query)
            )
        )

    def count_unscored_by_m1(self, run_ids: Sequence[str]) -> int:
        """Number of items that the published scorer does not score."""
        row = BenchmarkResultRow
        unscored = row.run_id.in_(run_ids) & row.m1_is_correct.is_(None)
        return self._session.scalar(select(func.count(row.item_id.distinct())).where(unscored)) or 0

    def open_sets(self, run_id: str) -> tuple[str, ...]:
        """Sets of a run all of whose questions are open: no rule scores their answers."""
        run, item = self._run(run_id), BenchmarkItemRow

        def has_options(of_set: int) -> bool:
            is_closed = (item.run_id == run_id) & (item.set_number == of_set) & QuestionRow.reference.is_(None)
            query = select(item.id).join(QuestionRow, QuestionRow.id == item.question_id).where(is_closed)
            return self._session.scalar(query.limit(1)) is not None

        return tuple(name for number, name in enumerate(run.question_sets) if not has_options(number))

    def right_by_item(
        self, run_id: str, *, is_m1: bool = False
    ) -> Mapping[tuple[str, str, CellKey], Sequence[tuple[int, int]]]:
        """For intervals over several passes: (right, passes) of each item by (model, set, cell)."""
        run = self._run(run_id)
        row = BenchmarkResultRow
        keys = (row.model_number, row.set_number, row.budget_tokens, row.force_rounds)
        right = func.sum(case((_rule(row, is_m1)[0], 1), else_=0))
        is_scored = _rule(row, is_m1)[0].is_not(None)
        query = select(*keys, right, func.count()).where(row.run_id == run_id, is_scored).group_by(*keys, row.item_id)
        found: dict[tuple[str, str, CellKey], list[tuple[int, int]]] = {}
        for model, of_set, budget, rounds, correct, passes in self._session.execute(query):
            key = (run.models[model], run.question_sets[of_set], (budget, rounds))
            found.setdefault(key, []).append((int(correct), passes))
        return found

    def first_verdicts(self, run_id: str, *, is_m1: bool = False) -> Mapping[tuple[str, CellKey], Mapping[str, bool]]:
        """Whether the first pass is right, of each question by its id, by (model, cell); without what is not scored."""
        run, row = self._run(run_id), BenchmarkResultRow
        is_correct = _rule(row, is_m1)[0]
        query = (
            select(row.model_number, row.budget_tokens, row.force_rounds, BenchmarkItemRow.question_id, is_correct)
            .join(BenchmarkItemRow, BenchmarkItemRow.id == row.item_id)
            .where(row.run_id == run_id, row.pass_number == 0, is_correct.is_not(None))
            # Of a question that belongs to several sets, the first item counts.
            .order_by(BenchmarkItemRow.position.desc())
        )
        found: dict[tuple[str, CellKey], dict[str, bool]] = {}
        for model, budget, rounds, question_id, is_right in self._session.execute(query):
            found.setdefault((run.models[model], (budget, rounds)), {})[question_id] = bool(is_right)
        return found

    def transition_counts(
        self,
        run_id: str,
        model: str,
        question_set: str,
        before: CellKey,
        after: CellKey,
        *,
        other_model: str = "",
        is_m1: bool = False,
    ) -> Mapping[tuple[bool, bool], int]:
        """Questions by whether their first pass is right in one cell and in another.

        Args:
            run_id: the run.
            model: the first cell's model.
            question_set: empty takes all sets.
            before: the first cell.
            after: the other cell.
            other_model: the other cell's model; empty means the same.
            is_m1: whether to use the published scorer.
        """
        run = self._run(run_id)
        one, other = aliased(BenchmarkResultRow), aliased(BenchmarkResultRow)
        was, became = _rule(one, is_m1)[0], _rule(other, is_m1)[0]
        query: _Query = select(was, became, func.count()).select_from(one)
        item_id: Any = one.item_id
        if other_model and other_model != model:
            item = aliased(BenchmarkItemRow)
            query, item_id = _asked_of(query.join(item, item.id == one.item_id), item, run, other_model)
        query = (
            query.join(other, _first_pass(other, item_id, after))
            .where(*_of(one, run, model, question_set), one.pass_number == 0, _in_cell(one, before))
            .where(was.is_not(None), became.is_not(None))
            .group_by(was, became)
        )
        return {(bool(was), bool(became)): count for was, became, count in self._session.execute(query)}

    def verdicts(
        self, run_id: str, wanted: VerdictFilter, limit: int = 50, offset: int = 0
    ) -> tuple[tuple[QuestionVerdict, ...], int]:
        """Questions of a run in order, by their first pass, and their total number."""
        run = self._run(run_id)
        found = self._found(run, wanted)
        limit, offset = max(1, limit), max(0, offset)
        page = self._session.scalars(found.order_by(BenchmarkItemRow.position).limit(limit).offset(offset)).all()
        is_last = len(page) < limit and (page or not offset)
        total = offset + len(page) if is_last else self._session.scalar(found.with_only_columns(func.count())) or 0
        return self._shown(run, wanted, page), total

    def _found(self, run: BenchmarkRun, wanted: VerdictFilter) -> Select[str]:
        """Ids of matching items; reads only tables that the filter needs."""
        item, now, before = BenchmarkItemRow, aliased(BenchmarkResultRow), aliased(BenchmarkResultRow)
        query = select(item.id).where(*_items_of(run, wanted.model, wanted.question_set))
        if wanted.verdict:
            query = query.join(now, _first_pass(now, item.id, wanted.cell))
        if "-" in wanted.verdict:
            query, item_id = _asked_of(query, item, run, wanted.before_model)
            query = query.join(before, _first_pass(before, item_id, wanted.before or wanted.cell))
        if wanted.text.strip():
            query = query.where(number_matches(self._session, wanted.text, item.question_number))
        return query.where(*_verdict_is(wanted, now, before))

    def _shown(self, run: BenchmarkRun, wanted: VerdictFilter, item_ids: Sequence[str]) -> tuple[QuestionVerdict, ...]:
        item, now, before = BenchmarkItemRow, aliased(BenchmarkResultRow), aliased(BenchmarkResultRow)
        query: _Query = select(item, now, before, read_beginning(), QuestionRow.target, *_LETTER_BASIS).join(
            QuestionRow, QuestionRow.id == item.question_id
        )
        query, before_id = _asked_of(query, item, run, wanted.before_model)
        query = (
            query.outerjoin(now, _first_pass(now, item.id, wanted.cell))
            .outerjoin(CheckpointRow, CheckpointRow.id == now.checkpoint_id)
            .outerjoin(before, _first_pass(before, before_id, wanted.before or _NO_CELL))
            .where(item.id.in_(item_ids))
            .order_by(item.position)
        )
        return tuple(_as_verdict(run, wanted.is_m1, *row) for row in self._session.execute(query))

    def rows(self, run_id: str, positions: range) -> list[dict[str, Any]]:
        """Results with their questions, in order, for export; those of the items at `positions`."""
        run = self._run(run_id)
        row, item, given = BenchmarkResultRow, BenchmarkItemRow, BenchmarkImportedAnswerRow
        query = (
            select(row, item, QuestionRow, given, CheckpointRow.text, _EARLIER, *_LETTER_BASIS)
            .select_from(item)
            .join(row, row.item_id == item.id)
            .join(QuestionRow, QuestionRow.id == item.question_id)
            .outerjoin(
                given,
                and_(
                    given.item_id == row.item_id,
                    given.pass_number == row.pass_number,
                    given.budget_tokens == row.budget_tokens,
                    given.force_rounds == row.force_rounds,
                ),
            )
            .outerjoin(CheckpointRow, CheckpointRow.id == row.checkpoint_id)
            .outerjoin(
                _EARLIER, and_(_EARLIER.checkpoint_id == row.checkpoint_id, _EARLIER.strict_version == _last_version())
            )
            .where(item.run_id == run_id, item.position >= positions.start, item.position < positions.stop)
            .order_by(item.position, row.pass_number, row.force_rounds, row.budget_tokens)
        )
        return [_exported(run, *found) for found in self._session.execute(query)]

    def _run(self, run_id: str) -> BenchmarkRun:
        found = self._runs([run_id]).get(run_id)
        if found is None:
            raise not_found("benchmark run", run_id)
        return found

    def _runs(self, run_ids: Sequence[str]) -> dict[str, BenchmarkRun]:
        query = select(BenchmarkRunRow).where(BenchmarkRunRow.id.in_([each for each in run_ids if each.isalnum()]))
        return {row.id: as_run(row) for row in self._session.scalars(query)}


def _rule(row: Any, is_m1: bool) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (row.m1_is_correct, row.m1_is_answered) if is_m1 else (row.is_correct, row.is_answered)


def _in_cell(row: Any, cell: CellKey) -> ColumnElement[bool]:
    return and_(row.budget_tokens == cell[0], row.force_rounds == cell[1])


def _first_pass(row: Any, item_id: Any, cell: CellKey) -> ColumnElement[bool]:
    return and_(row.item_id == item_id, row.pass_number == 0, _in_cell(row, cell))


def _asked_of(query: _Query, item: Any, run: BenchmarkRun, model: str) -> tuple[_Query, Any]:
    """The query, and the id of the item with the same question for `model`; an empty name means the item's own
    model."""
    if not model:
        return query, item.id
    other = aliased(BenchmarkItemRow)
    is_same = and_(
        other.run_id == item.run_id,
        other.set_number == item.set_number,
        other.question_number == item.question_number,
        other.model_number == _place(model, run.models),
    )
    return query.outerjoin(other, is_same), other.id


def _items_of(run: BenchmarkRun, model: str, question_set: str) -> list[ColumnElement[bool]]:
    """Items of a run; an unknown name matches nothing, an empty one everything."""
    conditions = [BenchmarkItemRow.run_id == run.id]
    if model:
        conditions.append(BenchmarkItemRow.model_number == _place(model, run.models))
    if question_set:
        conditions.append(BenchmarkItemRow.set_number == _place(question_set, run.question_sets))
    return conditions


def _of(row: Any, run: BenchmarkRun, model: str, question_set: str) -> list[ColumnElement[bool]]:
    """Rows of a run; an unknown name matches nothing. Names every column of an index, so that all of it is used."""
    models = [_place(model, run.models)] if model else list(range(len(run.models)))
    sets = [_place(question_set, run.question_sets)] if question_set else list(range(len(run.question_sets)))
    return [row.run_id == run.id, row.model_number.in_(models), row.set_number.in_(sets)]


def _place(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else -1


def _verdict_is(wanted: VerdictFilter, now: Any, before: Any) -> list[ColumnElement[bool]]:
    is_correct, is_answered = _rule(now, wanted.is_m1)
    simple: dict[str, list[ColumnElement[bool]]] = {
        "right": [is_correct.is_(True)],
        "wrong": [is_correct.is_(False), is_answered.is_(True)],
        "unanswered": [is_answered.is_(False), is_correct.is_not(None)],
        "failed": [BenchmarkItemRow.state == ItemState.FAILED],
    }
    if "-" not in wanted.verdict:
        return simple.get(wanted.verdict, [])
    was, _, became = wanted.verdict.partition("-")
    return [_rule(before, wanted.is_m1)[0].is_(was == "right"), is_correct.is_(became == "right")]


def _as_verdict(
    run: BenchmarkRun,
    is_m1: bool,
    item: BenchmarkItemRow,
    now: BenchmarkResultRow | None,
    before: BenchmarkResultRow | None,
    stem: str,
    target: str | None,
    letter_rule: str | None,
    letter_words: str | None,
    strict_version: int | None,
) -> QuestionVerdict:
    letter, is_correct = _read(now, is_m1)
    before_letter, before_is_correct = _read(before, is_m1)
    return QuestionVerdict(
        item_id=item.id,
        question_id=item.question_id,
        stem=beginning(stem),
        question_set=run.question_sets[item.set_number],
        model=run.models[item.model_number],
        target=target,
        item_state=item.state,
        error=item.error,
        letter=letter,
        is_correct=is_correct,
        is_scored=now is None or is_correct is not None,
        thinking_tokens=now.thinking_tokens if now else None,
        checkpoint_id=now.checkpoint_id if now else None,
        is_imported=run.state is RunState.IMPORTED,
        letter_rule=None if is_m1 else letter_rule,
        letter_words=None if is_m1 else letter_words,
        before_letter=before_letter,
        before_is_correct=before_is_correct,
    )


def _read(result: BenchmarkResultRow | None, is_m1: bool) -> tuple[str | None, bool | None]:
    if result is None:
        return None, None
    return (result.m1_letter, result.m1_is_correct) if is_m1 else (result.letter, result.is_correct)


def _last_version() -> Any:
    newest = aliased(EarlierReadingRow)
    query = select(func.max(newest.strict_version)).where(newest.checkpoint_id == _EARLIER.checkpoint_id)
    return query.correlate(_EARLIER).scalar_subquery()


def _exported(
    run: BenchmarkRun,
    result: BenchmarkResultRow,
    item: BenchmarkItemRow,
    question: QuestionRow,
    given: BenchmarkImportedAnswerRow | None,
    *more: Any,
) -> dict[str, Any]:
    """A row of the export; what the file of an imported answer does not say is None."""
    values = _export_values(run, result, item, question, *more)
    if given is None:
        return values | {"is_imported": False} | dict.fromkeys(_ONLY_IMPORTED)
    words = given.answer[given.letter_start or 0 : given.letter_end or 0][:_WORDS_CHARACTERS]
    return values | {
        "is_imported": True,
        "budget_tokens": given.budget_tokens or None,
        "answer": given.answer,
        "letter_rule": given.letter_rule,
        "letter_words": words or None,
        "strict_version": run.strict_version,
        "thinking_tokens": given.thinking_tokens,
        "tokens_if_separate": given.generated_tokens,
        "sweep_id": None,
        **{name: getattr(given, column) for name, column in _ONLY_IMPORTED.items()},
    }


_ONLY_IMPORTED = {
    "file_thinking": "thinking",
    "file_is_correct": "own_is_correct",
    "file_letter": "own_letter",
    "file_rule": "own_rule",
}
"""Columns of the export that only imported answers fill."""


def _export_values(
    run: BenchmarkRun,
    result: BenchmarkResultRow,
    item: BenchmarkItemRow,
    question: QuestionRow,
    answer: str | None,
    earlier: EarlierReadingRow | None,
    letter_rule: str | None,
    letter_words: str | None,
    strict_version: int | None,
) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "run": run.name,
        "question_set": run.question_sets[item.set_number],
        "model": run.models[item.model_number],
        "position": item.position,
        "question_id": item.question_id,
        "question": question.stem,
        # As JSON: neither CSV nor a spreadsheet has lists.
        "options": json.dumps(dict(question.options), ensure_ascii=False),
        "tags": json.dumps(list(question.tags), ensure_ascii=False),
        "target": question.target,
        "pass_number": result.pass_number,
        "budget_tokens": result.budget_tokens,
        "force_rounds": result.force_rounds,
        "answer": answer,
        "letter_strict": result.letter,
        "is_correct_strict": result.is_correct,
        "letter_rule": letter_rule,
        "letter_words": letter_words,
        "strict_version": strict_version or (None if result.checkpoint_id is None else 1),
        "earlier_letter": earlier.letter if earlier else None,
        "earlier_is_correct": bool(earlier.is_correct) if earlier else None,
        "earlier_strict_version": earlier.strict_version if earlier else None,
        "letter_m1": result.m1_letter,
        "is_correct_m1": result.m1_is_correct,
        "thinking_tokens": result.thinking_tokens,
        "tokens_if_separate": result.tokens_if_separate,
        "item_state": item.state.value,
        "error": item.error,
        "sweep_id": item.id,
        "checkpoint_id": result.checkpoint_id,
    }
