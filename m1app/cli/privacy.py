"""`m1app erase` and `retention`: remove a trace, a question or a person for good, and what is too old."""

import argparse
import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from m1app.cli.local_services import open_database
from m1app.cli.terminal import say, write
from m1app.errors import AppError
from m1app.privacy.erasure import ErasureReport, ErasureService
from m1app.privacy.retention import RetentionService
from m1app.privacy.words import counts_text
from m1app.settings import load_settings
from storage.database import Database

_Use = Callable[[ErasureService, argparse.Namespace], Coroutine[Any, Any, ErasureReport]]


def add_command(commands: Any) -> None:
    """Add `erase` and `retention` to the commands of `m1app.cli.main`."""
    erase = commands.add_parser("erase", help="remove a trace, a question or a person for good, also from the trash")
    below = erase.add_subparsers(required=True, metavar="trace|question|person|leftovers")
    for name, use, about in (
        ("trace", _trace, "one trace; its question stays"),
        ("question", _question, "one question, with all its traces and runs"),
    ):
        command = _erasing(below, name, use, about)
        command.add_argument("--with-files", action="store_true", help="also remove files of the home that contain it")
        command.add_argument("--with-annotations", action="store_true", help="also what people wrote about it")
    person = _erasing(below, "person", _person, "an account, and a name in annotations")
    person.add_argument(
        "--with-annotations", action="store_true", help="also their annotations, which otherwise get a pseudonym"
    )
    leftovers = below.add_parser("leftovers", help="overwrite what deleted records left in the database's files")
    leftovers.set_defaults(run=_leftovers)
    retention = commands.add_parser("retention", help="remove what is older than M1_RETENTION_DAYS; the app does too")
    retention.add_argument("--dry-run", action="store_true", help="only count")
    retention.add_argument("--with-annotated", action="store_true", help="also what people have annotated")
    retention.set_defaults(run=_retention)


def _erasing(below: Any, name: str, use: _Use, about: str) -> Any:
    command = below.add_parser(name, help=about)
    command.add_argument("id", metavar="ID")
    command.add_argument("--dry-run", action="store_true", help="only count")
    command.set_defaults(run=lambda options: _erase(use, options))
    return command


def _erase(use: _Use, options: argparse.Namespace) -> int:
    with open_database() as database:
        report = asyncio.run(use(_service(database), options))
    verb = "would be erased" if options.dry_run else "erased"
    write(f"{verb}: {counts_text(report.counts)}\n")
    for label, paths in (
        ("file removed", report.removed),
        ("file that contains it", report.files),
        ("file that could not be read and may contain it", report.unread),
        ("copy that may hold it", report.copies),
    ):
        write("".join(f"{label}: {path}\n" for path in paths))
    if report.files:
        how = "Remove these files, or add --with-files." if options.dry_run else "Remove these files yourself."
        say(f"{how} Models that were trained on them still know it.")
    if report.copies:
        say("Delete these copies, or erase again after restoring one. Files that people downloaded are not known here.")
    if report.unread:
        say("Check the files that could not be read yourself; --with-files does not remove them.")
    for problem in report.problems:
        say(problem)
    return 1 if report.problems or report.unread else 0


async def _trace(service: ErasureService, options: argparse.Namespace) -> ErasureReport:
    return await service.erase_trace(options.id, **_choices(options))


async def _question(service: ErasureService, options: argparse.Namespace) -> ErasureReport:
    return await service.erase_question(options.id, **_choices(options))


async def _person(service: ErasureService, options: argparse.Namespace) -> ErasureReport:
    return await service.erase_person(options.id, with_annotations=options.with_annotations, is_dry_run=options.dry_run)


def _choices(options: argparse.Namespace) -> Mapping[str, bool]:
    return {
        "with_annotations": options.with_annotations,
        "with_files": options.with_files,
        "is_dry_run": options.dry_run,
    }


def _leftovers(options: argparse.Namespace) -> int:
    with open_database() as database:
        problem = asyncio.run(_service(database).scrub())
    write("overwritten\n" if not problem else "")
    if problem:
        say(problem)
    return 1 if problem else 0


def _retention(options: argparse.Namespace) -> int:
    days = load_settings().retention_days
    if not days:
        raise AppError("Everything is kept: M1_RETENTION_DAYS is 0. Set it to a number of days first.")
    with open_database() as database:
        service = RetentionService(database, days)
        removal = asyncio.run(service.remove(with_annotated=options.with_annotated, is_dry_run=options.dry_run))
    write(f"{'would be removed' if options.dry_run else 'removed'}: {counts_text(removal.counts)}\n")
    if removal.problem:
        say(removal.problem)
    return 0


def _service(database: Database) -> ErasureService:
    return ErasureService(database, load_settings())
