"""Strategies in words and as a table, the same on the page and in files."""

from collections.abc import Iterator, Mapping

from m1app.benchmark.descriptions import caution
from m1app.benchmark.measured_strategies import MeasuredStrategy
from m1app.benchmark.strategy_comparison import MOST_ANSWERS, StrategyComparison, StrategyPoint
from m1app.benchmark.tables import Table, TableCell, TableRow
from m1app.strategies.catalogue import parse
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.evaluating.evaluation import StrategyName
from m1app.strategies.evaluating.ordered_votes import ALL_ORDERS, DRAWS
from m1app.wording import counted, p_value, percent, percent_with_interval, points
from storage.benchmarks.guessing import GuessingPair

NAMES: Mapping[StrategyName, str] = {
    **{each: parse(each)[0].kind.title for each in StrategyName if each is not StrategyName.CEILING},
    StrategyName.BETA_VOTE: "Vote until clear (Beta)",
    StrategyName.CEILING: "Any pass right (ceiling)",
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
    if point.strategy is StrategyName.BUDGET_FORCING:
        return f"{point.budget_tokens:,} tokens"
    if point.threshold is not None:
        return f"above {percent(point.threshold, digits=0)}"
    if point.strategy is StrategyName.DYNASOR:
        return "two budgets agree"
    most = "at most " if point.strategy in (StrategyName.ADAPTIVE_VOTE, StrategyName.BETA_VOTE) else ""
    return most + counted(point.passes, "pass", "passes")


def strategy_table(comparison: StrategyComparison) -> Table:
    """Each strategy's settings, with the difference to a vote of equal cost where one costs as much.

    Of several passes these are powers of two and all passes; the chart has every number.
    """
    shown = [each for each in comparison.points if _is_tabled(each, comparison.passes)]
    return Table(_HEADS, 2, tuple(map(_row, shown)))


def measured_table(comparison: StrategyComparison) -> Table:
    """The run's own strategies, one row each; and its passes with and without guessed tokens, where both are known."""
    rows = [*map(_measured_row, comparison.measured)]
    if pair := comparison.guessing:
        rows.append(_guessing_row("All passes, no token guessed", pair, pair.plain_tokens, pair.plain_seconds))
        named = f"All passes, tokens guessed ({pair.method})"
        rows.append(_guessing_row(named, pair, pair.guessing_tokens, pair.guessing_seconds))
    return Table(_MEASURED_HEADS, 2, tuple(rows))


def _guessing_row(name: str, pair: GuessingPair, tokens: int, seconds: float) -> TableRow:
    none = TableCell("–", "Guessing changes the time, not the answers.")
    cells = (
        TableCell(name, f"{pair.equal_questions:,} of {counted(pair.questions, 'question')} took equally many tokens."),
        TableCell("measured"),
        TableCell(f"{pair.questions:,}"),
        TableCell(f"{tokens / pair.questions:,.0f}"),
        none,
        none,
        TableCell(f"{seconds / pair.questions:,.1f}"),
    )
    return TableRow((*cells, *[none] * 4))


def guessing_note(pair: GuessingPair) -> str:
    """What a reader must know of the rows with and without guessing."""
    ratio = pair.guessing_seconds / pair.plain_seconds if pair.plain_seconds else float("nan")
    return (
        f"With guessing, the passes of a question took {ratio:.2f} of the seconds; "
        f"{pair.equal_questions:,} of {counted(pair.questions, 'question')} took the same number of tokens. Both runs "
        "have the same recipe and number of parallel questions; seconds are wall-clock time and include whatever "
        "else the machine was doing."
    )


_MEASURED_HEADS = (
    "Strategy",
    "Source",
    "Questions",
    "Tokens",
    "With prompts",
    "Wasted",
    "Seconds",
    "Accuracy (95% interval)",
    "Against equal vote, points",
    *_HEADS[5:],
)


def _measured_row(each: MeasuredStrategy) -> TableRow:
    found = each.accuracy
    unknown = TableCell(
        "–", "Stored passes do not show what a cache would have contained or how long a run would have taken."
    )
    cells = (
        TableCell(title_of(each.choice), each.choice),
        TableCell("from the pool" if each.is_from_pool else "measured"),
        TableCell(f"{each.questions:,}"),
        TableCell(f"{each.tokens:,.0f}"),
        unknown if each.computed is None else TableCell(f"{each.computed:,.0f}"),
        TableCell(f"{each.wasted:,.0f}"),
        unknown if each.seconds is None else TableCell(f"{each.seconds:,.1f}"),
        TableCell(percent_with_interval(found.value, found.low, found.high)),
    )
    if each.against_vote is None or each.corrected_p is None:
        return TableRow((*cells, *[TableCell("–", "Not compared: it is a vote, or no vote has the same cost.")] * 3))
    difference = each.against_vote
    compared = (
        points(difference.difference),
        f"{points(difference.low)} to {points(difference.high)}",
        p_value(each.corrected_p),
    )
    return TableRow((*cells, *map(TableCell, compared)))


def title_of(choice: str) -> str:
    """A strategy as it is written, for people; as it is written where there is none of that name any more."""
    try:
        return parse(choice)[0].title
    except StrategyRefused:
        return choice


def measured_notes(comparison: StrategyComparison) -> Iterator[str]:
    """What a reader must know of the run's own strategies, in sentences."""
    if comparison.measured:
        yield _HOW_MEASURED
    if comparison.guessing:
        yield guessing_note(comparison.guessing)
    unasked = max((each.unasked for each in comparison.measured), default=0)
    if unasked:
        questions = counted(unasked, "question")
        yield f"Not asked: {questions} without options and a target, with several right ones, or failed."


_HOW_MEASURED = (
    "Each strategy answered every question once. From the pool: it needed only the run's own passes, in order. "
    "Measured: run on the engine; passes that were already sampled count as if they had been asked again. Tokens, "
    "seconds and waste are means per question. “With prompts” adds uncached prompt tokens; the prompt of shared "
    "passes counts once. An equal vote costs the same number of tokens."
)


def facets_note() -> str:
    """What a reader must know of charts by difficulty."""
    return (
        "Difficulty is the share of right passes, which uses the right answers (an oracle). The questions are sorted "
        "by the same passes that are evaluated, so the charts describe these questions but predict nothing."
    )


def _is_tabled(point: StrategyPoint, passes: int) -> bool:
    return point.passes & (point.passes - 1) == 0 or point.passes == passes


def strategy_notes(comparison: StrategyComparison) -> Iterator[str]:
    """What a reader must know of these numbers, in sentences."""
    asked = f"{counted(comparison.questions, 'question')}, {counted(comparison.passes, 'pass', 'passes')} each."
    exact = "Accuracies are exact means over all ways to draw the passes"
    drawn = (
        f"; only votes until clear and votes by probability are means over {DRAWS:,} draws"
        if comparison.passes > ALL_ORDERS
        else ""
    )
    yield f"{asked} {exact}{drawn}."
    if any(each.against_vote for each in comparison.points):
        yield (
            "Differences to a vote of equal cost have BCa intervals of a bootstrap over questions, corrected for few "
            "questions; their p-values are corrected for all comparisons of this page (Holm)."
        )
    if comparison.questions < comparison.questions_stored:
        yield (
            f"{comparison.questions_stored:,} questions are answered. Questions are left out if passes are missing or "
            f"the rule does not score them; above {MOST_ANSWERS:,} answers, some are left out at regular intervals."
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
    if point.strategy is StrategyName.VOTE:
        return "The others are compared with the vote."
    if point.strategy is StrategyName.CEILING:
        return "Not a strategy: it needs the target."
    return "Not compared: no vote of these passes has the same cost, or there is only one pass."
