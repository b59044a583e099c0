"""`python -m m1app questions import|list|layouts|preview|overlap|delete`."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, write, write_json
from m1app.question_sets.comparison import Overlap
from m1app.question_sets.errors import QuestionSetError
from m1app.question_sets.importing import MAX_QUESTIONS
from m1app.question_sets.service import ImportReport
from m1app.wording import counted
from storage.question_sets.records import QuestionSet

_STEM_CHARACTERS = 100
_MOST_SHOWN = 1000


def add_command(commands: Any) -> None:
    """Add `questions` and its subcommands to the commands of `m1app.cli.main`."""
    questions = commands.add_parser("questions", help="question sets for benchmarks: import, list, preview, compare")
    below = questions.add_subparsers(required=True, metavar="import|list|layouts|preview|overlap|delete")
    _add_import(below)
    listing = below.add_parser("list", help="list all sets with their question counts")
    add_json(listing)
    listing.set_defaults(command=_list)
    below.add_parser("layouts", help="list the layouts of question files").set_defaults(command=_layouts)
    preview = below.add_parser("preview", help="show questions of a set")
    preview.add_argument("name", metavar="NAME")
    preview.add_argument("--search", default="", metavar="WORDS", help="only questions that contain all of these words")
    preview.add_argument(
        "--limit", type=_count(1, _MOST_SHOWN), default=10, metavar="N", help=f"1 to {_MOST_SHOWN:,} (default: 10)"
    )
    preview.add_argument("--offset", type=_count(0, MAX_QUESTIONS), default=0, metavar="N", help="questions to skip")
    add_json(preview)
    preview.set_defaults(command=_preview)
    overlap = below.add_parser("overlap", help="find questions that sets share with each other or fine-tuning data")
    overlap.add_argument("name", metavar="NAME", nargs="*", help="sets to compare (default: all)")
    overlap.add_argument(
        "--training", metavar="FILE", help="fine-tuning data with the column question, prompt or messages"
    )
    add_json(overlap)
    overlap.set_defaults(command=_overlap)
    delete = below.add_parser("delete", help="delete a set; runs keep their questions and results")
    delete.add_argument("name", metavar="NAME")
    delete.set_defaults(command=_delete)


def _count(least: int, most: int) -> Callable[[str], int]:
    """A type of argparse: a whole number between both."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"found {text[:40]!r}, expected a whole number from {least} to {most:,}")

    return parse


def _add_import(below: Any) -> None:
    command = below.add_parser("import", help="import a file, or a dataset from the Hugging Face hub")
    command.add_argument("file", metavar="FILE", help=".json, .jsonl, .csv, .tsv or .parquet; a repository with --hub")
    command.add_argument("--name", default="", help="name of the set (default: the name in the file)")
    command.add_argument(
        "--layout", default="", help="layout of the file, see `questions layouts` (default: found by its columns)"
    )
    command.add_argument(
        "--hub", action="store_true", help="download FILE, such as openlifescienceai/medmcqa, from the hub"
    )
    command.add_argument("--config", default="", help="configuration of the repository, with --hub")
    command.add_argument("--split", default="", help="split of the repository, with --hub")
    add_json(command)
    command.set_defaults(command=_import)


async def _import(services: Services, options: argparse.Namespace) -> int:
    sets = services.question_sets
    if options.hub:
        report = await sets.import_hub(
            options.file, name=options.name, layout=options.layout, config=options.config, split=options.split
        )
    else:
        report = await sets.import_file(Path(options.file), name=options.name, layout=options.layout)
    write(_report_json(report) if options.json else _report_text(report))
    return 0


def _report_json(report: ImportReport) -> str:
    content = {
        "sets": [_set_json(each) for each in report.sets],
        "duplicates": dict(report.duplicates),
        "overlaps": [asdict(each) for each in report.overlaps],
        "notes": list(report.notes),
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def _report_text(report: ImportReport) -> str:
    lines = [f"{each.name}: {counted(each.question_count, 'question')}, layout {each.layout}" for each in report.sets]
    lines += [
        f"{name}: {count:,} repeated in the file, kept once" for name, count in report.duplicates.items() if count
    ]
    return "\n".join([*lines, *report.notes]) + "\n" + _overlaps_text(report.overlaps)


async def _list(services: Services, options: argparse.Namespace) -> int:
    sets = await services.question_sets.all()
    if options.json:
        write_json({"sets": [_set_json(each) for each in sets]})
        return 0
    for each in sets:
        write(
            f"{each.name}: {counted(each.question_count, 'question')}, layout {each.layout}, from {each.source}, "
            f"imported {each.created_at:%Y-%m-%d}\n"
        )
    if not sets:
        write("No question sets yet. Import one: python -m m1app questions import FILE\n")
    return 0


def _set_json(each: QuestionSet) -> dict[str, Any]:
    return asdict(each) | {"created_at": each.created_at.isoformat()}


async def _layouts(services: Services, options: argparse.Namespace) -> int:
    for layout_id, label in services.question_sets.layouts:
        write(f"{layout_id:18} {label}\n")
    return 0


async def _preview(services: Services, options: argparse.Namespace) -> int:
    chosen = await _named(services, options.name)
    found = await services.question_sets.preview(
        chosen.id, limit=options.limit, offset=options.offset, text=options.search
    )
    if options.json:
        content = [
            {
                "question": each.stem,
                "options": each.options,
                "answer_idx": each.target,
                "tags": each.tags,
                "title": each.title,
            }
            for each in found
        ]
        write_json({"name": chosen.name, "questions": content})
        return 0
    for each in found:
        options_text = "".join(f"  {letter}. {text}\n" for letter, text in each.options.items())
        write(f"{each.stem}\n{options_text}  target: {each.target}\n\n")
    return 0


async def _overlap(services: Services, options: argparse.Namespace) -> int:
    chosen = [await _named(services, name) for name in options.name] or await services.question_sets.all()
    training = Path(options.training) if options.training else None
    found = await services.question_sets.overlaps([each.id for each in chosen], training)
    if options.json:
        write_json({"overlaps": [asdict(each) for each in found]})
    else:
        write(_overlaps_text(found) or "no overlap found\n")
    return 0


def _overlaps_text(overlaps: Sequence[Overlap]) -> str:
    lines = []
    for overlap in overlaps:
        lines.append(f"overlap: {overlap.sentence}")
        lines += [f"  {share:4.0%}  {_short(first)}" for first, _, share in overlap.pairs[:3]]
    return "".join(f"{line}\n" for line in lines)


def _short(stem: str) -> str:
    flat = " ".join(stem.split())
    return flat if len(flat) <= _STEM_CHARACTERS else f"{flat[:_STEM_CHARACTERS]}..."


async def _delete(services: Services, options: argparse.Namespace) -> int:
    chosen = await _named(services, options.name)
    await services.question_sets.delete(chosen.id)
    write(f"{chosen.name} moved to the trash; runs keep their questions and results\n")
    return 0


async def _named(services: Services, name: str) -> QuestionSet:
    sets = await services.question_sets.all()
    found = next((each for each in sets if each.name == name), None)
    if found is None:
        there = ", ".join(each.name for each in sets) or "none yet"
        raise QuestionSetError(f"Question set {name[:80]!r} not found. Available: {there}.")
    return found
