"""Parses requests from the Benchmarks page's code. Unknown names fall back to the default."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from m1app.benchmark.cell_summaries import MACRO, CellSummary
from m1app.benchmark.charts.kinds import Chart
from m1app.benchmark.charts.lines import ChartChoice, is_chosen
from m1app.benchmark.tag_summaries import TagFilter
from m1app.errors import AppError

_MOST_CHARACTERS = 200


class BadAddress(AppError):
    """The page's address contains something invalid."""


def rule_of(values: Mapping[str, Any]) -> str:
    """The scoring rule: "strict" unless m1 is asked for."""
    return "m1" if values.get("rule") == "m1" else "strict"


def choice_of(values: Mapping[str, Any]) -> ChartChoice:
    """What to draw."""
    chart = {each.value: each for each in Chart}.get(str(values.get("chart", "")), Chart.BUDGET)
    model = str(values.get("model", ""))
    return ChartChoice(
        chart=chart,
        question_sets=tuple(str(each) for each in values.get("sets") or ("",)),
        models=(model,) if model else (),
        force_rounds=_whole(values.get("rounds")),
        budget_tokens=_whole(values.get("budget")),
        with_paper=bool(values.get("paper")),
    )


def without_average(choice: ChartChoice, cells: Sequence[CellSummary], open_sets: Sequence[str]) -> ChartChoice:
    """A choice of the macro average where open questions leave too few sets for one: the sets themselves instead.

    Args:
        choice: what is asked for.
        cells: all cells of the chosen runs.
        open_sets: sets of these runs that have only open questions.
    """
    sets = tuple(dict.fromkeys(cell.question_set for cell in cells))
    if choice.question_sets != (MACRO,) or MACRO in sets or not open_sets:
        return choice
    return replace(choice, question_sets=sets or (MACRO,))


def tag_filter_of(values: Mapping[str, Any]) -> TagFilter:
    """Which results to count by tag."""
    return TagFilter(
        model=str(values.get("model", "")),
        question_set=str(values.get("set", "")),
        force_rounds=_whole(values.get("rounds")),
        text=str(values.get("text", ""))[:_MOST_CHARACTERS],
    )


def is_shown(cell: CellSummary, choice: ChartChoice) -> bool:
    """Whether a cell is part of the selection."""
    return cell.question_set in choice.question_sets and is_chosen(cell, choice)


def cell_of(text: Any) -> tuple[int, int]:
    """Parse "512-1" to (budget, rounds).

    Raises:
        BadAddress: the text has another form.
    """
    try:
        budget, rounds = (int(part) for part in str(text).split("-"))
    except ValueError as exc:
        raise BadAddress(f"“{text}” is not a cell. Use budget and rounds, as in 512-0.") from exc
    return budget, rounds


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
