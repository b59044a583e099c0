"""Tables of benchmark runs as text, the same on the page and in the report.

The accuracy table has two readings: at one thinking budget, and at the best budget, as in the paper's table.
The second is optimistic, since the budget is chosen on the same questions that are scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from m1app.benchmark.cell_summaries import MACRO, CellSummary
from m1app.benchmark.descriptions import caution
from m1app.benchmark.intervals import FEW_QUESTIONS, PairedComparison
from m1app.benchmark.paper_figures import PaperRow, paper_set, paper_table
from m1app.benchmark.tag_summaries import TagPage, TagSummary
from m1app.wording import budget, mean_count, p_value, percent, percent_with_interval, points


@dataclass(frozen=True, slots=True)
class Reading:
    """One number of the table."""

    value: float
    """Accuracy, 0-1."""
    low: float | None
    """Lower limit of its 95% interval; None if there is none."""
    high: float | None
    n: int
    questions: int
    """Fewer than n if they were asked several times."""
    budget_tokens: int | None
    """Budget of the reading; None for a mean over sets with different budgets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRow:
    """A model of a run with a number of force rounds."""

    run_id: str
    model: str
    label: str
    """The model, marked if the run was imported."""
    force_rounds: int
    budget_tokens: int
    """Budget of the first reading."""
    at_budget: Mapping[str, Reading]
    """Question set to reading at the chosen budget; "" is the macro average."""
    at_best: Mapping[str, Reading]
    """The same at each set's best budget; the lowest if several are equal."""


def reading_rows(cells: Sequence[CellSummary], budget_tokens: int) -> tuple[ReadingRow, ...]:
    """Return a row for each run, model and number of force rounds, in input order.

    Args:
        cells: the cells of all chosen runs, including macro averages.
        budget_tokens: budget of the first reading.
    """
    owners = dict.fromkeys((cell.run_id, cell.model, cell.force_rounds) for cell in cells)
    rows = []
    for run_id, model, force_rounds in owners:
        own = [c for c in cells if (c.run_id, c.model, c.force_rounds) == (run_id, model, force_rounds) and c.n]
        rows.append(
            ReadingRow(
                run_id=run_id,
                model=model,
                label=next((c.label for c in own), model),
                force_rounds=force_rounds,
                budget_tokens=budget_tokens,
                at_budget={c.question_set: _reading_of(c) for c in own if c.budget_tokens == budget_tokens},
                at_best=_best(own),
            )
        )
    return tuple(rows)


def _best(cells: Sequence[CellSummary]) -> dict[str, Reading]:
    best: dict[str, Reading] = {}
    for cell in sorted(cells, key=lambda c: (-c.accuracy.value, c.budget_tokens)):
        best.setdefault(cell.question_set, _reading_of(cell))
    if "" in best:
        # Like the paper's average: the mean of the sets' maxima, not the maximum of the means.
        own = [reading for name, reading in best.items() if name]
        n, questions = sum(each.n for each in own), sum(each.questions for each in own)
        best[""] = Reading(fmean(each.value for each in own), None, None, n, questions, None)
    return best


def _reading_of(cell: CellSummary) -> Reading:
    found = cell.accuracy
    return Reading(found.value, found.low, found.high, cell.n, found.questions, cell.budget_tokens)


MACRO_NAME = "Macro average"
BEST_NOTE = (
    "“Best budget of each” is optimistic: it takes the budget at which each set did best, chosen on the same questions "
    "that are scored. Compare it with the paper's table; do not expect it on new questions."
)

CurvePoint = tuple[int, PairedComparison, float]
"""A budget, its comparison with the previous budget, and the p-value corrected over the curve."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """A table cell."""

    text: str
    title: str = ""
    """Tooltip."""
    mark: str = ""
    """"optimistic" for such readings, "few" for a number of few questions; otherwise empty."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A table row."""

    cells: tuple[TableCell, ...]
    kind: str = ""
    """"paper" for figures from the paper; otherwise empty."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts."""

    heads: tuple[str, ...]
    first_number: int
    """Index of the first numeric column; all later ones are numeric."""
    rows: tuple[TableRow, ...]


def points_table(strict: Sequence[CellSummary], m1: Sequence[CellSummary], run_names: Mapping[str, str]) -> Table:
    """The numbers behind the curves, each cell scored by both rules.

    Args:
        strict: cells by the strict rule.
        m1: the same cells by the m1 rule, in any order.
        run_names: id to name of the runs.
    """
    by_m1 = {_key(cell): cell for cell in m1}
    order = {run_id: number for number, run_id in enumerate(run_names)}
    rows = []
    for cell in sorted(strict, key=lambda c: (order.get(c.run_id, 0), c.model, c.force_rounds, c.budget_tokens)):
        other = by_m1.get(_key(cell))
        rows.append(
            _row(
                _owner(cell.run_id, cell.label, run_names),
                cell.question_set or MACRO_NAME,
                str(cell.force_rounds),
                f"{cell.budget_tokens:,}" if cell.budget_tokens else "–",
                _count(cell.n, cell.accuracy.questions),
                _with_interval(cell),
                _with_interval(other) if other else "–",
                percent(cell.answered_share),
                mean_count(cell.mean_thinking_tokens),
                mean_count(cell.mean_tokens),
            )
        )
    heads = ("Model", "Set", "Rounds", "Budget", "n", "Accuracy, strict (95% interval)", "Accuracy, m1")
    return Table((*heads, "Answered", "Thinking tokens", "Tokens in all"), 2, tuple(rows))


