"""`python -m m1app annotations export|import|agreement`."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from m1app.annotation.exchange import ExportFormat, ImportFormat
from m1app.annotation.salvage import Lost
from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, write, write_json

_EXIT_INCOMPLETE = 3


def add_command(commands: Any) -> None:
    """Add `annotations` and its subcommands to the commands of `m1app.cli.main`."""
    annotations = commands.add_parser("annotations", help="export and import annotations, measure agreement")
    below = annotations.add_subparsers(required=True, metavar="export|import|agreement")
    export = below.add_parser("export", help="print all annotations, or write them to a file")
    export.add_argument("--format", type=ExportFormat, choices=list(ExportFormat), default=ExportFormat.JSONL)
    export.add_argument("--output", metavar="FILE", help="file to write (default: standard output)")
    export.set_defaults(command=_export)
    restore = below.add_parser(
        "import",
        help="import annotations",
        description="Import annotations. Nothing is imported if anything in the file is invalid. If the import is "
        "broken off, a part of the file is imported; import it again to go on: what is there counts as present.",
    )
    restore.add_argument("file", metavar="FILE", help="- reads standard input")
    restore.add_argument("--format", type=ImportFormat, choices=list(ImportFormat), default=ImportFormat.JSONL)
    restore.add_argument("--skip-missing", action="store_true", help="leave out annotations of unknown cases")
    restore.add_argument(
        "--keep-existing", action="store_true", help="leave out annotations that exist with different content"
    )
    restore.set_defaults(command=_import)
    agreement = below.add_parser("agreement", help="how well annotators agree, with 95%% intervals")
    add_json(agreement)
    agreement.set_defaults(command=_agreement)


async def _export(services: Services, options: argparse.Namespace) -> int:
    lost = Lost()
    if options.output is not None:
        await services.exchange.export_file(options.format, Path(options.output), lost)
    else:
        async for part in services.exchange.export(options.format, lost):
            write(part)
    if not lost:
        return 0
    more = " There may be more: the list of all annotations is damaged too." if lost.has_unknown else ""
    sys.stderr.write(
        f"The database is damaged: {lost.annotations} annotations could not be read, drafts possibly among them, and "
        f"{lost.histories} are exported without their history.{more} Everything else is exported.\n"
    )
    return _EXIT_INCOMPLETE


async def _import(services: Services, options: argparse.Namespace) -> int:
    with await asyncio.to_thread(_opened, options.file) as file:
        report = await services.exchange.restore(
            file, options.format, skip_missing=options.skip_missing, keep_existing=options.keep_existing
        )
    write(f"{report.added} imported, {report.unchanged} already present\n")
    if report.missing or report.kept:
        write(f"left out: {report.missing} of unknown cases, {report.kept} that exist with different content\n")
    return 0


def _opened(name: str) -> IO[bytes]:
    """The file; a copy of standard input or of a pipe, because an import reads twice."""
    with ExitStack() as stack:
        source = sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
        if name != "-" and source.seekable():
            stack.pop_all()
            return source
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(source, copy)
        return copy


async def _agreement(services: Services, options: argparse.Namespace) -> int:
    report = await services.annotations.agreement()
    if options.json:
        write_json(asdict(report))
        return 0
    estimates = {"any error": report.any_error, "severity": report.severity, "span F1": report.span_f1}
    write(f"{len(report.annotators)} annotators, {report.cases} cases, {report.method}\n")
    for name, estimate in {**estimates, **report.by_label}.items():
        said = estimate.note or f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f}), n={estimate.items}"
        write(f"{name:24} {said}{f' ({estimate.caution})' if estimate.caution else ''}\n")
    return 0
