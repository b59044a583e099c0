"""Points of a run's curves: each cell of each set, and the mean over sets.

`m1app.benchmark.statistics` takes seconds to load: it is imported where it is used.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from m1app.benchmark.intervals import Proportion
from storage.benchmarks.records import BenchmarkRun, CellCount, RunState
from storage.benchmarks.results import CellKey

MACRO = ""
"""Stands for the mean over sets in place of a set's name."""
RightByItem = Mapping[tuple[str, str, CellKey], Sequence[tuple[int, int]]]
"""See `BenchmarkResultRepository.right_by_item`; empty for runs of one pass."""


@dataclass(frozen=True, slots=True)
class CellSummary:
    """One point of a curve."""

    run_id: str
    model: str
    question_set: str
    """`MACRO` for the mean over the run's sets that a rule scores."""
    budget_tokens: int
    force_rounds: int
    n: int
    """Number of questions, however often each was asked; for the mean over sets, of all sets together."""
    accuracy: Proportion
    """Unanswered and failed questions count as wrong."""
    answered_share: float
    mean_thinking_tokens: float
    """Mean thinking tokens available to the answers; NaN if an imported run's file does not say them."""
    mean_tokens: float
    """Cost: mean tokens per question that running this cell alone would generate; NaN likewise."""
    is_imported: bool = False
    """Whether its answers come from a file; its budget is then 0 if the file does not say it."""

    @property
    def label(self) -> str:
        """Its model, for charts and tables of one run."""
        return f"{self.model} (imported)" if self.is_imported else self.model


def summaries(run: BenchmarkRun, counts: Iterable[CellCount], right: RightByItem) -> list[CellSummary]:
    """A point for each count.

    Args:
        run: whose results were counted.
        counts: of its sets.
        right: see `RightByItem`.
    """
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

    is_imported = run.state is RunState.IMPORTED
    return [_summary(each, _questions(run, each, right), share(each), is_imported=is_imported) for each in counts]


def _questions(run: BenchmarkRun, each: CellCount, right: RightByItem) -> int:
    if run.passes == 1:
        return each.n
    return len(right[each.model, each.question_set, (each.budget_tokens, each.force_rounds)])


def _summary(each: CellCount, questions: int, share: Proportion, *, is_imported: bool) -> CellSummary:
    return CellSummary(
        run_id=each.run_id,
        model=each.model,
        question_set=each.question_set,
        budget_tokens=each.budget_tokens,
        force_rounds=each.force_rounds,
        n=questions,
        accuracy=share,
        answered_share=each.answered / each.n,
        mean_thinking_tokens=_mean_of(each.thinking_tokens, each.n, is_known_zero=not is_imported),
        mean_tokens=_mean_of(each.tokens_if_separate, each.n, is_known_zero=not is_imported),
        is_imported=is_imported,
    )


def _mean_of(total: int, n: int, *, is_known_zero: bool) -> float:
    """NaN where a sum of 0 stands for tokens that nobody counted."""
    return total / n if total or is_known_zero else math.nan


def macro_summaries(
    run: BenchmarkRun, sets: Sequence[str], counts: Sequence[CellCount], right: RightByItem
) -> list[CellSummary]:
    """Mean over sets, for the cells where every set has results.

    Args:
        run: whose results were counted.
        sets: those that a rule scores: a set of open questions has no accuracy.
        counts: of these sets.
        right: see `RightByItem`.
    """
    from m1app.benchmark.statistics import clustered_macro_average, macro_average

    def share(model: str, cell: CellKey, of_cell: Sequence[CellCount]) -> Proportion:
        if run.passes == 1:
            return macro_average({each.question_set: (each.correct, each.n) for each in of_cell})
        return clustered_macro_average({name: right[model, name, cell] for name in sets})

    found: list[CellSummary] = []
    is_own = run.state is not RunState.IMPORTED
    cells: dict[tuple[str, int, int], list[CellCount]] = {}
    for each in counts:
        cells.setdefault((each.model, each.budget_tokens, each.force_rounds), []).append(each)
    for (model, budget, rounds), of_cell in cells.items():
        if len(of_cell) < len(sets):
            continue
        found.append(
            CellSummary(
                run_id=run.id,
                model=model,
                question_set=MACRO,
                budget_tokens=budget,
                force_rounds=rounds,
                n=sum(_questions(run, each, right) for each in of_cell),
                is_imported=not is_own,
                accuracy=share(model, (budget, rounds), of_cell),
                answered_share=_mean(each.answered / each.n for each in of_cell),
                mean_thinking_tokens=_mean(
                    _mean_of(each.thinking_tokens, each.n, is_known_zero=is_own) for each in of_cell
                ),
                mean_tokens=_mean(_mean_of(each.tokens_if_separate, each.n, is_known_zero=is_own) for each in of_cell),
            )
        )
    return found


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
