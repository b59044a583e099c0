"""Queries over benchmark runs: curves with intervals, transitions between cells, questions.

`m1app.benchmark.statistics` and pandas take seconds to load: they are imported where used, in threads and never in
coroutines.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from m1app.access.person import Permission, current_person, needs
from m1app.benchmark.cell_summaries import CellSummary, macro_summaries, summaries
from m1app.benchmark.descriptions import is_imported, run_name, unscored_note
from m1app.benchmark.errors import NothingAnswered
from m1app.benchmark.intervals import PairedComparison
from m1app.benchmark.model_pairs import ComparedModels, Verdicts, compare_models
from m1app.benchmark.tag_summaries import TagFilter, TagPage, tag_summary
from m1app.errors import AppError
from m1app.targets import hamming_score
from storage.benchmarks.imports import files_of, imported_answers, own_verdicts
from storage.benchmarks.judged import JudgedAnswers, judged_answers
from storage.benchmarks.open_answers import ListedAnswer, OpenAnswerFilter, open_answers
from storage.benchmarks.records import BenchmarkRun, ImportedAnswer, ImportedFile, OwnVerdicts, QuestionVerdict
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.results import BenchmarkResultRepository, CellKey, VerdictFilter
from storage.benchmarks.tags import MOST_TAGS, TagChoice, tag_counts
from storage.database import Database, Session

if TYPE_CHECKING:
    import pandas as pd

_MOST_RUNS = 10_000
"""Number of recent runs searched for a tag."""
_PAGE_ROWS = 2000


@dataclass(frozen=True, slots=True)
class CellPair:
    """Two cells to compare, of one or two models of the same run."""

    model: str
    """Model of the first cell."""
    question_set: str
    """`MACRO` takes the questions of all sets."""
    before: CellKey
    """(thinking budget in tokens, force rounds)."""
    after: CellKey
    other_model: str = ""
    """Model of the second cell; empty means the same."""


@dataclass(frozen=True, slots=True)
class Transitions:
    """Verdict changes from one cell to another, on the same questions."""

    right_right: int
    right_wrong: int
    wrong_right: int
    wrong_wrong: int
    comparison: PairedComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionFilter:
    """Which questions of a run to list; empty fields do not filter."""

    model: str = ""
    question_set: str = ""
    cell: CellKey | None = None
    """The cell whose verdict is shown; None means the largest."""
    before: CellKey | None = None
    """The cell it is compared with."""
    before_model: str = ""
    """Model of that cell; empty means the question's own."""
    verdict: str = ""
    """"right", "wrong", "unanswered", "failed"; with `before` also "right-wrong" and so on, `before` first."""
    text: str = ""
    """Words in the question, the last one as a prefix."""


@dataclass(frozen=True, slots=True)
class QuestionPage:
    """One page of a run's questions."""

    questions: tuple[QuestionVerdict, ...]
    total: int
    """Total number of matching questions."""


@dataclass(frozen=True, slots=True)
class OpenAnswerPage:
    """One page of a run's answers to open questions."""

    answers: tuple[ListedAnswer, ...]
    total: int
    """Total number of matching answers."""


@dataclass(frozen=True, slots=True)
class ImportedFacts:
    """What the files of an imported run say of themselves and of its answers."""

    files: tuple[ImportedFile, ...]
    own: OwnVerdicts


