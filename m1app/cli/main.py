"""The command line, `m1app` or `python -m m1app`: `serve`, and the same services without a browser.

Exit status: 0 success, 1 failure (the message is on standard error), 2 wrong usage, 130 interrupted; `study_report` has
one more.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.bootstrap import Services, build_services, make_home
from m1app.cli import (
    annotations,
    audit,
    backup,
    bench,
    corpus,
    dataset,
    doctor,
    fact_test,
    finetune,
    fits,
    jobs,
    models,
    policy,
    privacy,
    probe,
    publish,
    questions,
    score,
    serve,
    study,
    sweep,
    trash,
    users,
)
from m1app.cli.terminal import say
from m1app.errors import FOR_PEOPLE
from m1app.log_lines import start_logging
from m1app.settings import Settings, load_settings

_COMMANDS = (
    *(
        serve,
        probe,
        sweep,
        bench,
        study,
        fits,
        policy,
        annotations,
        fact_test,
        publish,
        dataset,
        questions,
        corpus,
        finetune,
        score,
        jobs,
        models,
    ),
    *(users, trash, audit, privacy, backup, doctor),
)
"""Modules with an `add_command`, in the order shown by help."""

Command = Callable[[Services, argparse.Namespace], Awaitable[int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.command_name != "serve":  # The pages' users say who they are.
        run_process_as(COMMAND_LINE)
    try:
        if "run" in options:  # without services
            return int(options.run(options))
        return asyncio.run(_with_services(options.command, options))
    except KeyboardInterrupt:
        say("Interrupted; everything generated so far is saved.")
        return 130
    except FOR_PEOPLE as exc:
        say(f"error: {exc}")
        return 1
    except OSError as exc:
        say(f"error: {_file_problem(exc)}")
        return 1


def _file_problem(error: OSError) -> str:
    """As "answers.json: No such file or directory", without the number."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_program(), description="m1app: serve the pages, or work without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command_name")
    for module in _COMMANDS:
        module.add_command(commands)
    return parser


def _program() -> str:
    """The program as typed: the installed command, or Python with the module."""
    return "m1app" if Path(sys.argv[0]).stem == "m1app" else "python -m m1app"


async def _with_services(command: Command, options: argparse.Namespace) -> int:
    settings = load_settings()
    make_home(settings)
    _log_to_file(settings)
    services = build_services(settings)
    try:
        return await command(services, options)
    finally:
        await services.aclose()


def _log_to_file(settings: Settings) -> None:
    """Standard error has one line for the user; details are logged to a file, unless its disk cannot be written."""
    file = settings.logs_directory / "command-line.log"
    handler: logging.Handler
    try:
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as exc:
        say(f"{file}: {exc.strerror}. The command continues without a log file.")
        handler = logging.NullHandler()
    start_logging(settings.log_level, is_json=settings.log_format == "json", handler=handler)
