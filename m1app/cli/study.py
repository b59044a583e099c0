"""`python -m m1app study`: studies of runs and claims are listed, estimated, run, watched, extended and deleted.

Their reports are in `study_report`.
"""

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m1app.bootstrap import Services
from m1app.cli import study_report
from m1app.cli.bench import progress_teller
from m1app.cli.stopping import set_by_signals
from m1app.cli.study_text import compared_text, estimate_text, file_text, files_text, outcome_text, started_text
from m1app.cli.terminal import ENGINE_SECONDS, add_json, given, say, write, write_json
from m1app.errors import AppError
from m1app.studies.library import StudyFile
from m1app.studies.planning import StudyRequest
from m1app.studies.values import compared_value, estimate_value, outcome_value, study_value
from m1app.studies.words import widest
from storage.benchmarks.records import RunState
from storage.studies.records import StoredStudy


def add_command(commands: Any) -> None:
    """Add `study` and its subcommands to the commands of `m1app.cli.main`."""
    study = commands.add_parser("study", help="manage studies: benchmark runs and the claims they test")
    below = study.add_subparsers(
        required=True,
        metavar="list|show|add|remove|estimate|run|status|stop|resume|extend|compare|delete|report|verify",
    )
    listed = below.add_parser("list", help="list available and started studies")
    add_json(listed)
    listed.set_defaults(command=_list)
    shown = _of_file(below, "show", _show, "show a study's file: its roles, sets, runs and claims")
    add_json(shown)
    add = below.add_parser("add", help="check a study's file and add it")
    add.add_argument("file", type=Path, metavar="FILE")
    add.set_defaults(command=_add)
    remove = below.add_parser("remove", help="remove a study's file that you added; studies started from it stay")
    remove.add_argument("name", type=given, metavar="NAME")
    remove.set_defaults(command=_remove)
    estimate = _of_file(below, "estimate", _estimate, "estimate tokens, time and price, by run, set and model")
    _add_parts(estimate)
    add_json(estimate)
    run = _of_file(below, "run", _run, "start a study and run it in the foreground, or as a job")
    _add_parts(run)
    run.add_argument("--name", default="", help="name of the started study (default: the file's)")
    run.add_argument(
        "--allow-other-sizes", action="store_true", help="allow sets whose size differs from the official one"
    )
    run.add_argument(
        "--training", type=Path, metavar="FILE", help="fine-tuning data to compare the sets with for overlaps"
    )
    run.add_argument(
        "--import-sets", action="store_true", help="first import the missing sets from the sources given in the file"
    )
    run.add_argument("--job", action="store_true", help="run it as a job of the app")
    add_json(run)
    _add_started(below)
    study_report.add_commands(below)


def _add_started(below: Any) -> None:
    """Add the commands about a study that was started."""
    status = _of_started(below, "status", _status, "show a study's progress and the verdicts on its claims")
    add_json(status)
    _of_started(below, "stop", _stop, "stop a study's job; measured results are kept")
    resume = _of_started(below, "resume", _resume, "resume a study that was stopped, failed or interrupted")
    resume.add_argument("--job", action="store_true", help="resume as a job of the app")
    add_json(resume)
    extend = _of_started(below, "extend", _extend, "ask more questions of a study whose file has an [extension]")
    extend.add_argument(
        "--until-narrow", action="store_true", help="repeat until the intervals are as narrow as the file requires"
    )
    extend.add_argument("--job", action="store_true", help="ask them as a job of the app")
    add_json(extend)
    compare = _of_started(below, "compare", _compare, "compare two studies, such as two models or two dates")
    compare.add_argument("other", type=given, metavar="OTHER", help="name or id of the other study")
    add_json(compare)
    _of_started(below, "delete", _delete, "move a study to the trash; its benchmark runs stay")


