"""`python -m m1app bench`: run question sets over a grid of budgets and force rounds, here and now."""

import argparse
import asyncio
import json
import math
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m1app.benchmark.descriptions import accuracy_words, caution, unscored_note
from m1app.benchmark.queries import CellSummary
from m1app.benchmark.recipe import DEFAULT_BUDGETS, BenchmarkRecipe
from m1app.benchmark.run_progress import accuracy_so_far
from m1app.bootstrap import Services
from m1app.cli.terminal import ENGINE_SECONDS, add_json, given, numbers, say, write, write_json
from m1app.errors import AppError
from m1app.runs.probe_request import sampling_of
from m1app.wording import counted, duration, percent_with_interval, rate, tokens_account
from storage.benchmarks.records import BenchmarkRun, RunState
from storage.jobs.records import JobProgress

_SAY_SECONDS = 10.0
_RULES = ("strict", "m1")


def add_command(commands: Any) -> None:
    """Add `bench` to the commands of `m1app.cli.main`."""
    bench = commands.add_parser("bench", help="run question sets over a grid of budgets and force rounds")
    bench.add_argument(
        "--questions",
        type=given,
        action="append",
        default=[],
        metavar="FILE|SET",
        help="a file to import, or the name of an imported question set; repeatable",
    )
    bench.add_argument(
        "--budgets", type=numbers, default=DEFAULT_BUDGETS, metavar="N,N", help="thinking budgets in tokens"
    )
    bench.add_argument("--force-rounds", type=numbers, default=(0,), metavar="R,R")
    bench.add_argument("--model", action="append", default=[], help="name of a served model; repeatable")
    bench.add_argument("--limit", type=int, metavar="N", help="maximum questions per set")
    bench.add_argument("--name", default="", help="name of the run")
    bench.add_argument("--passes", type=int, default=1, metavar="N", help="sampled passes per question")
    bench.add_argument("--temperature", type=float, default=0.0)
    bench.add_argument("--top-p", type=float, default=1.0)
    bench.add_argument("--seed", type=int)
    bench.add_argument(
        "--answer-cap", dest="answer_cap_tokens", type=int, default=256, metavar="N", help="maximum tokens per answer"
    )
    bench.add_argument("--system-prompt")
    bench.add_argument(
        "--no-option-probabilities",
        dest="asks_probabilities",
        action="store_false",
        help="do not ask how probable each option is: one request less for each answer",
    )
    bench.add_argument("--profile", default="", help="id of the profile (default: the one that fits the model)")
    bench.add_argument(
        "--in-flight",
        type=int,
        default=0,
        metavar="N",
        help="questions asked in parallel; 0 (default) lets the engine decide",
    )
    bench.add_argument("--resume", type=given, metavar="ID", help="resume a run with its original options")
    bench.add_argument(
        "--rescore",
        type=given,
        metavar="ID",
        help="read a run's answers again by the present version of the rule strict; asks no engine",
    )
    bench.add_argument("--dry-run", action="store_true", help="estimate the cost without running anything")
    add_json(bench)
    bench.set_defaults(command=_bench)


async def _bench(services: Services, options: argparse.Namespace) -> int:
    if options.rescore:
        return await _rescore(services, options)
    if not options.resume and not options.questions:
        raise AppError(
            "Name the questions with --questions FILE, or resume a run with --resume ID, "
            "or score one again with --rescore ID."
        )
    if options.resume and options.dry_run:
        raise AppError("--dry-run and --resume cannot be combined: a resumed run was estimated when it was started.")
    recipe = None if options.resume else await _recipe(services, options)
    if recipe and options.dry_run:
        return await _dry_run(services, recipe, is_json=options.json)
    await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    run = await services.benchmarks.plan(recipe) if recipe else await services.benchmark_reading.get(options.resume)
    say(f"run {run.id}: {counted(run.items, 'question')}, {run.items_done:,} done")
    run = await _run(services, run, is_quiet=options.json)
    await _show(services, run, is_json=options.json)
    if run.state is RunState.COMPLETED:
        return 0
    say(f"stopped; resume with: python -m m1app bench --resume {run.id}")
    return 130


async def _rescore(services: Services, options: argparse.Namespace) -> int:
    if options.resume or options.questions or options.dry_run:
        raise AppError("--rescore cannot be combined with --questions, --resume or --dry-run: it asks nothing.")
    said_at = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal said_at
        if not options.json and time.monotonic() - said_at >= _SAY_SECONDS:
            said_at = time.monotonic()
            say(f"{done:,}/{total:,} questions")

    found = await services.benchmarks.rescore(options.rescore, report)
    if options.json:
        write_json(asdict(found))
        return 0
    write(
        f"run {found.run_id}: {counted(found.answers, 'answer')} read again by version {found.to_version} of the rule "
        f"strict (before: {found.from_version})\n"
        f"{found.other_letter:,} with another letter, {found.now_right:,} now right, {found.now_wrong:,} now wrong\n"
    )
    return 0


