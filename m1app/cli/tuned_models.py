"""`m1app models tuned|quantize|card|push`: fine-tuned models for use elsewhere."""

import argparse
import asyncio
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, say, write, write_json
from m1app.errors import AppError
from m1app.training.publishing.hub_push import PushRequest
from m1app.training.publishing.tuned_list import FLOAT16, TunedModel
from m1app.wording import size
from models.weights.quantize import QUANTIZATIONS

_STEP = 0.1
"""Share of the work after which its progress is said again."""


def add_commands(below: Any) -> None:
    """Add the subcommands to those of `models`."""
    tuned = below.add_parser("tuned", help="list the models that were fine-tuned here, with their files")
    add_json(tuned, "a list of objects")
    tuned.set_defaults(command=_list)
    quantize = below.add_parser("quantize", help="write a smaller file of a fine-tuned model for the embedded engine")
    quantize.add_argument("model", metavar="ID")
    quantize.add_argument("--kind", choices=list(QUANTIZATIONS), default="q8_0", help="default: q8_0, the most exact")
    quantize.set_defaults(command=_quantize)
    card = below.add_parser("card", help="print a fine-tuned model's card for the hub, with its measurements")
    card.add_argument("model", metavar="ID")
    card.set_defaults(command=_card)
    _add_push(below.add_parser("push", help="upload a fine-tuned model to the hub; first shows what would be uploaded"))


def _add_push(push: argparse.ArgumentParser) -> None:
    push.add_argument("model", metavar="ID")
    push.add_argument("repo", metavar="ORG/NAME")
    push.add_argument("--public", action="store_true", help="make the repository public (default: private)")
    push.add_argument(
        "--gguf",
        action="append",
        default=[],
        choices=[FLOAT16, *QUANTIZATIONS],
        help="include this file for the embedded engine; repeatable",
    )
    push.add_argument("--adapter", action="store_true", help="include the separate LoRA")
    push.add_argument(
        "--confirm", default="", metavar="ORG/NAME", help="upload to this repository; without it, nothing is uploaded"
    )
    push.set_defaults(command=_push)


async def _list(services: Services, options: argparse.Namespace) -> int:
    found = await asyncio.to_thread(services.publishing.models)
    if options.json:
        write_json([_record(each) for each in found])
        return 0
    for each in found:
        files = ", ".join(f"{kind} {size(path.stat().st_size)}" for kind, path in each.gguf.items())
        write(f"{each.id:32} {each.recipe.objective:5} {each.run.base_id:24} {files}\n")
    if not found:
        say("No model has been fine-tuned here yet.")
    return 0


async def _quantize(services: Services, options: argparse.Namespace) -> int:
    said = 0.0

    def report(share: float) -> None:
        nonlocal said
        if share >= min(1.0, said + _STEP):
            said = share
            say(f"quantizing: {share:.0%}")

    made = await services.publishing.quantize(options.model, options.kind, report)
    write(f"{made.id}\n")
    return 0


async def _card(services: Services, options: argparse.Namespace) -> int:
    write(await services.publishing.card(options.model))
    return 0


async def _push(services: Services, options: argparse.Namespace) -> int:
    request = PushRequest(options.model, options.repo, options.public, tuple(options.gguf), options.adapter)
    plan = await services.publishing.plan_push(request)
    say(plan.words())
    if not options.confirm:
        raise AppError(f"Nothing was uploaded. To upload it, repeat the command with: --confirm {options.repo}")
    if options.confirm != options.repo:
        raise AppError(
            f"Nothing was uploaded: you confirmed {options.confirm!r}, and the repository is {options.repo}."
        )
    write(f"{await services.publishing.push(plan)}\n")
    return 0


def _record(model: TunedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "base": model.run.base_id,
        "objective": model.recipe.objective,
        "folder": str(model.place),
        "gguf": {kind: str(path) for kind, path in model.gguf.items()},
        "has_adapter": model.adapter is not None,
    }
