"""Stores imported runs with the questions that no set has yet: short transactions, and nothing that stays of a failure.

One transaction for all would keep everybody else from writing for as long as it takes, and others wait five seconds.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from m1app.access.audit import record
from m1app.benchmark.imports.run_plans import NewSet, RunPlan, new_run, results_of
from m1app.privacy.service import IdentifierCheck
from m1app.question.errors import InvalidAnswers
from m1app.question_sets.storing import SetStore, to_the_end
from storage.benchmarks.imports import (
    ImportedResult,
    begin_imported,
    keep_items,
    keep_results,
    own_verdicts,
    run_of_file,
    show_imported,
)
from storage.benchmarks.records import BenchmarkRun, ImportedFile, OwnVerdicts
from storage.benchmarks.repository import PlannedItem
from storage.database import Database, Session
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository

LAYOUT = "imported results"
"""Layout of the question sets that an import adds."""
_ROWS = 500
_CHARACTERS = 1_000_000
"""Of the answers of one transaction."""
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """A run that an import has stored."""

    run: BenchmarkRun
    files: tuple[ImportedFile, ...]
    own: OwnVerdicts


class RunStore:
    """Adds imported runs to the database; one import at a time for each home."""

    def __init__(self, database: Database, home: Path, identifiers: IdentifierCheck) -> None:
        self._database = database
        self._sets = SetStore(database, home, identifiers)

    async def add(
        self, plans: Sequence[RunPlan], new: Mapping[str, NewSet], on_progress: Callable[[str], None]
    ) -> tuple[ImportedRun, ...]:
        """Store all runs and sets, or none.

        Args:
            plans: runs whose answers are scored.
            new: sets that are added, by the name in the log.
            on_progress: called with what is being done.

        Raises:
            InvalidAnswers: another process has imported one of the files meanwhile.
            InvalidQuestionSet: another import takes longer than ten minutes.
            NoRoom: the disk of M1_HOME is full.
            StorageError: the database cannot be written.
        """
        on_progress("storing")
        async with self._sets.adding([each.name for each in new.values()]) as added_at:
            await self._database.read(lambda session: _check_unknown(session, plans))
            ids = {
                (each.name, key): question_id
                for each in new.values()
                for key, question_id in (await self._questions(each, added_at)).items()
            }
            begun = [(await self._results(plan, _items(plan, ids)), plan) for plan in plans]
            return await self._write(lambda session: _shown(session, begun, new, ids))

    async def _questions(self, each: NewSet, added_at: datetime) -> dict[str, str]:
        """Store the questions of a set; return their ids by `question_key`."""
        ids: dict[str, str] = {}
        for some in _parts(list(each.questions.items())):
            given = [
                NewQuestion(
                    stem=found.stem, options=dict(found.options), target=found.target, source=each.name, tags=found.tags
                )
                for _, found in some
            ]
            kept = await self._write(partial(_kept, questions=given, added_at=added_at))
            ids |= {key: question_id for ((_, key), _), question_id in zip(some, kept, strict=True)}
        return ids

    async def _results(self, plan: RunPlan, items: Sequence[PlannedItem]) -> str:
        """Store a run with its questions and answers, which nobody sees yet; return its id."""
        run_id = await self._write(lambda session: begin_imported(session, new_run(plan), plan.files))
        for some in _parts(items):
            await self._write(partial(keep_items, run_id=run_id, items=some))
        batches = _batches(results_of(plan))
        while results := await to_the_end(lambda: next(batches, None)):
            await self._write(partial(keep_results, run_id=run_id, items=items, results=results))
        return run_id

    async def _write(self, use: Callable[[Session], _T]) -> _T:
        """Write in a transaction, then leave as much time to others: who waits only looks now and then."""
        begun = time.monotonic()
        found = await to_the_end(lambda: self._database.write_now(use))
        await asyncio.sleep(time.monotonic() - begun)
        return found


def _check_unknown(session: Session, plans: Sequence[RunPlan]) -> None:
    for file in (file for plan in plans for file in plan.files):
        if run_of_file(session, file.sha256, file.beside_sha256):
            raise InvalidAnswers(f"{file.file_name}: another process has imported this file meanwhile.")


def _kept(session: Session, questions: Sequence[NewQuestion], added_at: datetime) -> Sequence[str]:
    return QuestionRepository(session, lambda: added_at).upsert_all(questions)


def _parts(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (values[start : start + _ROWS] for start in range(0, len(values), _ROWS))


def _items(plan: RunPlan, ids: Mapping[tuple[str, str], str]) -> list[PlannedItem]:
    numbers = {name: number for number, name in enumerate(plan.sets)}
    return [
        PlannedItem(numbers[set_name], 0, target.question_id or ids[set_name, key])
        for (set_name, key), target in plan.items.items()
    ]


def _batches(results: Iterable[ImportedResult]) -> Iterator[list[ImportedResult]]:
    batch: list[ImportedResult] = []
    characters = 0
    for each in results:
        batch.append(each)
        characters += len(each.answer.answer) + len(each.answer.thinking or "")
        if len(batch) == _ROWS or characters >= _CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _shown(
    session: Session,
    begun: Sequence[tuple[str, RunPlan]],
    new: Mapping[str, NewSet],
    ids: Mapping[tuple[str, str], str],
) -> tuple[ImportedRun, ...]:
    """Let everybody see the runs, and the sets of their questions."""
    sets = QuestionSetRepository(session)
    for each in new.values():
        members = [ids[each.name, key] for _, key in each.questions]
        made = sets.add_kept(each.name, each.source, LAYOUT, "", members)
        record(session, "question_set.import", made.id, questions=made.question_count)
    return tuple(_shown_run(session, run_id, plan) for run_id, plan in begun)


def _shown_run(session: Session, run_id: str, plan: RunPlan) -> ImportedRun:
    run = show_imported(session, run_id)
    record(session, "benchmark_run.import", run.id, questions=run.items, files=len(plan.files))
    _log.info("imported run %s with %d questions", run.id, run.items)
    return ImportedRun(run, tuple(plan.files), own_verdicts(session, run.id))
