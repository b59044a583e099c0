"""`python -m m1app dataset tag|distill`: a served model is asked about the samples of a data set, as a job."""

import argparse
import asyncio
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.terminal import ENGINE_SECONDS, add_json, say, write, write_json
from m1app.training.data_jobs.recipe import DataAction, DataJobRecipe


def add_job_commands(below: Any) -> None:
    """Add the commands to those of `dataset`."""
    tag = below.add_parser("tag", help="have a model name the domain of each question, as a job")
    tag.add_argument("source", metavar="NAME[:vN]|questions:SET", help="a data set, or an imported question set")
    distill = below.add_parser("distill", help="have a teacher answer the questions with its reasoning, as a job")
    distill.add_argument("source", metavar="NAME[:vN]|questions:SET", help="a data set, or an imported question set")
    distill.add_argument("--name", required=True, help="name of the new data set")
    distill.add_argument("--thinking", type=int, default=4_096, metavar="N", help="maximum reasoning tokens")
    distill.add_argument("--answer", type=int, default=1_024, metavar="N", help="maximum answer tokens")
    distill.add_argument("--temperature", type=float, default=0.0, metavar="T")
    for parser, action in ((tag, DataAction.TAG), (distill, DataAction.DISTILL)):
        parser.add_argument("--model", default="", help="served model to ask (default: the app's own)")
        parser.add_argument("--limit", type=int, metavar="N", help="ask only about the first N")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--estimate", action="store_true", help="show the estimated cost without starting anything")
        add_json(parser)
        parser.set_defaults(command=_start, action=action)


async def _start(services: Services, options: argparse.Namespace) -> int:
    recipe = DataJobRecipe.parse(_values(options))
    await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    estimate = await services.data_jobs.estimate(recipe)
    said: dict[str, Any] = {
        "model": estimate.model,
        "requests": estimate.requests,
        "prompt_tokens": estimate.prompt_tokens,
        "most_generated": estimate.most_generated,
    }
    if not options.json:
        say(estimate.words)
    if options.estimate:
        if options.json:
            write_json(said)
        return 0
    job = await services.data_jobs.launch(recipe)
    if options.json:
        write_json(said | {"job": job.id})
    else:
        write(f"{job.id}  {job.name}\n")
        say("The app runs it; see Admin, Jobs.")
    return 0


def _values(options: argparse.Namespace) -> dict[str, Any]:
    values = {
        "action": options.action,
        "source": options.source,
        "model": options.model,
        "seed": options.seed,
        "limit": options.limit,
    }
    if options.action is DataAction.DISTILL:
        values |= {
            "name": options.name,
            "thinking_tokens": options.thinking,
            "answer_tokens": options.answer,
            "temperature": options.temperature,
        }
    return values
