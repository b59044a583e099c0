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

from m1app.annotation.errors import ImportRefused
from m1app.annotation.exchange import CasesFormat, ExportFormat, ImportFormat
from m1app.annotation.foreign_cases import FieldNames
from m1app.annotation.salvage import Lost
from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, write, write_json
from m1app.wording import counted

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
        "interrupted, part of the file is imported; import it again to continue: imported annotations count as "
        "present.",
    )
    restore.add_argument("file", metavar="FILE", help="- reads standard input")
    formats = [*ImportFormat, CasesFormat.TRACES]
    restore.add_argument("--format", choices=[each.value for each in formats], help="kind of file (default: jsonl)")
    restore.add_argument("--skip-missing", action="store_true", help="leave out annotations of unknown cases")
    restore.add_argument(
        "--keep-existing", action="store_true", help="leave out annotations that exist with different content"
    )
    _add_cases(restore)
    restore.set_defaults(command=_import)
    agreement = below.add_parser("agreement", help="how well annotators agree, with 95%% intervals")
    add_json(agreement)
    agreement.set_defaults(command=_agreement)


def _add_cases(restore: argparse.ArgumentParser) -> None:
    cases = restore.add_argument_group("traces from elsewhere", "Store traces from other tools and annotate them here.")
    cases.add_argument(
        "--as-cases",
        action="store_true",
        help="store the traces of FILE as cases, with their marks; --format is traces (the default), "
        "label-studio or argilla",
    )
    for name, what in (("question", "question"), ("text", "thinking"), ("answer", "answer")):
        cases.add_argument(f"--{name}-field", metavar="FIELD", default="", help=f"field that holds the {what}")
    cases.add_argument("--model", default="", help="name of the model, for traces that do not name one")


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
    if options.as_cases:
        return await _import_cases(services, options)
    if options.format == CasesFormat.TRACES:
        raise ImportRefused("Files of traces are imported as cases: add --as-cases.")
    with await asyncio.to_thread(_opened, options.file) as file:
        report = await services.exchange.restore(
            file,
            ImportFormat(options.format or "jsonl"),
            skip_missing=options.skip_missing,
            keep_existing=options.keep_existing,
        )
    write(f"{report.added} imported, {report.unchanged} already present\n")
    if report.missing or report.kept:
        write(f"left out: {report.missing} of unknown cases, {report.kept} that exist with different content\n")
    return 0


async def _import_cases(services: Services, options: argparse.Namespace) -> int:
    if options.format not in (None, *CasesFormat):
        raise ImportRefused(f"--as-cases takes --format {', '.join(CasesFormat)}, not {options.format}.")
    names = FieldNames(options.question_field, options.text_field, options.answer_field, options.model)
    given = CasesFormat(options.format or CasesFormat.TRACES)
    with await asyncio.to_thread(_opened, options.file) as file:
        report = await services.exchange.import_cases(file, given, names)
    write(f"{counted(report.cases, 'case')} imported, {report.present} already present\n")
    write(f"{counted(report.marks, 'mark')} imported, {report.marks_present} already present\n")
    if report.unknown_labels:
        names_with_counts = ", ".join(f"{label} ({count})" for label, count in report.unknown_labels.items())
        write(f"labels missing from this installation: {names_with_counts}\n")
        write(
            f"left out: {counted(report.spans_left_out, 'mark')} with no other label. Add the labels to "
            "M1_HOME/labels.toml, and import again.\n"
        )
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
