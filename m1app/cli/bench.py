"""`python -m m1app bench`: run question sets over a grid of budgets and force rounds, here and now."""

import argparse
import asyncio
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m1app.benchmark.descriptions import accuracy_words
from m1app.benchmark.estimate import BenchmarkEstimate, judge_facts
from m1app.benchmark.recipe import DEFAULT_BUDGETS, BenchmarkRecipe
from m1app.benchmark.run_progress import accuracy_so_far
from m1app.benchmark.strategy_plan import strategy_facts
from m1app.bootstrap import Services
from m1app.cli.bench_import import add_import
from m1app.cli.bench_results import show_compared, show_results
from m1app.cli.stopping import set_by_signals
from m1app.cli.terminal import ENGINE_SECONDS, add_json, given, numbers, say, write, write_json
from m1app.errors import AppError
from m1app.runs.probe_request import sampling_of
from m1app.wording import counted, duration, rate
from storage.benchmarks.records import BenchmarkRun, RunState
from storage.jobs.records import JobProgress
from storage.open_verdicts.records import Judgement

_SAY_SECONDS = 10.0


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
    _add_asking(bench)
    _add_strategies(bench)
    _add_judging(bench)
    bench.add_argument("--resume", type=given, metavar="ID", help="resume a run with its original options")
    bench.add_argument(
        "--rescore",
        type=given,
        metavar="ID",
        help="read a run's answers again with the current version of the strict rule; needs no engine",
    )
    bench.add_argument(
        "--compare",
        type=given,
        nargs="+",
        metavar="ID",
        help="compare the models of finished runs on the questions that they share; needs no engine",
    )
    bench.add_argument("--dry-run", action="store_true", help="estimate the cost without running anything")
    add_json(bench)
    bench.set_defaults(command=_bench)
    add_import(bench.add_subparsers(metavar="import"))


def _add_asking(bench: argparse.ArgumentParser) -> None:
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
        help="do not ask how probable each option is; saves one request per answer",
    )
    bench.add_argument("--profile", default="", help="id of the profile (default: the one that fits the model)")
    bench.add_argument(
        "--in-flight",
        type=int,
        default=0,
        metavar="N",
        help="questions asked in parallel; 0 (default) lets the engine decide",
    )


def _add_strategies(bench: argparse.ArgumentParser) -> None:
    bench.add_argument(
        "--strategies",
        type=_listed,
        default=(),
        metavar="NAME:OPTION=N,...",
        help="strategies that also answer every question, such as vote:k=8,adaptive-vote:k=8",
    )
    bench.add_argument(
        "--strategy-budget",
        dest="strategy_budget_tokens",
        type=int,
        metavar="N",
        help="maximum tokens per question for each strategy (default: enough for all its passes)",
    )


def _add_judging(bench: argparse.ArgumentParser) -> None:
    bench.add_argument(
        "--judge",
        default="",
        metavar="MODEL",
        help="served model that judges answers to open questions (default: the model that answers)",
    )
    bench.add_argument(
        "--verdict",
        nargs=2,
        metavar=("ANSWER", "VERDICT"),
        help="give your own verdict on an answer to an open question: its checkpoint_id from the export, and right, "
        "wrong or undecided",
    )


async def _bench(services: Services, options: argparse.Namespace) -> int:
    if options.rescore:
        return await _rescore(services, options)
    if options.compare:
        return await _compare(services, options)
    if options.verdict:
        return await _say(services, *options.verdict)
    if not options.resume and not options.questions:
        raise AppError(
            "Name the questions with --questions FILE, or resume a run with --resume ID, "
            "or score one again with --rescore ID, or compare runs with --compare ID ID."
        )
    if options.resume and options.dry_run:
        raise AppError("--dry-run and --resume cannot be combined: a resumed run was estimated when it was started.")
    if options.resume:
        await services.benchmarks.recipe_of(options.resume)  # refuses an imported run before an engine is started
    recipe = None if options.resume else await _recipe(services, options)
    if recipe and options.dry_run:
        return await _dry_run(services, recipe, is_json=options.json)
    await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    run = await services.benchmarks.plan(recipe) if recipe else await services.benchmark_reading.get(options.resume)
    say(f"run {run.id}: {counted(run.items, 'question')}, {run.items_done:,} done")
    run = await _run(services, run, is_quiet=options.json)
    await show_results(services, run, is_json=options.json)
    if run.state is RunState.COMPLETED:
        return 0
    say(f"stopped; resume with: python -m m1app bench --resume {run.id}")
    return 130


async def _compare(services: Services, options: argparse.Namespace) -> int:
    if options.resume or options.questions or options.dry_run:
        raise AppError("--compare cannot be combined with --questions, --resume or --dry-run: it asks nothing.")
    await show_compared(services, options.compare, is_json=options.json)
    return 0


async def _say(services: Services, answer: str, verdict: str) -> int:
    if verdict not in list(Judgement):
        raise AppError(f"{verdict[:40]!r} is not a verdict; use right, wrong or undecided.")
    await services.judging.say_of_checkpoint(answer, Judgement(verdict))
    say(f"{answer}: {verdict}, said by a person")
    return 0


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
        strategies=options.strategies,
        strategy_budget_tokens=options.strategy_budget_tokens,
        judge=options.judge,
    ).checked()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in text.split(","))))


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
        facts |= {"open_questions": estimate.open_questions, "judge_tokens_at_most": estimate.judge_tokens_at_most}
        facts |= {"strategies": _strategies_json(estimate), "shared_at_most": estimate.shared_at_most}
        write(json.dumps(facts) + "\n")
        return 0
    seconds = estimate.seconds_at_most
    write(
        f"{counted(estimate.items, 'question')} x {counted(estimate.cells, 'cell')}: "
        f"{counted(estimate.results, 'answer')}\n"
        f"at most {estimate.tokens_at_most:,} tokens; separate runs: {estimate.tokens_if_separate_at_most:,}\n"
        + "".join(f"{name}: {text}\n" for name, text in _more_facts(recipe, estimate))
        + (f"at most {duration(seconds)} at the rate measured before\n" if seconds else "no rate measured yet\n")
        + (f"detects a difference of about {counted(round(smallest * 100), 'point')} or more\n" if smallest else "")
        + recipe.command_line()
        + "\n"
    )
    return 0


def _more_facts(recipe: BenchmarkRecipe, estimate: BenchmarkEstimate) -> list[tuple[str, str]]:
    of_strategies = strategy_facts(estimate.strategies, recipe.passes, estimate.shared_at_most)
    return [*of_strategies, *judge_facts(estimate)]


def _strategies_json(estimate: BenchmarkEstimate) -> list[dict[str, Any]]:
    return [
        {"strategy": each.choice.text, "tokens_at_most": each.tokens_at_most, "asked_at_most": each.asked_at_most}
        for each in estimate.strategies
    ]


async def _run(services: Services, run: BenchmarkRun, *, is_quiet: bool) -> BenchmarkRun:
    with set_by_signals() as stopping:
        return await services.benchmarks.run(run.id, on_progress=progress_teller(is_quiet), is_stopping=stopping)


def progress_teller(is_quiet: bool) -> Callable[[JobProgress], None]:
    """Says progress on standard error, every `_SAY_SECONDS` at most; nothing if `is_quiet`."""
    said_at = time.monotonic()

    def tell(progress: JobProgress) -> None:
        nonlocal said_at
        if not is_quiet and time.monotonic() - said_at >= _SAY_SECONDS:
            said_at = time.monotonic()
            say(progress_line(progress))

    return tell


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
