"""`python -m m1app sweep`: ask one question at every budget and number of force rounds, in one thinking pass."""

import argparse
import asyncio
from contextlib import aclosing
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.terminal import ENGINE_SECONDS, add_question, numbers, read_question, say, write, write_json
from m1app.runs.probe_request import sampling_of
from m1app.runs.sweep_export import sweep_json, sweep_text
from m1app.runs.sweep_request import DEFAULT_BUDGETS, DEFAULT_FORCE_ROUNDS, SweepRequest
from storage.traces.records import TraceState


def add_command(commands: Any) -> None:
    """Add `sweep` to the commands of `m1app.cli.main`."""
    sweep = commands.add_parser("sweep", help="ask one question at every budget and force round, in one thinking pass")
    add_question(sweep)
    sweep.add_argument(
        "--budgets", type=numbers, default=DEFAULT_BUDGETS, metavar="N,N", help="thinking budgets in tokens"
    )
    sweep.add_argument(
        "--force-rounds",
        type=numbers,
        default=DEFAULT_FORCE_ROUNDS,
        metavar="R,R",
        help='numbers of natural stops to override with "Wait"',
    )
    sweep.add_argument("--model", action="append", default=[], help="name of a served model; repeatable")
    sweep.add_argument("--passes", type=int, default=1, metavar="N", help="sampled passes, with consecutive seeds")
    sweep.add_argument(
        "--answer-cap", dest="answer_cap_tokens", type=int, default=256, metavar="N", help="maximum tokens per answer"
    )
    sweep.set_defaults(command=_sweep)


async def _sweep(services: Services, options: argparse.Namespace) -> int:
    question = read_question(options.question)
    request = SweepRequest(
        stem=question.stem,
        options=question.options,
        target=question.target,
        models=tuple(options.model),
        profile=options.profile,
        budgets=options.budgets,
        force_rounds=options.force_rounds,
        passes=options.passes,
        **sampling_of(options),
        source="command line",
    )
    await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    snapshot = await services.sweeps.start(request, allows_identifiers=options.allows_identifiers)
    async with aclosing(services.sweeps.follow(snapshot.sweep.id)) as snapshots:
        async for shown in snapshots:
            snapshot = shown
    if options.json:
        write_json(sweep_json(snapshot))
    else:
        write(sweep_text(snapshot))
    if problem := snapshot.sweep.error or snapshot.save_error:
        say(f"error: {problem}")
    return 0 if snapshot.sweep.state is TraceState.COMPLETED else 1
