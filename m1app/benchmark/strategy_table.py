"""Strategies in words and as a table, the same on the page and in files."""

from collections.abc import Iterator, Mapping

from m1app.benchmark.descriptions import caution
from m1app.benchmark.strategy_comparison import MOST_ANSWERS, StrategyComparison, StrategyPoint
from m1app.benchmark.tables import Table, TableCell, TableRow
from m1app.strategies.evaluation import Strategy
from m1app.wording import counted, p_value, percent, percent_with_interval, points

NAMES: Mapping[Strategy, str] = {
    Strategy.CHAIN: "One pass, at each budget",
    Strategy.VOTE: "Majority vote",
    Strategy.WEIGHTED_VOTE: "Vote by probability",
    Strategy.ADAPTIVE_VOTE: "Vote that ends when clear",
    Strategy.FIRST_TO_FINISH: "First to finish",
    Strategy.MOST_CONFIDENT: "Most confident pass",
    Strategy.EXIT_WHEN_SURE: "Early exit when sure",
    Strategy.EXIT_ON_AGREEMENT: "Early exit on agreement",
    Strategy.CEILING: "Any pass right (ceiling)",
}
_HEADS = (
    "Strategy",
    "Setting",
    "Tokens per question",
    "Accuracy (95% interval)",
    "Against a vote of equal cost, points",
    "95% interval",
    "p, after Holm",
)


def setting(point: StrategyPoint) -> str:
    """A point's setting in words."""
    if point.strategy is Strategy.CHAIN:
        return f"{point.budget_tokens:,} tokens"
    if point.threshold is not None:
        return f"above {percent(point.threshold, digits=0)}"
    if point.strategy is Strategy.EXIT_ON_AGREEMENT:
        return "two budgets agree"
    most = "at most " if point.strategy is Strategy.ADAPTIVE_VOTE else ""
    return most + counted(point.passes, "pass", "passes")


def strategy_table(comparison: StrategyComparison) -> Table:
    """Each strategy's settings, with the difference to a vote of equal cost where one costs as much.

    Of several passes these are powers of two and all passes; the chart has every number.
    """
    shown = [each for each in comparison.points if _is_tabled(each, comparison.passes)]
    return Table(_HEADS, 2, tuple(map(_row, shown)))


def _is_tabled(point: StrategyPoint, passes: int) -> bool:
    return point.passes & (point.passes - 1) == 0 or point.passes == passes


def strategy_notes(comparison: StrategyComparison) -> Iterator[str]:
    """What a reader must know of these numbers, in sentences."""
    yield (
        f"{counted(comparison.questions, 'question')}, {counted(comparison.passes, 'pass', 'passes')} each. "
        "Accuracies are exact means over all ways to draw the passes; only adaptive votes and votes by probability are "
        "means over 256 draws."
    )
    if comparison.questions < comparison.questions_stored:
        yield (
            f"{comparison.questions_stored:,} questions are answered. Left out are those without all their passes, "
            f"those that the rule does not score, and, of more than {MOST_ANSWERS:,} answers, some at even distances."
        )
    if few := caution(comparison.questions):
        yield few
    if comparison.lacking:
        names = ", ".join(NAMES[each].lower() for each in comparison.lacking)
        yield (
            "Not shown, since the run has no probabilities of the options, or some questions have several right "
            f"options: {names}."
        )


def _row(point: StrategyPoint) -> TableRow:
    shared = (NAMES[point.strategy], setting(point), f"{point.tokens:,.0f}", _accuracy(point))
    found = point.against_vote
    if found is None or point.corrected_p is None:
        return TableRow((*map(TableCell, shared), *[TableCell("–", _why_not_compared(point))] * 3))
    compared = (points(found.difference), f"{points(found.low)} to {points(found.high)}", p_value(point.corrected_p))
    return TableRow(tuple(map(TableCell, (*shared, *compared))))


def _accuracy(point: StrategyPoint) -> str:
    return percent_with_interval(point.accuracy.value, point.accuracy.low, point.accuracy.high)


def _why_not_compared(point: StrategyPoint) -> str:
    if point.strategy is Strategy.VOTE:
        return "The vote is what the others are compared with."
    if point.strategy is Strategy.CEILING:
        return "Not a strategy: it needs the target."
    return "Not compared: no vote of these passes costs as much, or one pass is all there is."
