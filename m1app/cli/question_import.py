"""`python -m m1app questions import`."""

import argparse
import asyncio
import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, write
from m1app.question_sets.column_mapping import ANSWER_BASES, ColumnMapping
from m1app.question_sets.comparison import Overlap
from m1app.question_sets.errors import QuestionSetError
from m1app.question_sets.import_options import MAX_LIMIT, MAX_SEED, ImportOptions
from m1app.question_sets.rows import FILE_KINDS
from m1app.question_sets.service import BadRow, ImportReport
from m1app.spreadsheet import harmless
from m1app.wording import counted
from storage.question_sets.records import QuestionSet

_SHOWN_BAD_ROWS = 10
_STEM_CHARACTERS = 100
_MAPPED = ("options_columns", "answer_column", "answer_base", "tag_columns")


def add_import(below: Any) -> None:
    """Add `import` to the subcommands of `questions`."""
    command = below.add_parser("import", help="import a file, or a dataset from the Hugging Face hub")
    command.add_argument("file", metavar="FILE", nargs="?", help=f"{FILE_KINDS}; a repository with --hub")
    command.add_argument(
        "--library", action="store_true", help="import the questions with options that come with the app; takes no FILE"
    )
    command.add_argument("--name", default="", help="name of the set (default: the name in the file)")
    command.add_argument(
        "--layout", default="", help="layout of the file, see `questions layouts` (default: found by its columns)"
    )
    command.add_argument(
        "--hub", action="store_true", help="download FILE, such as openlifescienceai/medmcqa, from the hub"
    )
    command.add_argument("--config", default="", help="configuration of the repository, with --hub")
    command.add_argument("--split", default="", help="split of the repository, with --hub")
    _add_columns(command)
    _add_choice(command)
    add_json(command)
    command.set_defaults(command=_import)


def _add_columns(command: argparse.ArgumentParser) -> None:
    columns = command.add_argument_group("columns", "column mapping, for files that match no layout")
    columns.add_argument(
        "--question-column", default="", metavar="NAME", help="the question; required if any other column is set"
    )
    columns.add_argument(
        "--options-columns",
        "--option-columns",
        type=_names,
        default=(),
        metavar="NAMES",
        help="the options: one column each, or a single one with all of them (default: within the question)",
    )
    columns.add_argument("--answer-column", default="", metavar="NAME", help="the right option")
    columns.add_argument(
        "--answer-base",
        choices=[base for base in ANSWER_BASES if base],
        default="",
        help="what the answer column holds: a number from 0 or from 1, a letter, or a text (default: letter or text)",
    )
    columns.add_argument(
        "--tag-columns", type=_names, default=(), metavar="NAMES", help="columns that become tags, such as a subject"
    )


def _add_choice(command: argparse.ArgumentParser) -> None:
    rows = command.add_argument_group("rows", "which rows are taken")
    rows.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be used, and list them")
    rows.add_argument(
        "--bad-rows", metavar="FILE", help="write the places of skipped rows, with reasons, to FILE as CSV"
    )
    rows.add_argument("--ids", metavar="FILE", help="only rows whose id, or SHA-256 of the stem, is in FILE")
    rows.add_argument(
        "--limit", type=whole_number(1, MAX_LIMIT), default=0, metavar="N", help="N random questions from each set"
    )
    rows.add_argument(
        "--seed",
        type=whole_number(0, MAX_SEED),
        default=0,
        help="seed for --limit (default: 0); the same seed picks the same questions",
    )


def _names(text: str) -> tuple[str, ...]:
    """Names of columns from "opa,opb"."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A type of argparse: a whole number between both."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"found {text[:40]!r}, expected a whole number from {least} to {most:,}")

    return parse


async def _import(services: Services, options: argparse.Namespace) -> int:
    sets = services.question_sets
    given = _options(options)
    ids = Path(options.ids) if options.ids else None
    if options.library == bool(options.file):
        raise QuestionSetError("Name a FILE to import, or use --library without one.")
    if options.library:
        report = await sets.import_library(name=options.name)
    elif options.hub:
        report = await sets.import_hub(
            options.file,
            name=options.name,
            layout=options.layout,
            config=options.config,
            split=options.split,
            options=given,
            ids=ids,
        )
    else:
        path = Path(options.file)
        report = await sets.import_file(path, name=options.name, layout=options.layout, options=given, ids=ids)
    write(_report_json(report) if options.json else _report_text(report, options.bad_rows))
    if options.bad_rows:
        await asyncio.to_thread(_write_bad_rows, Path(options.bad_rows), report.bad_rows)
    return 0


def _options(options: argparse.Namespace) -> ImportOptions:
    if options.bad_rows and not options.skip_bad:
        raise QuestionSetError("--bad-rows lists rows that were left out: add --skip-bad.")
    if not options.question_column and any(getattr(options, name) for name in _MAPPED):
        raise QuestionSetError("The question column is missing: add --question-column.")
    columns = None
    if options.question_column:
        columns = ColumnMapping(
            options.question_column,
            options.options_columns,
            options.answer_column,
            options.answer_base,
            options.tag_columns,
        )
    return ImportOptions(columns, options.skip_bad, options.limit, options.seed)


def _write_bad_rows(path: Path, rows: Sequence[BadRow]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["where", "reason"])
            writer.writerows([harmless(row.where), harmless(row.reason)] for row in rows)
    except OSError as exc:
        raise QuestionSetError(
            f"The questions were imported, but {path} cannot be written ({exc.strerror}). "
            "Import them again with another --bad-rows to get the list."
        ) from exc


def _report_json(report: ImportReport) -> str:
    content = {
        "sets": [set_json(each) for each in report.sets],
        "duplicates": dict(report.duplicates),
        "overlaps": [asdict(each) for each in report.overlaps],
        "notes": list(report.notes),
        "bad_rows": [asdict(each) for each in report.bad_rows],
        "bad_row_count": report.bad_row_count,
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def _report_text(report: ImportReport, bad_rows: str | None) -> str:
    lines = [f"{each.name}: {counted(each.question_count, 'question')}, layout {each.layout}" for each in report.sets]
    lines += [
        f"{name}: {count:,} repeated in the file, kept once" for name, count in report.duplicates.items() if count
    ]
    lines += report.notes
    lines += [f"  {row.where}: {row.reason}" for row in report.bad_rows[:_SHOWN_BAD_ROWS]]
    if report.bad_row_count > _SHOWN_BAD_ROWS:
        where = f"see {bad_rows}" if bad_rows else "list them with --bad-rows FILE"
        lines.append(f"  ... and {report.bad_row_count - _SHOWN_BAD_ROWS:,} more; {where}")
    return "\n".join(lines) + "\n" + overlaps_text(report.overlaps)


def set_json(each: QuestionSet) -> dict[str, Any]:
    """A set as JSON."""
    return asdict(each) | {"created_at": each.created_at.isoformat()}


def overlaps_text(overlaps: Sequence[Overlap]) -> str:
    """Overlaps as lines, with some pairs of each."""
    lines = []
    for overlap in overlaps:
        lines.append(f"overlap: {overlap.sentence}")
        lines += [f"  {share:4.0%}  {_short(first)}" for first, _, share in overlap.pairs[:3]]
    return "".join(f"{line}\n" for line in lines)


def _short(stem: str) -> str:
    flat = " ".join(stem.split())
    return flat if len(flat) <= _STEM_CHARACTERS else f"{flat[:_STEM_CHARACTERS]}..."
