"""`python -m m1app annotations export|import|agreement`."""

import argparse
import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m1app.annotation.errors import ImportRefused
from m1app.annotation.exchange import ExportFormat, ImportFormat
from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, write, write_json


def add_command(commands: Any) -> None:
    """Add `annotations` and its subcommands to the commands of `m1app.cli.main`."""
    annotations = commands.add_parser("annotations", help="export and import annotations, measure agreement")
    below = annotations.add_subparsers(required=True, metavar="export|import|agreement")
    export = below.add_parser("export", help="print all annotations, or write them to a file")
    export.add_argument("--format", type=ExportFormat, choices=list(ExportFormat), default=ExportFormat.JSONL)
    export.add_argument("--output", metavar="FILE", help="file to write (default: standard output)")
    export.set_defaults(command=_export)
    restore = below.add_parser("import", help="import annotations, all of the file or nothing")
    restore.add_argument("file", metavar="FILE", help="- reads standard input")
    restore.add_argument("--format", type=ImportFormat, choices=list(ImportFormat), default=ImportFormat.JSONL)
    restore.set_defaults(command=_import)
    agreement = below.add_parser("agreement", help="how well annotators agree, with 95%% intervals")
    add_json(agreement)
    agreement.set_defaults(command=_agreement)


async def _export(services: Services, options: argparse.Namespace) -> int:
    text = await services.exchange.export(options.format)
    if options.output is None:
        write(text)
    else:
        await asyncio.to_thread(Path(options.output).write_bytes, text.encode())
    return 0


async def _import(services: Services, options: argparse.Namespace) -> int:
    read = sys.stdin.buffer.read if options.file == "-" else Path(options.file).read_bytes
    content = await asyncio.to_thread(read)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ImportRefused(f"The file is not UTF-8 text at byte {exc.start}: save it as UTF-8.") from exc
    report = await services.exchange.restore(text, options.format)
    write(f"{report.added} imported, {report.unchanged} already present\n")
    return 0


async def _agreement(services: Services, options: argparse.Namespace) -> int:
    report = await services.annotations.agreement()
    if options.json:
        write_json(asdict(report))
        return 0
    estimates = {"any error": report.any_error, "severity": report.severity, "span F1": report.span_f1}
    write(f"{len(report.annotators)} annotators, {report.cases} cases, {report.method}\n")
    for name, estimate in {**estimates, **report.by_label}.items():
        said = estimate.note or f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f}), n={estimate.items}"
        write(f"{name:24} {said}\n")
    return 0