def accuracy_table(
    cells: Sequence[CellSummary], budget_tokens: int, run_names: Mapping[str, str], *, with_paper: bool
) -> Table:
    """Our accuracies in both readings, optionally followed by the paper's rows.

    Args:
        cells: cells by one rule, including macro averages.
        budget_tokens: budget of the first reading.
        run_names: id to name of the runs.
        with_paper: whether to add the paper's Table 1, for the sets it has.
    """
    sets = list(dict.fromkeys(cell.question_set for cell in cells if cell.question_set))
    columns = [*([MACRO] if len(sets) > 1 else []), *sets]
    rows = [row for each in reading_rows(cells, budget_tokens) for row in _own_rows(each, columns, run_names)]
    if with_paper:
        rows += [_paper_row(each, columns) for each in paper_table()]
    heads = ("Model", "Rounds", "Reading", *(name or MACRO_NAME for name in columns))
    return Table(heads, 3, tuple(rows))


def curve_table(curve: Sequence[CurvePoint], first_budget: int) -> Table:
    """Each budget compared with the previous one.

    Args:
        curve: by ascending budget.
        first_budget: the run's lowest, where the curve starts.
    """
    rows, previous = [], first_budget
    for after, compared, corrected in curve:
        rows.append(
            _row(
                f"{previous:,} → {after:,}",
                _count(compared.n, compared.n),
                points(compared.difference),
                f"{points(compared.low)} to {points(compared.high)}",
                f"{compared.gained:,}",
                f"{compared.lost:,}",
                p_value(compared.p_value),
                p_value(corrected),
            )
        )
        previous = after
    tests = ("p (exact McNemar)", "p, after Holm")
    heads = ("Budgets", "n", "Difference, points", "95% interval", "Gained", "Lost", *tests)
    return Table(heads, 1, tuple(rows))


UNTAGGED_NAME = "(no tag)"
TAGS_NOTE = (
    "A question with several tags counts for each. Intervals are 95% (Wilson). Among many tags, some are far from the "
    f"others by chance; a marked n is below {FEW_QUESTIONS}: read the interval, not the percentage."
)


def tags_table(page: TagPage) -> Table:
    """Accuracy by tag and budget, each with its interval; tags of few questions are marked."""
    budgets = [budget(each) for each in page.budgets]
    return Table(("Tag", "n", *budgets), 1, tuple(_tag_row(each) for each in page.tags))


def _tag_row(each: TagSummary) -> TableRow:
    shares = (percent_with_interval(found.value, found.low, found.high) for found in each.accuracies)
    return _row(each.tag or UNTAGGED_NAME, _count(each.questions, each.questions), *shares)


def _key(cell: CellSummary) -> tuple[str, str, str, int, int]:
    return cell.run_id, cell.model, cell.question_set, cell.budget_tokens, cell.force_rounds


def _with_interval(cell: CellSummary) -> str:
    return percent_with_interval(cell.accuracy.value, cell.accuracy.low, cell.accuracy.high)


def _row(*cells: str | TableCell) -> TableRow:
    return TableRow(tuple(TableCell(cell) if isinstance(cell, str) else cell for cell in cells))


def _count(n: int, questions: int) -> TableCell:
    """A number of verdicts, marked where they are of few questions."""
    careful = caution(questions)
    return TableCell(f"{n:,}", careful, "few" if careful else "")


def _owner(run_id: str, label: str, run_names: Mapping[str, str]) -> str:
    return f"{run_names.get(run_id, run_id)} · {label}" if len(run_names) > 1 else label


def _own_rows(row: ReadingRow, columns: Sequence[str], run_names: Mapping[str, str]) -> tuple[TableRow, TableRow]:
    name = TableCell(_owner(row.run_id, row.label, run_names))
    rounds = TableCell(str(row.force_rounds))
    at = TableCell(f"at {budget(row.budget_tokens)}")
    best = TableCell("best budget of each (optimistic)", "Chosen on the same questions that are scored.", "optimistic")
    return (
        TableRow((name, rounds, at, *(_reading(row.at_budget.get(column)) for column in columns))),
        TableRow((name, rounds, best, *(_reading(row.at_best.get(column)) for column in columns))),
    )


def _reading(reading: Reading | None) -> TableCell:
    if reading is None:
        return TableCell("–", "not measured in this run")
    at = "each set at its own best budget" if reading.budget_tokens is None else f"at {budget(reading.budget_tokens)}"
    if reading.low is None or reading.high is None:
        share = f"{percent(reading.value)} (no interval)"
    else:
        share = percent_with_interval(reading.value, reading.low, reading.high)
    careful = caution(reading.questions)
    return TableCell(f"{share}, n = {reading.n:,}", f"{careful} {at}".strip(), "few" if careful else "")


def _paper_row(row: PaperRow, columns: Sequence[str]) -> TableRow:
    of_column = [paper_set(name) for name in columns]
    cells = [TableCell(percent(row.accuracies[name]) if name else "–") for name in of_column]
    # The paper's average is over its ten sets: next to fewer it would be misleading.
    if columns and columns[0] == MACRO and set(of_column[1:]) == set(row.accuracies):
        cells[0] = TableCell(percent(row.average))
    best = TableCell(
        "paper, best budget of each (optimistic)", "The maximum over the budgets of Figure 1.", "optimistic"
    )
    reading = best if row.is_maximum else TableCell("paper")
    return TableRow((TableCell(row.model), TableCell(""), reading, *cells), "paper")