class BenchmarkReading:
    """Queries runs. Methods that take a run id may raise RecordNotFound; all may raise StorageError.

    `rule` is "strict" or "m1", see `m1app.question.answers.scoring`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @needs(Permission.READ)
    async def runs(
        self, *, text: str = "", tag: str = "", with_archived: bool = False, limit: int = 200
    ) -> tuple[BenchmarkRun, ...]:
        """Return runs, newest first, filtered by part of the name and by tag."""
        most = _MOST_RUNS if tag else limit
        found = await self._database.read(
            lambda s: BenchmarkRepository(s).recent(most, text, with_archived=with_archived)
        )
        return tuple(run for run in found if not tag or tag in run.tags)[:limit]

    @needs(Permission.READ)
    async def get(self, run_id: str) -> BenchmarkRun:
        """Return the run with this id."""
        return await self._database.read(lambda s: BenchmarkRepository(s).get(run_id))

    @needs(Permission.READ)
    async def cells(self, run_ids: Sequence[str], rule: str = "strict") -> tuple[CellSummary, ...]:
        """All points of the runs' curves, plus the mean over sets for runs with several."""
        is_m1 = rule == "m1"

        def read(session: Session) -> tuple[CellSummary, ...]:
            results = BenchmarkResultRepository(session)
            counts = results.cell_counts(run_ids, is_m1=is_m1)
            runs = {run_id: BenchmarkRepository(session).get(run_id) for run_id in {each.run_id for each in counts}}
            found: list[CellSummary] = []
            for run in runs.values():
                of_run = [each for each in counts if each.run_id == run.id]
                right = results.right_by_item(run.id, is_m1=is_m1) if run.passes > 1 else {}
                found += summaries(run, of_run, right)
                scored = _scored_sets(results, run, {each.question_set for each in of_run})
                if len(scored) > 1:
                    found += macro_summaries(run, scored, of_run, right)
            return tuple(found)

        return await self._database.read(read)

    @needs(Permission.READ)
    async def open_sets(self, run_ids: Sequence[str]) -> tuple[str, ...]:
        """Sets of the runs all of whose questions are open: they are in no curve, and in no mean over sets."""

        def read(session: Session) -> tuple[str, ...]:
            results = BenchmarkResultRepository(session)
            return tuple(dict.fromkeys(name for run_id in run_ids for name in results.open_sets(run_id)))

        return await self._database.read(read)

    @needs(Permission.READ)
    async def count_unscored(self, run_ids: Sequence[str], rule: str) -> int:
        """Number of the runs' answered questions, for each model, that a rule does not score."""
        if rule != "m1":
            return 0
        return await self._database.read(lambda s: BenchmarkResultRepository(s).count_unscored_by_m1(run_ids))

    @needs(Permission.READ)
    async def imported(self, run_id: str) -> ImportedFacts:
        """The files that a run's answers come from, and their verdicts beside ours; no files, if this app made it."""
        return await self._database.read(lambda s: ImportedFacts(files_of(s, run_id), own_verdicts(s, run_id)))

    @needs(Permission.READ)
    async def imported_answers(self, item_id: str) -> tuple[ImportedAnswer, ...]:
        """The answers to an item of an imported run, as their files have them."""
        return await self._database.read(lambda s: imported_answers(s, item_id))

    @needs(Permission.READ)
    async def judged(self, run_id: str) -> JudgedAnswers:
        """Verdicts on the run's answers to open questions."""
        return await self._database.read(lambda s: judged_answers(s, run_id))

    @needs(Permission.READ)
    async def open_answers(
        self, run_id: str, wanted: OpenAnswerFilter, *, limit: int = 50, offset: int = 0
    ) -> OpenAnswerPage:
        """A run's answers to open questions with their verdicts, in the run's order.

        Persons judge blind: what other persons say of an answer is left out until the reader has judged it. Reviewers
        see all.
        """
        answers, total = await self._database.read(lambda s: open_answers(s, run_id, wanted, limit, offset))
        return OpenAnswerPage(tuple(map(_as_seen, answers)), total)

    @needs(Permission.READ)
    async def transitions(self, run_id: str, pair: CellPair, rule: str = "strict") -> Transitions:
        """Verdict changes between first passes.

        Raises:
            AppError: both cells are the same.
            NothingAnswered: no question has both yet.
        """
        if pair.before == pair.after and pair.other_model in ("", pair.model):
            raise AppError(
                "Both settings are the same, so there is nothing to compare. Choose another budget or another model."
            )
        counts = await self._transition_counts(run_id, pair, rule)
        if not sum(counts):
            note = unscored_note(await self.count_unscored([run_id], rule))
            raise NothingAnswered(note or "No question has been answered at both settings yet.")
        return Transitions(*counts, await asyncio.to_thread(_compared, counts))

    @needs(Permission.READ)
    async def compare_curve(
        self, run_id: str, model: str, question_set: str, force_rounds: int, rule: str = "strict"
    ) -> tuple[tuple[int, PairedComparison, float], ...]:
        """Compare each budget with the one before: (budget, comparison, Holm-corrected p-value)."""
        run = await self._database.read(lambda s: BenchmarkRepository(s).get(run_id))
        steps = list(pairwise(run.budgets))
        pairs = [CellPair(model, question_set, (one, force_rounds), (other, force_rounds)) for one, other in steps]
        counted = await asyncio.gather(*(self._transition_counts(run_id, pair, rule) for pair in pairs))
        return await asyncio.to_thread(_curve, [other for _, other in steps], counted)

    @needs(Permission.READ)
    async def compare_models(self, run_ids: Sequence[str], rule: str = "strict") -> tuple[ComparedModels, ...]:
        """Compare every two models of one or more runs in every cell, on the questions of all their sets."""

        def read(session: Session) -> list[tuple[BenchmarkRun, Verdicts]]:
            runs, results = BenchmarkRepository(session), BenchmarkResultRepository(session)
            return [(runs.get(each), results.first_verdicts(each, is_m1=rule == "m1")) for each in run_ids]

        return await asyncio.to_thread(compare_models, await self._database.read(read))

    @needs(Permission.READ)
    async def questions(
        self, run_id: str, wanted: QuestionFilter, *, rule: str = "strict", limit: int = 50, offset: int = 0
    ) -> QuestionPage:
        """Questions of a run with their verdicts, in the run's order."""
        run = await self._database.read(lambda s: BenchmarkRepository(s).get(run_id))
        stored = VerdictFilter(
            model=wanted.model,
            question_set=wanted.question_set,
            cell=wanted.cell or (max(run.budgets), max(run.force_rounds)),
            before=wanted.before,
            before_model=wanted.before_model,
            verdict=wanted.verdict,
            text=wanted.text,
            is_m1=rule == "m1",
        )
        questions, total = await self._database.read(
            lambda s: BenchmarkResultRepository(s).verdicts(run_id, stored, limit, offset)
        )
        return QuestionPage(questions, total)

    @needs(Permission.READ)
    async def tags(
        self, run_id: str, wanted: TagFilter, *, rule: str = "strict", limit: int = MOST_TAGS, offset: int = 0
    ) -> TagPage:
        """Accuracy by tag at each budget; up to `MOST_TAGS` tags can be paged through, a search finds the others."""

        def read(session: Session) -> TagPage:
            run = BenchmarkRepository(session).get(run_id)
            chosen = TagChoice(
                model=wanted.model or run.models[0],
                question_set=wanted.question_set,
                force_rounds=min(run.force_rounds) if wanted.force_rounds is None else wanted.force_rounds,
                text=wanted.text,
                is_m1=rule == "m1",
            )
            counts, total = tag_counts(session, run, chosen)
            return TagPage(
                model=chosen.model,
                force_rounds=chosen.force_rounds,
                budgets=run.budgets,
                is_imported=is_imported(run),
                tags=tuple(tag_summary(each) for each in counts[offset : offset + limit]),
                total=total,
            )

        return await self._database.read(read)

    @needs(Permission.READ)
    async def rows(self, run_id: str, page_rows: int = _PAGE_ROWS) -> AsyncIterator[list[dict[str, Any]]]:
        """All results with their questions, in order, for export; each page is read in its own transaction.

        Args:
            run_id: the run.
            page_rows: rows of a page, roughly; a page has all results of its questions.
        """
        run = await self.get(run_id)
        name = run_name(run) if is_imported(run) else run.name
        items = max(1, page_rows // max(1, run.passes * len(run.budgets) * len(run.force_rounds)))
        for start in range(0, run.items, items):
            rows = await self._database.read(_rows_of(run_id, range(start, start + items)))
            yield [
                row | {"run": name, "hamming_score": hamming_score(row["letter_strict"], row["target"])} for row in rows
            ]

    @needs(Permission.READ)
    async def table(self, run_id: str) -> "pd.DataFrame":
        """All results as rows, with their questions."""
        rows = [row async for page in self.rows(run_id) for row in page]
        return await asyncio.to_thread(_frame, rows)

    async def _transition_counts(self, run_id: str, pair: CellPair, rule: str) -> tuple[int, int, int, int]:
        """Counts: right-right, right-wrong, wrong-right, wrong-wrong."""
        counts = await self._database.read(
            lambda s: BenchmarkResultRepository(s).transition_counts(
                run_id,
                pair.model,
                pair.question_set,
                pair.before,
                pair.after,
                other_model=pair.other_model,
                is_m1=rule == "m1",
            )
        )
        return (
            counts.get((True, True), 0),
            counts.get((True, False), 0),
            counts.get((False, True), 0),
            counts.get((False, False), 0),
        )


def _rows_of(run_id: str, positions: range) -> Callable[[Session], list[dict[str, Any]]]:
    return lambda session: BenchmarkResultRepository(session).rows(run_id, positions)


def _frame(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows)


def _compared(counts: tuple[int, int, int, int]) -> PairedComparison:
    """Compare the cells of `_transition_counts`; run in a thread, since the import and the bootstrap are slow."""
    from m1app.benchmark.statistics import compare_counts

    both, lost, gained, neither = counts
    return compare_counts(both=both, lost=lost, gained=gained, neither=neither)


def _curve(
    budgets: Sequence[int], counts: Sequence[tuple[int, int, int, int]]
) -> tuple[tuple[int, PairedComparison, float], ...]:
    from m1app.benchmark.statistics import holm

    found = [(budget, _compared(each)) for budget, each in zip(budgets, counts, strict=True) if sum(each)]
    corrected = holm([comparison.p_value for _, comparison in found])
    return tuple((budget, comparison, p) for (budget, comparison), p in zip(found, corrected, strict=True))


def _scored_sets(results: BenchmarkResultRepository, run: BenchmarkRun, with_results: set[str]) -> Sequence[str]:
    """A run's sets without those of open questions; a set that has scored results needs no look."""
    missing = [name for name in run.question_sets if name not in with_results]
    are_open = results.open_sets(run.id) if missing else ()
    return [name for name in run.question_sets if name not in are_open]


def _as_seen(answer: ListedAnswer) -> ListedAnswer:
    """The answer as the current person may see it."""
    person = current_person()
    is_own = [each.is_person and each.judged_by == person.account_id for each in answer.verdicts]
    if any(is_own) or person.may(Permission.REVIEW):
        return answer
    return replace(answer, verdicts=tuple(each for each in answer.verdicts if not each.is_person))
