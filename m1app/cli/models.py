"""`m1app models`: which models are here or could be; fetch, choose, try and remove them."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from m1app.bootstrap import Services, make_home
from m1app.cli import tuned_models
from m1app.cli.terminal import add_json, say, write, write_json
from m1app.engines.library_records import LibraryModel, Offer, Presence, Use
from m1app.engines.model_library import ModelLibrary
from m1app.engines.service import EngineService
from m1app.engines.vllm_service import VllmService
from m1app.errors import AppError
from m1app.settings import load_settings
from m1app.wording import size
from models.profiles import load_profiles
from models.servers.managed_server import ServerState
from models.weights.catalog import Catalog

_Use = Callable[[ModelLibrary, argparse.Namespace], Coroutine[Any, Any, int]]
_POLL_SECONDS = 0.5


def add_command(commands: Any) -> None:
    """Add `models` with its subcommands to the commands of `m1app.cli.main`."""
    models = commands.add_parser("models", help="list, add, fetch, choose, try or remove models")
    below = models.add_subparsers(
        required=True, metavar="list|offer|add|fetch|start|stop|use|try|remove|tuned|quantize|card|push"
    )
    listed = below.add_parser("list", help="list the known models, and which are downloaded")
    listed.add_argument("--here", action="store_true", help="only downloaded models")
    add_json(listed, "a list of objects")
    listed.set_defaults(command=_running(_list))
    offer = below.add_parser("offer", help="list the GGUF files of a hub repository, with their memory needs")
    offer.add_argument("repo", metavar="ORG/REPO")
    offer.add_argument("--revision", default="", help="branch, tag or commit (default: main)")
    offer.set_defaults(command=_running(_offer))
    add = below.add_parser("add", help="add a GGUF file from the hub or this machine to your catalog")
    add.add_argument("source", metavar="ORG/REPO|PATH")
    add.add_argument("--file", default="", help="file of the repository (default: the one that suits this machine)")
    add.add_argument("--revision", default="", help="branch, tag or commit (default: main)")
    add.set_defaults(command=_running(_add))
    start = below.add_parser(
        "start", help="start vLLM with a model; it keeps running until `stop`, and an app can take it over"
    )
    start.add_argument("model", metavar="ID|FOLDER", nargs="?", default="", help="default: the model chosen last")
    start.set_defaults(run=lambda options: asyncio.run(_start(options.model)))
    stop = below.add_parser("stop", help="stop the vLLM that was left running by `start` or by the app")
    stop.set_defaults(run=lambda _: asyncio.run(_stop()))
    for name, use, about in (
        ("fetch", _fetch, "download a model's weights, or resume the download"),
        ("use", _choose, "make it the default model of the embedded engine"),
        ("try", _try, "ask it for a few tokens and one easy question"),
        ("remove", _remove, "delete its weights, and its entry in your catalog"),
    ):
        command = below.add_parser(name, help=about)
        command.add_argument("model", metavar="ID")
        command.set_defaults(command=_running(use))
    tuned_models.add_commands(below)


def _running(use: _Use) -> Callable[[Services, argparse.Namespace], Coroutine[Any, Any, int]]:
    async def run(services: Services, options: argparse.Namespace) -> int:
        return await use(services.models, options)

    return run


async def _list(library: ModelLibrary, options: argparse.Namespace) -> int:
    found = [each for each in await asyncio.to_thread(library.models) if not options.here or _is_here(each)]
    if options.json:
        write_json([_record(each) for each in found])
        return 0
    if not found:
        say("No weights have been downloaded yet.")
    for each in found:
        mark = "*" if each.use is Use.DEFAULT else " "
        memory = f"needs {size(each.memory_bytes)} memory" if each.memory_bytes else ""
        short = ", more than is free" if each.fits is False else ""
        write(f"{mark} {each.model.id:28} {each.presence.value:20} {memory}{short}\n")
    return 0


async def _offer(library: ModelLibrary, options: argparse.Namespace) -> int:
    _show(await library.offer(options.repo, options.revision))
    return 0


def _show(offer: Offer) -> None:
    listed = offer.repository
    write(f"{listed.repo} at {listed.commit}, licence: {listed.licence or 'not stated'}\n")
    for each in offer.files:
        mark = "*" if each.is_preferred else " "
        fits = "" if each.fits else ", more than is free"
        needs = each.problem or f"needs {size(each.memory_bytes)} memory{fits}"
        write(f"{mark} {each.file.name:48} {size(each.file.size_bytes):>9}  {needs}\n")
    for note in offer.notes:
        say(note)


async def _add(library: ModelLibrary, options: argparse.Namespace) -> int:
    if options.source.startswith(("/", "~", ".")):
        model = await library.add_file(options.source)
    else:
        offer = await library.offer(options.source, options.revision)
        name = options.file or next((each.file.name for each in offer.files if each.is_preferred), "")
        if not name:
            _show(offer)
            raise AppError("None of its files suits this machine. Name one with --file to add it anyway.")
        model = await library.add_from_hub(offer.repository.repo, name, offer.repository.commit)
    write(f"{model.id}\n")
    return 0


async def _fetch(library: ModelLibrary, options: argparse.Namespace) -> int:
    library.fetch(options.model)
    said = ""
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        [here] = [each for each in await asyncio.to_thread(library.models) if each.model.id == options.model]
        fetch = here.fetch
        assert fetch is not None
        progress = fetch.progress
        if progress is not None:
            total = f" of {size(progress.bytes_total)}" if progress.bytes_total else ""
            line = f"{progress.stage.value}: {size(progress.bytes_done)}{total}"
            if line != said:
                say(line)
                said = line
        if not fetch.is_running:
            if fetch.error:
                raise AppError(fetch.error)
            write(f"{options.model} is here\n")
            return 0


@asynccontextmanager
async def _vllm() -> AsyncIterator[VllmService]:
    """The managed vLLM alone: no other engine is started for it."""
    settings = load_settings()
    make_home(settings)
    engines = EngineService(settings, Catalog.load(extra=settings.home / "catalog.toml"), load_profiles())
    try:
        yield VllmService(settings, engines)
    finally:
        await engines.aclose()


async def _start(model: str) -> int:
    async with _vllm() as vllm:
        await vllm.start_kept(model)
        said = ""
        while True:
            view = await vllm.view()
            if view.state is ServerState.READY:
                found = ", taken over" if view.is_adopted else ""
                write(f"{view.name} is ready (process {view.pid}{found}). An app uses it from the app's next start.\n")
                return 0
            if view.state is not ServerState.STARTING:
                raise AppError(view.message)
            if view.loading and view.loading != said:
                say(view.loading)
                said = view.loading
            await asyncio.sleep(_POLL_SECONDS)


async def _stop() -> int:
    async with _vllm() as vllm:
        is_running = (await vllm.view()).can_stop
        await vllm.stop()
    write("vLLM was stopped\n" if is_running else "No vLLM is running\n")
    return 0


async def _choose(library: ModelLibrary, options: argparse.Namespace) -> int:
    await library.use(options.model)
    write(f"{options.model} is the default model. An app that is running uses it after a restart.\n")
    return 0


async def _try(library: ModelLibrary, options: argparse.Namespace) -> int:
    trial, match = await library.try_out(options.model)
    guess = " (a guess)" if match.is_guess else ""
    write(f"{trial.tokens_per_second:.1f} tokens/s, profile {match.profile.id}{guess}\n")
    ended = "ended naturally" if trial.ends_thinking else "did not end naturally"
    write(f"thinking: {trial.thinking_tokens} tokens, {ended}\n")
    verdict = "right" if trial.is_right else "wrong" if trial.letter else "names no option"
    write(f"answer ({verdict}): {trial.answer}\n")
    return 0


async def _remove(library: ModelLibrary, options: argparse.Namespace) -> int:
    await library.remove(options.model)
    write(f"{options.model} was removed\n")
    return 0


def _is_here(each: LibraryModel) -> bool:
    return each.presence is Presence.HERE


def _record(each: LibraryModel) -> dict[str, Any]:
    model = each.model
    return {
        "id": model.id,
        "title": model.title,
        "source": str(model.source),
        "engines": list(model.engines),
        "profile": model.profile,
        "licence": model.licence,
        "state": each.presence.value,
        "use": each.use.value,
        "bytes_here": each.bytes_here,
        "memory_bytes": each.memory_bytes,
        "fits": each.fits,
    }
