"""`python -m m1app dataset samples|exclude|restore|edit`: single samples of a data set."""

import argparse
import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, say, write, write_json
from m1app.errors import AppError
from m1app.training.changes import ChangeKind
from m1app.training.data_sets import DataSetVersion
from m1app.training.sample_index import PAGE, IndexedSample, SampleQuery

_MAX_FILE_BYTES = 5_000_000


def add_sample_commands(below: Any) -> None:
    """Add the commands to those of `dataset`."""
    _add_samples(below.add_parser("samples", help="list and search the samples of a version, or print one"))
    exclude = below.add_parser("exclude", help="leave samples out, as a new version")
    restore = below.add_parser("restore", help="restore samples that were left out, as a new version")
    edit = below.add_parser("edit", help="change a sample, as a new version")
    for parser, kind in ((exclude, ChangeKind.EXCLUDE), (restore, ChangeKind.RESTORE), (edit, ChangeKind.EDIT)):
        parser.add_argument("data_set", metavar="NAME[:vN]")
        many = "; repeatable" if kind is not ChangeKind.EDIT else ""
        action = "append" if many else "store"
        parser.add_argument(
            "--sample", required=True, action=action, metavar="KEY", help=f"as `dataset samples` lists it{many}"
        )
        parser.add_argument("--reason", required=True, help="reason, recorded in the card")
        add_json(parser)
        parser.set_defaults(command=_change, kind=kind, keep_anyway=False, file=None)
    edit.add_argument(
        "--file", required=True, metavar="FILE", help="JSON with the values to change, such as answer or target"
    )
    for parser in (restore, edit):
        parser.add_argument(
            "--keep-anyway",
            action="store_true",
            help="keep it even if its answer does not agree with its target, or it overlaps with an evaluation set",
        )


def _add_samples(samples: argparse.ArgumentParser) -> None:
    samples.add_argument("data_set", metavar="NAME[:vN]")
    samples.add_argument("--search", default="", metavar="WORDS", help="in questions, options, reasoning and answers")
    samples.add_argument(
        "--state", default="kept", metavar="STATE", help="kept, dropped, all, or the step that left them out"
    )
    samples.add_argument("--domain", default=None, help="only this domain; empty for samples without one")
    samples.add_argument("--source", default=None, help="only from this source")
    samples.add_argument("--least", type=int, metavar="N", help="minimum characters of reasoning")
    samples.add_argument("--most", type=int, metavar="N", help="maximum characters of reasoning")
    samples.add_argument("--order", choices=["file", "short", "long", "drawn"], default="file")
    samples.add_argument("--page", type=int, default=1, metavar="N", help=f"of {PAGE} samples each")
    samples.add_argument("--sample", default="", metavar="KEY", help="print this sample as JSON")
    add_json(samples)
    samples.set_defaults(command=_samples)


async def _samples(services: Services, options: argparse.Namespace) -> int:
    if options.sample:
        shown = await services.samples.sample(options.data_set, options.sample)
        write_json(_row(shown.entry) | {"doubt": shown.doubt, "sample": shown.sample.as_row()})
        return 0
    query = _query(options)
    page = await services.samples.page(options.data_set, query)
    if options.json:
        write_json({"data_set": page.version.id, "total": page.total, "samples": [_row(each) for each in page.rows]})
        return 0
    for each in page.rows:
        left_out = f"  [{each.step}: {each.why}]" if each.step else ""
        write(f"{each.key}  {each.characters:>8,}  {each.domain or '-':24}  {each.question}{left_out}\n")
    last = query.offset + len(page.rows)
    say(f"{query.offset + 1 if page.rows else 0:,} - {last:,} of {page.total:,}. {page.lengths['said']}.")
    return 0


def _query(options: argparse.Namespace) -> SampleQuery:
    try:
        return SampleQuery(
            text=options.search,
            state="" if options.state == "all" else options.state,
            domain=options.domain,
            source=options.source,
            least=options.least,
            most=options.most,
            order=options.order,
            offset=(options.page - 1) * PAGE,
        )
    except ValidationError as exc:
        wrong = exc.errors()[0]
        raise AppError(f"The samples cannot be listed: {wrong['loc'][0]}: {wrong['msg']}.") from exc


def _row(each: IndexedSample) -> dict[str, Any]:
    return {
        "key": each.key,
        "is_kept": each.is_kept,
        "step": each.step,
        "why": each.why,
        "question": each.question,
        "domain": each.domain,
        "source": each.source,
        "reasoning_characters": each.characters,
    }


async def _change(services: Services, options: argparse.Namespace) -> int:
    keys = options.sample if isinstance(options.sample, list) else [options.sample]
    change: dict[str, Any] = {"kind": options.kind, "reason": options.reason, "is_deliberate": options.keep_anyway}
    if options.file:
        shown = await services.samples.sample(options.data_set, keys[0])
        values = await asyncio.to_thread(_read_values, Path(options.file))
        row = {name: value for name, value in shown.sample.as_row().items() if name != "source"}
        change["sample"] = {**row, **values}
    made = await services.samples.change(options.data_set, [change | {"key": key} for key in keys])
    _say_made(made, is_json=options.json)
    return 0


def _read_values(path: Path) -> Mapping[str, Any]:
    """The values of a file of one JSON object; raises AppError."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        values = json.loads(content) if len(content) <= _MAX_FILE_BYTES else None
    except (OSError, ValueError) as exc:
        raise AppError(f"{path} cannot be read as JSON: {exc}.") from exc
    if not isinstance(values, dict):
        raise AppError(f"{path}: expected one JSON object with the values to change, of at most 5 MB.")
    return values


def _say_made(made: DataSetVersion, *, is_json: bool) -> None:
    if is_json:
        write_json({"id": made.id, "samples": made.samples, "sha256": made.sha256, "path": str(made.path)})
    else:
        write(f"{made.id}: {made.samples:,} samples in {made.path}. {made.reports[-1].title}.\n")
