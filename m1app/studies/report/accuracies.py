"""Accuracies of a study as tables: the two readings beside the paper's numbers, and every cell."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from m1app.benchmark.descriptions import caution
from m1app.benchmark.intervals import Proportion
from m1app.benchmark.tables import MACRO_NAME, Table, TableCell, TableRow
from m1app.studies.records import Reading, StudyOutcome
from m1app.studies.report.claims import NOTHING
from m1app.wording import counted, percent, percent_with_interval

CELL_HEADS = (
    *(
        "run",
        "model",
        "question_set",
        "budget_tokens",
        "force_rounds",
        "questions",
        "answers",
        "accuracy",
        "low",
        "high",
    ),
    *("answered_share", "mean_thinking_tokens", "mean_tokens"),
)
READING_HEADS = (
    *("run", "role", "model", "question_set", "force_rounds", "budget_tokens", "at_one_budget", "low", "high"),
    *("questions", "paper_at_one_budget", "best_budget_tokens", "best_of_budgets", "best_low", "best_high"),
    "paper_best_of_budgets",
)
_HEADS = (
    *("Model", "Set", "n", "At one budget (95% interval)", "Paper, that budget"),
    *("Best of budgets, optimistic", "at tokens", "Paper, best of budgets"),
)


@dataclass(frozen=True, slots=True)
class TitledTable:
    """A table of the report."""

    id: str
    """Of its file: letters, digits and hyphens."""
    title: str
    table: Table
    is_first: bool = True
    """Whether it has the least forced rounds of its run, which the paper's numbers are of."""


def reading_tables(outcome: StudyOutcome) -> tuple[TitledTable, ...]:
    """A table for each run and number of forced rounds: a row for each model and set, the means first."""
    groups: dict[tuple[str, int], list[Reading]] = {}
    for each in outcome.readings:
        groups.setdefault((each.run_id, each.force_rounds), []).append(each)
    least = {run: min(rounds for other, rounds in groups if other == run) for run, _ in groups}
    return tuple(
        _table(outcome, run, rounds, readings, is_first=rounds == least[run])
        for (run, rounds), readings in groups.items()
    )


def reading_values(outcome: StudyOutcome) -> Iterable[tuple[str | float | int | None, ...]]:
    """Rows under `READING_HEADS`."""
    for each in outcome.readings:
        at, best = each.at_one_budget, each.best_of_budgets
        yield (
            *(each.run_id, each.role, each.model, each.question_set or MACRO_NAME, each.force_rounds),
            *(each.budget_tokens, at.value, at.low, at.high, at.questions, each.paper_at_one_budget),
            *(each.best_budget_tokens, best.value, best.low, best.high, each.paper_best_of_budgets),
        )


def cell_values(outcome: StudyOutcome) -> Iterable[tuple[str | float | int | None, ...]]:
    """Rows under `CELL_HEADS`, means over sets among them."""
    for run_id, cells in outcome.cells.items():
        for each in cells:
            found = each.accuracy
            yield (
                *(run_id, each.model, set_name(outcome, each.question_set), each.budget_tokens, each.force_rounds),
                *(each.n, found.n, found.value, found.low, found.high),
                *(each.answered_share, each.mean_thinking_tokens, each.mean_tokens),
            )


def sets_table(
    outcome: StudyOutcome, run_ids: Sequence[str], sets: Sequence[str], budget: int | None, *, has_paper: bool
) -> Table:
    """Sets by models at one budget and the least forced rounds, for a figure of kind "accuracies".

    Args:
        outcome: the study.
        run_ids: of the study's file.
        sets: the study's names, and "" for the mean over the sets.
        budget: None takes the study's, or the largest of each run.
        has_paper: whether the paper's number at that budget stands beside each model's.
    """
    columns = [each for run_id in run_ids for each in _columns(outcome, run_id, budget, has_paper=has_paper)]
    rows = [
        TableRow((TableCell(name or MACRO_NAME), *(TableCell(each.shares.get(name, NOTHING)) for each in columns)))
        for name in sets
        if any(name in each.shares for each in columns)
    ]
    return Table(("Set", *(each.head for each in columns)), 1, tuple(rows))