def _of_file(below: Any, name: str, command: Any, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = below.add_parser(name, help=about)
    parser.add_argument("study", type=given, metavar="NAME|FILE", help="a study's name, or a file that ends in .toml")
    parser.set_defaults(command=command)
    return parser


def _of_started(below: Any, name: str, command: Any, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = below.add_parser(name, help=about)
    parser.add_argument("study", type=given, metavar="NAME", help="name or id of a started study")
    parser.set_defaults(command=command)
    return parser


def _add_parts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=_pair,
        action="append",
        default=[],
        metavar="ROLE=MODEL",
        help="the served model that plays a role; ROLE= skips an optional role; repeatable",
    )
    parser.add_argument(
        "--set",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=SET",
        help="the imported question set to use for a set of the study; repeatable",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="maximum questions per set, instead of the file's")


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a pair; write NAME=VALUE")
    return name.strip(), value.strip()


async def _list(services: Services, options: argparse.Namespace) -> int:
    files, started = await services.study_files.all(), await services.studies.all()
    if options.json:
        found = [{"name": each.name, "is_preset": each.is_preset, "problem": each.problem} for each in files]
        of = [{"id": each.stored.id, "name": each.stored.name, "state": each.state.value} for each in started]
        write_json({"files": found, "started": of})
    else:
        write(files_text(files) + "\n" + started_text(started))
    return 0


async def _show(services: Services, options: argparse.Namespace) -> int:
    file = await _file(services, options.study)
    if file.study is not None:
        if options.json:
            write_json(study_value(file.study))
        else:
            write(file_text(file.study))
    return 0


async def _add(services: Services, options: argparse.Namespace) -> int:
    kept = await services.study_files.save((await services.study_files.read(options.file)).text)
    write(f"{kept.name}: added; estimate it with: python -m m1app study estimate {kept.name}\n")
    return 0


async def _remove(services: Services, options: argparse.Namespace) -> int:
    await services.study_files.remove(options.name)
    write(f"{options.name}: removed\n")
    return 0


async def _estimate(services: Services, options: argparse.Namespace) -> int:
    request = await _request(services, options)
    await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    found = await services.studies.estimate(request)
    if options.json:
        write_json(estimate_value(found))
    else:
        write(estimate_text(request.study, found))
    return 0


async def _run(services: Services, options: argparse.Namespace) -> int:
    request = await _request(services, options)
    if options.import_sets:
        for note in await services.studies.import_sets(request):
            say(note)
    await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    stored = await services.studies.start(request)
    say(f"study {stored.name} ({stored.id}) started")
    return await _go_on(services, stored, options)


async def _status(services: Services, options: argparse.Namespace) -> int:
    return await _show_outcome(services, (await services.studies.find(options.study)).stored, options)


async def _stop(services: Services, options: argparse.Namespace) -> int:
    found = (await services.studies.find(options.study)).stored
    job = await services.studies.stop(found.id)
    write(f"{found.name}: {job.state.value}; resume it with: python -m m1app study resume {found.name}\n")
    return 0


async def _resume(services: Services, options: argparse.Namespace) -> int:
    found = await services.studies.find(options.study)
    if found.state is RunState.COMPLETED and not any(each.items_failed for each in found.runs.values()):
        say(f"{found.stored.name} is complete; there is nothing to resume")
        return await _show_outcome(services, found.stored, options)
    if not options.job:
        await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    return await _go_on(services, found.stored, options)


async def _extend(services: Services, options: argparse.Namespace) -> int:
    if options.job and options.until_narrow:
        raise AppError("--job and --until-narrow cannot be combined: a job does not check the intervals.")
    found = (await services.studies.find(options.study)).stored
    if not options.job:
        await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    await services.studies.extend(found.id)
    status = await _go_on(services, found, options)
    while status == 0 and options.until_narrow and await _is_wide(services, found.id):
        await services.studies.extend(found.id)
        status = await _go_on(services, found, options)
    return status


async def _is_wide(services: Services, study_id: str) -> bool:
    outcome = await services.study_reading.outcome(study_id)
    width, extension = widest(outcome.claims), outcome.study.extension
    return extension is not None and width is not None and width > extension.width


async def _compare(services: Services, options: argparse.Namespace) -> int:
    first, second = [(await services.studies.find(each)).stored for each in (options.study, options.other)]
    found = await services.study_reading.compare(first.id, second.id)
    if options.json:
        write_json(compared_value(found))
    else:
        write(compared_text(found))
    return 0


async def _delete(services: Services, options: argparse.Namespace) -> int:
    found = (await services.studies.find(options.study)).stored
    await services.studies.delete(found.id)
    write(f"{found.name} moved to the trash; its benchmark runs stay\n")
    return 0


async def _go_on(services: Services, stored: StoredStudy, options: argparse.Namespace) -> int:
    if options.job:
        job = await services.studies.launch(stored.id)
        write(f"job {job.id}: {job.state.value}; watch it with: python -m m1app study status {stored.name}\n")
        return 0
    is_complete = await _run_here(services, stored.id, is_quiet=options.json)
    await _show_outcome(services, stored, options)
    if is_complete:
        return 0
    say(f"stopped; resume it with: python -m m1app study resume {stored.name}")
    return 130


async def _run_here(services: Services, study_id: str, *, is_quiet: bool) -> bool:
    with set_by_signals() as stopping:
        return await services.studies.run(study_id, on_progress=progress_teller(is_quiet), is_stopping=stopping)


async def _show_outcome(services: Services, stored: StoredStudy, options: argparse.Namespace) -> int:
    outcome = await services.study_reading.outcome(stored.id)
    if options.json:
        write_json(outcome_value(outcome))
    else:
        write(outcome_text(outcome))
    return 0


async def _request(services: Services, options: argparse.Namespace) -> StudyRequest:
    given_parts: Mapping[str, Any] = vars(options)
    return StudyRequest(
        file=await _file(services, options.study),
        name=given_parts.get("name", ""),
        models=dict(options.model),
        sets=dict(options.set),
        limit=options.limit,
        allows_other_sizes=given_parts.get("allow_other_sizes", False),
        training_file=given_parts.get("training"),
    )


async def _file(services: Services, name: str) -> StudyFile:
    if name.endswith(".toml"):
        return await services.study_files.read(Path(name))
    return await services.study_files.get(name)