async def _recipe(services: Services, options: argparse.Namespace) -> BenchmarkRecipe:
    return BenchmarkRecipe(
        name=options.name,
        question_sets=await _sets(services, options.questions),
        models=tuple(options.model),
        budgets=options.budgets,
        force_rounds=options.force_rounds,
        passes=options.passes,
        **sampling_of(options),
        profile=options.profile,
        limit=options.limit,
        in_flight=options.in_flight,
    ).checked()


async def _sets(services: Services, given: Sequence[str]) -> tuple[str, ...]:
    """Names of the sets: existing set names, else the sets of the file."""
    here = {each.name for each in await services.question_sets.all()}
    names: list[str] = []
    for name in given:
        if name in here:
            names.append(name)
            continue
        report = await services.question_sets.import_file(Path(name))
        for imported, repeated in report.duplicates.items():
            if repeated:
                say(f"{imported}: {counted(repeated, 'repeated question')} left out")
        names += [each.name for each in report.sets]
    return tuple(names)


async def _dry_run(services: Services, recipe: BenchmarkRecipe, *, is_json: bool) -> int:
    estimate = await services.benchmarks.estimate(recipe)
    smallest = None if math.isnan(estimate.difference_to_find) else estimate.difference_to_find
    if is_json:
        names = ("items", "cells", "results", "tokens_at_most", "tokens_if_separate_at_most", "seconds_at_most")
        facts = {name: getattr(estimate, name) for name in names} | {"difference_to_find": smallest}
        write(json.dumps(facts) + "\n")
        return 0
    seconds = estimate.seconds_at_most
    write(
        f"{counted(estimate.items, 'question')} x {counted(estimate.cells, 'cell')}: "
        f"{counted(estimate.results, 'answer')}\n"
        f"at most {estimate.tokens_at_most:,} tokens; separate runs: {estimate.tokens_if_separate_at_most:,}\n"
        + (f"at most {duration(seconds)} at the rate measured before\n" if seconds else "no rate measured yet\n")
        + (f"detects a difference of about {counted(round(smallest * 100), 'point')} or more\n" if smallest else "")
        + recipe.command_line()
        + "\n"
    )
    return 0


async def _run(services: Services, run: BenchmarkRun, *, is_quiet: bool) -> BenchmarkRun:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    said_at = time.monotonic()

    def report(progress: JobProgress) -> None:
        nonlocal said_at
        if not is_quiet and time.monotonic() - said_at >= _SAY_SECONDS:
            said_at = time.monotonic()
            say(progress_line(progress))

    try:
        return await services.benchmarks.run(run.id, on_progress=report, is_stopping=stopping)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def progress_line(progress: JobProgress) -> str:
    """One line for a terminal or a log."""
    parts = [f"{progress.done:,}/{progress.total:,} {progress.unit}"]
    if progress.per_second:
        parts.append(rate(progress.per_second))
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    if found := accuracy_so_far(progress):
        parts.append(f"accuracy {accuracy_words(found)} at the largest budget")
    return ", ".join(parts) + (f" - {progress.message}" if progress.message else "")


async def _show(services: Services, run: BenchmarkRun, *, is_json: bool) -> None:
    strict, m1 = [await services.benchmark_reading.cells([run.id], rule) for rule in _RULES]
    by_m1 = {_key(cell): cell for cell in m1}
    pairs = [(cell, by_m1.get(_key(cell))) for cell in strict]
    if is_json:
        write_json(_json(run, pairs))
        return
    write(f"run {run.id} ({run.state.value}): {run.items_done:,} done, {run.items_failed:,} failed\n")
    write(
        f"{'set':24} {'model':20} {'budget':>7} {'rounds':>6} {'n':>6} {'strict':>24} {'m1':>24} {'unanswered':>11} "
        f"{'thinking':>9}\n"
    )
    for one, other in pairs:
        name = one.question_set or "macro average"
        write(
            f"{name[:24]:24} {one.model[:20]:20} {one.budget_tokens:7} {one.force_rounds:6} {one.n:6} "
            f"{_share(one):>24} {_share(other):>24} {_both_unanswered(one, other):>11} "
            f"{one.mean_thinking_tokens:9.0f}\n"
        )
    if note := unscored_note(await services.benchmark_reading.count_unscored([run.id], "m1")):
        write(f"{note}\n")
    asked = [one.accuracy.questions for one, _ in pairs]
    if few := min(filter(caution, asked), default=0):
        write(f"{caution(few)}\n")
    write(f"{tokens_account(run.tokens_generated, run.seconds, run.tokens_if_separate)}\n")


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


def _json(run: BenchmarkRun, pairs: Sequence[tuple[CellSummary, CellSummary | None]]) -> dict[str, Any]:
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
        "budget": strict.budget_tokens,
        "rounds": strict.force_rounds,
        "n": strict.n,
        "n_scored": {rule: cell.n for rule, cell in by_rule.items()},
        "accuracy": {
            rule: {"value": cell.accuracy.value, "low": cell.accuracy.low, "high": cell.accuracy.high}
            for rule, cell in by_rule.items()
        },
        "unanswered": {rule: _unanswered(cell) for rule, cell in by_rule.items()},
        "mean_thinking_tokens": strict.mean_thinking_tokens,
        "mean_tokens": strict.mean_tokens,
    }