def set_name(outcome: StudyOutcome, question_set: str) -> str:
    """The study's name of a set of this installation; that of the mean for an empty one."""
    if not question_set:
        return MACRO_NAME
    return next((name for name, here in outcome.sets.items() if here == question_set), question_set)


def _table(
    outcome: StudyOutcome, run_id: str, rounds: int, readings: Sequence[Reading], *, is_first: bool
) -> TitledTable:
    title = outcome.study.run(run_id).title or run_id
    budgets = sorted({each.budget_tokens for each in readings})
    at = " and ".join(f"{each:,}" for each in budgets)
    ordered = sorted(readings, key=lambda each: bool(each.question_set))
    by_model: Mapping[str, list[Reading]] = {
        name: [each for each in ordered if each.role == name] for name in dict.fromkeys(each.role for each in readings)
    }
    rows = [_row(outcome, each) for of_model in by_model.values() for each in of_model]
    words = f"{title}: {counted(rounds, 'forced round')}, one budget of {at} tokens"
    return TitledTable(f"accuracy-{run_id}-{rounds}", words, Table(_HEADS, 2, tuple(rows)), is_first)


def _row(outcome: StudyOutcome, each: Reading) -> TableRow:
    best = TableCell(_share(each.best_of_budgets), "Chosen on the same questions that are scored.", "optimistic")
    questions = each.at_one_budget.questions
    few = caution(questions)
    cells = (
        TableCell(each.role, each.model),
        TableCell(each.question_set or MACRO_NAME),
        TableCell(f"{questions:,}", few, "few" if few else ""),
        TableCell(_share(each.at_one_budget)),
        TableCell(_paper(each.paper_at_one_budget)),
        best,
        _best_budget(each),
        TableCell(_paper(each.paper_best_of_budgets)),
    )
    return TableRow(cells, "" if each.question_set else "mean")


def _best_budget(each: Reading) -> TableCell:
    if each.best_budget_tokens is None:
        return TableCell("own", "each set at its own best budget")
    return TableCell(f"{each.best_budget_tokens:,}")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of `sets_table`."""

    head: str
    shares: Mapping[str, str]
    """The study's name of a set to the accuracy; "" is the mean."""


def _columns(outcome: StudyOutcome, run_id: str, budget: int | None, *, has_paper: bool) -> Iterable[_Column]:
    cells = outcome.cells.get(run_id, ())
    wanted = budget or outcome.study.reading_budget or max((each.budget_tokens for each in cells), default=0)
    names = {here: name for name, here in outcome.sets.items()}
    least = min((each.force_rounds for each in cells), default=0)
    at_budget = [each for each in cells if (each.budget_tokens, each.force_rounds) == (wanted, least)]
    for model in dict.fromkeys(each.model for each in at_budget):
        own = {names.get(each.question_set, each.question_set): each for each in at_budget if each.model == model}
        yield _Column(f"{model}, {wanted:,} tokens", {name: _share(each.accuracy) for name, each in own.items()})
        paper = _paper_column(outcome, run_id, model, wanted)
        if has_paper and paper:
            yield _Column("Paper", paper)


def _paper_column(outcome: StudyOutcome, run_id: str, model: str, budget: int) -> Mapping[str, str]:
    found = [e for e in outcome.readings if (e.run_id, e.model, e.budget_tokens) == (run_id, model, budget)]
    return {
        each.question_set: percent(each.paper_at_one_budget) for each in found if each.paper_at_one_budget is not None
    }


def _share(found: Proportion) -> str:
    if math.isnan(found.low) or math.isnan(found.high):
        return percent(found.value)
    return percent_with_interval(found.value, found.low, found.high)


def _paper(share: float | None) -> str:
    return NOTHING if share is None else percent(share)
