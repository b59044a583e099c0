"""`python -m m1app fact-test`: would the model have been right, had it known the corrected facts of annotations?"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.bench import progress_line
from m1app.cli.question_import import whole_number
from m1app.cli.stopping import set_by_signals
from m1app.cli.terminal import ENGINE_SECONDS, add_json, given, say, write, write_json
from m1app.errors import AppError
from m1app.fact_tests.design import LEAST_SEEDS, MOST_SEEDS
from m1app.fact_tests.reading import PrefixCache, reading_of
from m1app.fact_tests.recipe import MOST_FACTS, FactTestsRecipe
from m1app.wording import counted
from storage.fact_tests.records import FactTestSummary, WaitingFact
from storage.jobs.records import JobProgress

_SHOWN_CHARACTERS = 100


def add_command(commands: Any) -> None:
    """Add `fact-test` to the commands of `m1app.cli.main`."""
    test = commands.add_parser("fact-test", help="test whether a missing fact explains wrong answers")
    test.add_argument(
        "annotations", nargs="*", type=given, metavar="ANNOTATION", help="ids of annotations with a corrected fact"
    )
    test.add_argument("--waiting", action="store_true", help="all corrected facts that have not been tested")
    test.add_argument("--list", action="store_true", help="list these facts instead of testing them")
    test.add_argument("--label", default="", metavar="LABEL", help="with --waiting: only of marks with this label")
    test.add_argument("--model", default="", metavar="MODEL", help="with --waiting: only on answers of this model")
    test.add_argument(
        "--limit", type=whole_number(1, MOST_FACTS), default=MOST_FACTS, metavar="N", help="with --waiting: at most N"
    )
    test.add_argument(
        "--seeds",
        type=whole_number(LEAST_SEEDS, MOST_SEEDS),
        default=LEAST_SEEDS,
        metavar="N",
        help=f"seeds per arm, {LEAST_SEEDS} to {MOST_SEEDS} (default: {LEAST_SEEDS})",
    )
    test.add_argument("--no-prompt-arm", action="store_true", help="leave out arm D, the fact in the prompt")
    add_json(test)
    test.set_defaults(command=_test)


async def _test(services: Services, options: argparse.Namespace) -> int:
    if options.waiting == bool(options.annotations):
        raise AppError("Name annotations, or use --waiting for all untested corrected facts.")
    ids: Sequence[str] = options.annotations
    if options.waiting:
        waiting = await services.fact_queue.waiting(options.limit, label=options.label, model=options.model)
        if options.list or not waiting:
            return _listed(waiting, is_json=options.json)
        ids = [each.annotation_id for each in waiting]
    elif options.list:
        raise AppError("--list needs --waiting.")
    recipe = FactTestsRecipe.parse(
        {"annotations": list(ids), "seeds": options.seeds, "has_prompt_arm": not options.no_prompt_arm}
    )
    await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    with set_by_signals() as stopping:
        outcome = await services.fact_queue.run(recipe, on_progress=_report, is_stopping=stopping)
    tested = await _tested(services, recipe)
    caches = {each.run_id: await _prefix_cache(services, each.run_id) for each in tested}
    if options.json:
        found = {"refused": outcome.refused, "unfinished": outcome.unfinished, "is_complete": outcome.is_over}
        write_json({"tests": [_json(each, caches[each.run_id]) for each in tested]} | found)
    for each in () if options.json else tested:
        write(f"{each.annotation_id}  {each.verdict.get('sentence') or each.state.value} {caches[each.run_id].said}\n")
    problems = outcome.refused | outcome.unfinished
    for annotation_id, problem in problems.items():
        say(f"{annotation_id}: {problem}")
    if not outcome.is_over:
        say("stopped; run the same command to continue")
        return 130
    return 1 if problems else 0


def _report(progress: JobProgress) -> None:
    say(progress_line(progress))


def _listed(waiting: Sequence[WaitingFact], *, is_json: bool) -> int:
    if is_json:
        write_json({"waiting": [asdict(each) for each in waiting]})
        return 0
    for each in waiting:
        write(f"{each.annotation_id}  {each.model}  {', '.join(each.labels)}  {each.fact[:_SHOWN_CHARACTERS]!r}\n")
    say(f"{counted(len(waiting), 'corrected fact')} of wrong answers not tested yet")
    return 0


async def _tested(services: Services, recipe: FactTestsRecipe) -> Sequence[FactTestSummary]:
    """The latest test of each annotation that has one."""
    found = [await services.fact_tests.recent(1, annotation_id=each) for each in recipe.annotations]
    return [each[0] for each in found if each]


async def _prefix_cache(services: Services, run_id: str) -> PrefixCache:
    found = await services.fact_tests.get(run_id)
    return reading_of(found.test, found.run).prefix_cache


def _json(test: FactTestSummary, cache: PrefixCache) -> dict[str, Any]:
    return {
        "annotation": test.annotation_id,
        "test": test.run_id,
        "state": test.state.value,
        "model": test.model,
        "labels": test.labels,
        "names_target": test.names_target,
        "verdict": test.verdict,
        "prefix_cache": asdict(cache),
    }
