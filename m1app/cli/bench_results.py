"""What a benchmark run came to, for `m1app bench`: accuracies, strategies and judged answers, as text or JSON."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Protocol

from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.descriptions import caution, is_imported, unscored_note
from m1app.benchmark.errors import NoStrategies
from m1app.benchmark.judged_table import judged_notes
from m1app.benchmark.model_pairs import (
    ComparedModels,
    Detectable,
    asked_otherwise,
    detectable,
    detectable_words,
)
from m1app.benchmark.queries import BenchmarkReading
from m1app.benchmark.strategy_comparison import PassSelection, StrategyComparison, StrategyReading
from m1app.benchmark.strategy_table import measured_notes, measured_table
from m1app.cli.fits import table_text
from m1app.cli.terminal import write, write_json
from m1app.errors import AppError
from m1app.wording import counted, mean_count, p_value, percent_with_interval, points, tokens_account
from storage.benchmarks.judged import JudgedAnswers
from storage.benchmarks.records import BenchmarkRun
from storage.open_verdicts.records import Judgement

_RULES = ("strict", "m1")
Pairs = Sequence[tuple[CellSummary, CellSummary | None]]
"""Each cell by the rule strict, and by the rule m1 where that scores it."""


class Readings(Protocol):
    """What reads runs: all services, or only those that a command without an engine has."""

    @property
    def benchmark_reading(self) -> BenchmarkReading:
        """Reads runs."""

    @property
    def strategy_reading(self) -> StrategyReading:
        """Evaluates their strategies."""


async def show_results(services: Readings, run: BenchmarkRun, *, is_json: bool) -> None:
    """Print what a run has, as a table or as one JSON object."""
    strict, m1 = [await services.benchmark_reading.cells([run.id], rule) for rule in _RULES]
    by_m1 = {_key(cell): cell for cell in m1}
    pairs = [(cell, by_m1.get(_key(cell))) for cell in strict]
    judged = await services.benchmark_reading.judged(run.id)
    compared = [(model, found) for model in run.models if (found := await _strategies(services, run, model))]
    pairs_of_models = await services.benchmark_reading.compare_models([run.id])
    can_tell = await asyncio.to_thread(detectable, pairs_of_models)
    if is_json:
        more: dict[str, Any] = {"strategies": _strategies_json(compared)} if compared else {}
        if can_tell:
            more |= {"models": _models_json(pairs_of_models), "detectable": _detectable_json(can_tell)}
        write_json(_json(run, pairs) | ({"judged": _judged_json(judged)} if judged.counts else {}) | more)
        return
    _write_cells(run, pairs)
    if note := unscored_note(await services.benchmark_reading.count_unscored([run.id], "m1")):
        write(f"{note}\n")
    _write_judged(judged)
    asked = [one.accuracy.questions for one, _ in pairs]
    if few := min(filter(caution, asked), default=0):
        write(f"{caution(few)}\n")
    if can_tell:
        _write_models(pairs_of_models, can_tell)
    for model, comparison in compared:
        write(f"\nstrategies of {model}\n{table_text(measured_table(comparison))}")
        write(" ".join(measured_notes(comparison)) + "\n\n")
    if not is_imported(run):
        write(f"{tokens_account(run.tokens_generated, run.seconds, run.tokens_if_separate)}\n")


async def show_compared(services: Readings, run_ids: Sequence[str], *, is_json: bool) -> None:
    """Print what the models of one or more runs differ by, on the questions that they share."""
    runs = [await services.benchmark_reading.get(each) for each in dict.fromkeys(run_ids)]
    compared = await services.benchmark_reading.compare_models([each.id for each in runs])
    can_tell = await asyncio.to_thread(detectable, compared)
    if can_tell is None:
        raise AppError("No two models of these runs answered the same question in the same cell.")
    otherwise = asked_otherwise(runs)
    if is_json:
        found = {"models": _models_json(compared), "detectable": _detectable_json(can_tell)}
        write_json(found | {"asked_otherwise": otherwise})
        return
    _write_models(compared, can_tell)
    write(f"{otherwise}\n" if otherwise else "")


async def _strategies(services: Readings, run: BenchmarkRun, model: str) -> StrategyComparison | None:
    """The run's own strategies on one model; None without any, or before its first question is done."""
    if not run.strategies:
        return None
    choice = PassSelection(
        run_id=run.id,
        model=model,
        question_set="",
        force_rounds=min(run.force_rounds),
        budget_tokens=max(run.budgets),
    )
    try:
        return await services.strategy_reading.compare(choice)
    except NoStrategies:
        return None


def _write_cells(run: BenchmarkRun, pairs: Pairs) -> None:
    write(f"run {run.id} ({run.state.value}): {run.items_done:,} done, {run.items_failed:,} failed\n")
    write(
        f"{'set':24} {'model':20} {'budget':>7} {'rounds':>6} {'n':>6} {'strict':>24} {'m1':>24} {'unanswered':>11} "
        f"{'thinking':>9}\n"
    )
    for one, other in pairs:
        name = one.question_set or "macro average"
        write(
            f"{name[:24]:24} {one.model[:20]:20} {one.budget_tokens or '–':>7} {one.force_rounds:6} {one.n:6} "
            f"{_share(one):>24} {_share(other):>24} {_both_unanswered(one, other):>11} "
            f"{mean_count(one.mean_thinking_tokens):>9}\n"
        )


