"""`m1app policy make|search|list|add|remove`: which strategy for which question."""

import argparse
import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m1app.benchmark.policy_making import DEFAULT_BINS, PolicyRequest
from m1app.benchmark.policy_table import (
    bins_table,
    comparison_table,
    gain_sentence,
    policy_notes,
    search_sentences,
    search_table,
)
from m1app.benchmark.setting_search import SearchRequest
from m1app.bootstrap import Services
from m1app.cli.fits import add_pass_choice, pass_choice, table_text
from m1app.cli.terminal import ENGINE_SECONDS, add_json, say, write, write_json
from m1app.strategies.choosing.policy import Policy


def add_command(commands: Any) -> None:
    """Add `policy` with its subcommands to the commands of `m1app.cli.main`."""
    policy = commands.add_parser("policy", help="choose a strategy for each question, from the passes of a run")
    below = policy.add_subparsers(required=True, metavar="make|search|list|add|remove")
    _add_make(below)
    _add_search(below)
    listed = below.add_parser("list", help="list the kept policies")
    add_json(listed, "one JSON array")
    listed.set_defaults(command=_list)
    add = below.add_parser("add", help="keep a policy from a file")
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--name", required=True)
    add.set_defaults(command=_add)
    remove = below.add_parser("remove", help="remove a kept policy")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(command=_remove)


def _add_make(below: Any) -> None:
    make = below.add_parser("make", help="make a policy from the passes of a run, and show how good it is")
    add_pass_choice(make, with_budget=False)
    make.add_argument(
        "--budget", type=int, required=True, metavar="N", help="maximum mean tokens per question, including the pilot"
    )
    make.add_argument("--bins", type=int, default=DEFAULT_BINS, metavar="N", help="bins by entropy (default: 3)")
    make.add_argument(
        "--pilot", type=int, metavar="N", help="thinking budget of the pilot (default: the smallest of the run)"
    )
    make.add_argument("--output", type=Path, metavar="FILE", help="write the policy to this file")
    make.add_argument("--name", default="", help="keep the policy under this name")
    add_json(make)
    make.set_defaults(command=_make)


def _add_search(below: Any) -> None:
    search = below.add_parser(
        "search", help="search for the best model, budget and strategy: with an agent, at random and on a grid"
    )
    add_pass_choice(search, with_budget=False)
    search.add_argument(
        "--trials", type=int, required=True, metavar="N", help="number of settings that each search tries"
    )
    search.add_argument("--agent", default="", metavar="MODEL", help="a served model that proposes settings")
    search.add_argument(
        "--budget",
        type=int,
        metavar="N",
        help="maximum mean tokens per question (default: the median of all settings)",
    )
    search.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the random search (default: 0)")
    add_json(search)
    search.set_defaults(command=_search)


async def _make(services: Services, options: argparse.Namespace) -> int:
    passes = await pass_choice(services, options)
    request = PolicyRequest(passes=passes, budget_tokens=options.budget, bins=options.bins, pilot_tokens=options.pilot)
    made = await services.policy_making.make(request)
    if options.output:
        options.output.write_bytes(made.policy.to_json())
    if options.name:
        await services.policies.save(options.name, made.policy)
    if options.json:
        comparison = asdict(made.comparison) | {"single_strategy": made.single.choice}
        write_json({"policy": made.policy.model_dump(), "comparison": comparison, "verdict": gain_sentence(made)})
        return 0
    write(f"{table_text(comparison_table(made))}\n{table_text(bins_table(made.policy))}\n")
    write("\n".join((gain_sentence(made), *policy_notes(made))) + "\n")
    if options.output:
        say(f"wrote {options.output}")
    if options.name:
        say(f"kept as {options.name}: --strategies auto:policy={options.name}, or Auto by {options.name} on Probe")
    return 0


async def _search(services: Services, options: argparse.Namespace) -> int:
    if options.agent:
        await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    request = SearchRequest(
        passes=await pass_choice(services, options),
        trials=options.trials,
        budget_tokens=options.budget,
        agent=options.agent,
        seed=options.seed,
    )
    outcome = await services.setting_search.search(request)
    if options.json:
        write_json(asdict(outcome))
        return 0
    write(f"{table_text(search_table(outcome))}\n" + "".join(f"{each}\n" for each in search_sentences(outcome)))
    return 0


async def _list(services: Services, options: argparse.Namespace) -> int:
    names = await services.policies.names()
    if options.json:
        write_json(list(names))
        return 0
    write("".join(f"{name}\n" for name in names) or "no policies\n")
    return 0


async def _add(services: Services, options: argparse.Namespace) -> int:
    policy = Policy.from_json(options.file.read_bytes())
    await services.policies.save(options.name, policy)
    write(f"kept as {options.name}\n")
    return 0


async def _remove(services: Services, options: argparse.Namespace) -> int:
    await services.policies.remove(options.name)
    write(f"removed {options.name}\n")
    return 0
