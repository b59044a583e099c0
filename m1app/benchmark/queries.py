"""Queries over benchmark runs: curves with intervals, transitions between cells, questions.

`m1app.benchmark.statistics` and pandas take seconds to load: they are imported where used, in threads and never in
coroutines.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from m1app.access.person import Permission, needs
from m1app.benchmark.descriptions import unscored_note
from m1app.benchmark.intervals import PairedComparison, Proportion, wilson
from m1app.errors import AppError
from m1app.targets import hamming_score
from storage.benchmarks.records import BenchmarkRun, CellCount, QuestionVerdict, TagCount
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.results import BenchmarkResultRepository, CellKey, VerdictFilter
from storage.benchmarks.tags import MOST_TAGS, TagChoice, tag_counts
from storage.database import Database, Session

if TYPE_CHECKING:
    import pandas as pd

_MOST_RUNS = 10_000
"""Number of recent runs searched for a tag."""
_PAGE_ROWS = 2000
MACRO = ""
"""Stands for the mean over sets in place of a set's name."""
_RightByItem = Mapping[tuple[str, str, CellKey], Sequence[tuple[int, int]]]
"""See `BenchmarkResultRepository.right_by_item`; empty for runs of one pass."""


@dataclass(frozen=True, slots=True)
class CellSummary:
    """One point of a curve."""

    run_id: str
    model: str
    question_set: str
    """`MACRO` for the mean over the run's sets."""
    budget_tokens: int
    force_rounds: int
    n: int
    """Number of questions, however often each was asked; for the mean over sets, of all sets together."""
    accuracy: Proportion
    """Unanswered and failed questions count as wrong."""
    answered_share: float
    mean_thinking_tokens: float
    """Mean thinking tokens available to the answers."""
    mean_tokens: float
    """Cost: mean tokens per question that running this cell alone would generate."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFilter:
    """Which results to count by tag."""

    model: str = ""
    """Empty takes the run's first."""
    question_set: str = ""
    """Empty takes all sets."""
    force_rounds: int | None = None
    """None takes the run's least."""
    text: str = ""
    """Part of a tag, ignoring case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSummary:
    """Accuracy on the questions with one tag."""

    tag: str
    """Empty for the questions without a tag."""
    questions: int
    accuracies: tuple[Proportion, ...]
    """At each budget of the run. The interval is Wilson's; for several passes, at the effective number of questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPage:
    """Some tags of a run, those of the most questions first."""

    model: str
    force_rounds: int
    budgets: tuple[int, ...]
    tags: tuple[TagSummary, ...]
    total: int
    """Number of matching tags."""


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
                found += _summaries(run, of_run, right)
                if len(run.question_sets) > 1:
                    found += _macro(run, of_run, right)
            return tuple(found)

        return await self._database.read(read)

    @needs(Permission.READ)
    async def count_unscored(self, run_ids: Sequence[str], rule: str) -> int:
        """Number of the runs' answered questions, for each model, that a rule does not score."""
        if rule != "m1":
            return 0
        return await self._database.read(lambda s: BenchmarkResultRepository(s).count_unscored_by_m1(run_ids))

    @needs(Permission.READ)
    async def transitions(self, run_id: str, pair: CellPair, rule: str = "strict") -> Transitions:
        """Verdict changes between first passes; raises AppError until a question has both."""
        counts = await self._transition_counts(run_id, pair, rule)
        if not sum(counts):
            note = unscored_note(await self.count_unscored([run_id], rule))
            raise AppError(note or "No question has been answered at both settings yet.")
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
                tags=tuple(_tag_summary(each) for each in counts[offset : offset + limit]),
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
        items = max(1, page_rows // max(1, run.passes * len(run.budgets) * len(run.force_rounds)))
        for start in range(0, run.items, items):
            rows = await self._database.read(_rows_of(run_id, range(start, start + items)))
            yield [row | {"hamming_score": hamming_score(row["letter_strict"], row["target"])} for row in rows]

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


def _tag_summary(count: TagCount) -> TagSummary:
    return TagSummary(
        tag=count.tag, questions=count.questions, accuracies=tuple(_tag_accuracy(each) for each in count.right)
    )


def _tag_accuracy(right: Sequence[int]) -> Proportion:
    if len(right) == 2:
        return wilson(right[1], sum(right))
    from m1app.benchmark.statistics import clustered_wilson

    return clustered_wilson(right)


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


def _summaries(run: BenchmarkRun, counts: Iterable[CellCount], right: _RightByItem) -> list[CellSummary]:
    from m1app.benchmark.statistics import accuracy, clustered_accuracy

    def share(each: CellCount) -> Proportion:
        if run.passes == 1:
            return accuracy(each.correct, each.n)
        # Several passes of one question carry less information than as many questions.
        key = (each.model, each.question_set, (each.budget_tokens, each.force_rounds))
        items = right[key]
        verdicts = [place < correct for correct, passes in items for place in range(passes)]
        clusters = [str(number) for number, (_, passes) in enumerate(items) for _ in range(passes)]
        return clustered_accuracy(verdicts, clusters)

    return [_summary(each, _questions(run, each, right), share(each)) for each in counts]


def _questions(run: BenchmarkRun, each: CellCount, right: _RightByItem) -> int:
    if run.passes == 1:
        return each.n
    return len(right[each.model, each.question_set, (each.budget_tokens, each.force_rounds)])


def _summary(each: CellCount, questions: int, share: Proportion) -> CellSummary:
    return CellSummary(
        run_id=each.run_id,
        model=each.model,
        question_set=each.question_set,
        budget_tokens=each.budget_tokens,
        force_rounds=each.force_rounds,
        n=questions,
        accuracy=share,
        answered_share=each.answered / each.n,
        mean_thinking_tokens=each.thinking_tokens / each.n,
        mean_tokens=each.tokens_if_separate / each.n,
    )


def _macro(run: BenchmarkRun, counts: Sequence[CellCount], right: _RightByItem) -> list[CellSummary]:
    """Mean over sets, for the cells where every set has results."""
    from m1app.benchmark.statistics import clustered_macro_average, macro_average

    def share(model: str, cell: CellKey, of_cell: Sequence[CellCount]) -> Proportion:
        if run.passes == 1:
            return macro_average({each.question_set: (each.correct, each.n) for each in of_cell})
        return clustered_macro_average({name: right[model, name, cell] for name in run.question_sets})

    found: list[CellSummary] = []
    cells = dict.fromkeys((each.model, each.budget_tokens, each.force_rounds) for each in counts)
    for model, budget, rounds in cells:
        of_cell = [
            each for each in counts if (each.model, each.budget_tokens, each.force_rounds) == (model, budget, rounds)
        ]
        if len(of_cell) < len(run.question_sets):
            continue
        found.append(
            CellSummary(
                run_id=run.id,
                model=model,
                question_set=MACRO,
                budget_tokens=budget,
                force_rounds=rounds,
                n=sum(_questions(run, each, right) for each in of_cell),
                accuracy=share(model, (budget, rounds), of_cell),
                answered_share=_mean(each.answered / each.n for each in of_cell),
                mean_thinking_tokens=_mean(each.thinking_tokens / each.n for each in of_cell),
                mean_tokens=_mean(each.tokens_if_separate / each.n for each in of_cell),
            )
        )
    return found


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