def _write_judged(judged: JudgedAnswers) -> None:
    for each in judged.counts:
        right = each.judgements.get(Judgement.RIGHT, 0)
        write(
            f"open questions of {each.question_set}, {each.model}, budget {each.budget_tokens:,}, "
            f"{counted(each.force_rounds, 'round')}: {right:,} of {counted(each.answers, 'answer')} judged right by "
            f"{each.judge or 'nobody'}\n"
        )
    if judged.counts:
        write(" ".join(judged_notes(judged)) + "\n")


def _write_models(compared: Sequence[ComparedModels], found: Detectable) -> None:
    """The second model's accuracy minus the first's, on the same questions, by the rule strict."""
    write("\nmodels on the same questions, by the rule strict\n")
    for each in compared:
        budget, rounds = each.pair.cell
        change = each.comparison
        write(
            f"{each.pair.model} -> {each.pair.other}, budget {budget:,}, {counted(rounds, 'round')}: "
            f"{points(change.difference)} points ({points(change.low)} to {points(change.high)}), n = {change.n:,}, "
            f"{change.gained:,} gained, {change.lost:,} lost, {p_value(change.p_value)}, after Holm "
            f"{p_value(each.corrected_p)}{_needed(each)}\n"
        )
    write(f"{detectable_words(found)}\n\n")


def _needed(compared: ComparedModels) -> str:
    needed = compared.questions_needed
    return "" if needed is None else f"; {counted(needed, 'question')} show such a difference with a chance of 80%"


def _key(cell: CellSummary) -> tuple[str, str, int, int]:
    return cell.question_set, cell.model, cell.budget_tokens, cell.force_rounds


def _share(cell: CellSummary | None) -> str:
    if cell is None:
        return "not scored"
    found = cell.accuracy
    return percent_with_interval(found.value, found.low, found.high)


def _both_unanswered(strict: CellSummary, m1: CellSummary | None) -> str:
    return f"{_unanswered(strict)} | {'–' if m1 is None else _unanswered(m1)}"


def _unanswered(cell: CellSummary) -> int:
    return round((1 - cell.answered_share) * cell.n)


def _judged_json(found: JudgedAnswers) -> list[dict[str, Any]]:
    names = ("model", "question_set", "budget_tokens", "force_rounds", "judge", "answers")
    return [
        {name: getattr(each, name) for name in names}
        | {"verdicts_of_model": {str(verdict or "none"): count for verdict, count in each.judgements.items()}}
        | {"verdicts_of_persons": {str(verdict): count for verdict, count in each.by_persons.items()}}
        for each in found.counts
    ]


def _json(run: BenchmarkRun, pairs: Pairs) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "name": run.name,
        "state": run.state.value,
        "questions": run.items,
        "done": run.items_done,
        "failed": run.items_failed,
        "cells": [_cell_json(one, other) for one, other in pairs],
        "tokens_generated": run.tokens_generated,
        "tokens_if_separate": run.tokens_if_separate,
        "seconds": run.seconds,
    }


def _cell_json(strict: CellSummary, m1: CellSummary | None) -> dict[str, Any]:
    by_rule = {rule: cell for rule, cell in zip(_RULES, (strict, m1), strict=True) if cell is not None}
    return {
        "set": strict.question_set or None,
        "model": strict.model,
        "budget": strict.budget_tokens or None,
        "rounds": strict.force_rounds,
        "n": strict.n,
        "n_scored": {rule: cell.n for rule, cell in by_rule.items()},
        "accuracy": {
            rule: {"value": cell.accuracy.value, "low": cell.accuracy.low, "high": cell.accuracy.high}
            for rule, cell in by_rule.items()
        },
        "unanswered": {rule: _unanswered(cell) for rule, cell in by_rule.items()},
        "mean_thinking_tokens": _known(strict.mean_thinking_tokens),
        "mean_tokens": _known(strict.mean_tokens),
    }


def _known(mean: float) -> float | None:
    return None if math.isnan(mean) else mean


def _models_json(compared: Sequence[ComparedModels]) -> list[dict[str, Any]]:
    names = ("difference", "low", "high", "p_value", "gained", "lost", "n")
    return [
        {"model": each.pair.model, "other": each.pair.other, "budget": each.pair.cell[0], "rounds": each.pair.cell[1]}
        | {name: getattr(each.comparison, name) for name in names}
        | {"p_after_holm": each.corrected_p, "questions_needed": each.questions_needed}
        for each in compared
    ]


def _detectable_json(found: Detectable) -> dict[str, Any]:
    return {
        "questions": found.questions,
        "share_that_differs": found.share_that_differs,
        "difference": None if math.isnan(found.difference) else found.difference,
    }


def _strategies_json(compared: Sequence[tuple[str, StrategyComparison]]) -> list[dict[str, Any]]:
    return [
        {
            "model": model,
            "strategy": each.choice,
            "is_from_pool": each.is_from_pool,
            "questions": each.questions,
            "accuracy": {"value": each.accuracy.value, "low": each.accuracy.low, "high": each.accuracy.high},
            "mean_tokens": each.tokens,
            "mean_tokens_with_prompts": each.computed,
            "mean_wasted": each.wasted,
            "mean_seconds": each.seconds,
            "difference_to_equal_vote": each.against_vote.difference if each.against_vote else None,
            "p_after_holm": each.corrected_p,
        }
        for model, comparison in compared
        for each in comparison.measured
    ]
