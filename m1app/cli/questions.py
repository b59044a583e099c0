"""`python -m m1app questions list|layouts|preview|overlap|split|delete`; `import` is in `question_import`."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.question_import import add_import, overlaps_text, set_json, whole_number
from m1app.cli.terminal import add_json, write, write_json
from m1app.question_sets.errors import QuestionSetError
from m1app.question_sets.importing import MAX_QUESTIONS
from m1app.wording import counted
from storage.question_sets.records import QuestionSet

_STEM_CHARACTERS = 100
_MOST_SHOWN = 1000


def add_command(commands: Any) -> None:
    """Add `questions` and its subcommands to the commands of `m1app.cli.main`."""
    questions = commands.add_parser("questions", help="question sets for benchmarks: import, list, preview, compare")
    below = questions.add_subparsers(required=True, metavar="import|list|layouts|preview|overlap|split|delete")
    add_import(below)
    listing = below.add_parser("list", help="list all sets with their question counts")
    add_json(listing)
    listing.set_defaults(command=_list)
    below.add_parser("layouts", help="list the layouts of question files").set_defaults(command=_layouts)
    preview = below.add_parser("preview", help="show questions of a set")
    preview.add_argument("name", metavar="NAME")
    preview.add_argument("--search", default="", metavar="WORDS", help="only questions that contain all of these words")
    preview.add_argument(
        "--limit",
        type=whole_number(1, _MOST_SHOWN),
        default=10,
        metavar="N",
        help=f"1 to {_MOST_SHOWN:,} (default: 10)",
    )
    preview.add_argument(
        "--offset", type=whole_number(0, MAX_QUESTIONS), default=0, metavar="N", help="questions to skip"
    )
    add_json(preview)
    preview.set_defaults(command=_preview)
    overlap = below.add_parser("overlap", help="find questions that sets share with each other or fine-tuning data")
    overlap.add_argument("name", metavar="NAME", nargs="*", help="sets to compare (default: all)")
    overlap.add_argument(
        "--training", metavar="FILE", help="fine-tuning data with the column question, prompt or messages"
    )
    add_json(overlap)
    overlap.set_defaults(command=_overlap)
    split = below.add_parser("split", help="split a set into two: half to learn from, half to measure with")
    split.add_argument("name", metavar="NAME")
    split.set_defaults(command=_split)
    delete = below.add_parser("delete", help="delete a set; runs keep their questions and results")
    delete.add_argument("name", metavar="NAME")
    delete.set_defaults(command=_delete)


async def _list(services: Services, options: argparse.Namespace) -> int:
    sets = await services.question_sets.all()
    if options.json:
        write_json({"sets": [set_json(each) for each in sets]})
        return 0
    for each in sets:
        write(
            f"{each.name}: {counted(each.question_count, 'question')}, layout {each.layout}, from {each.source}, "
            f"imported {each.created_at:%Y-%m-%d}\n"
        )
    if not sets:
        write("No question sets yet. Import one: python -m m1app questions import FILE\n")
    return 0


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
        write(overlaps_text(found) or "no overlap found\n")
    return 0


async def _split(services: Services, options: argparse.Namespace) -> int:
    chosen = await _named(services, options.name)
    for each in await services.question_sets.split(chosen.id):
        write(f"{each.name}: {counted(each.question_count, 'question')}\n")
    write(f"From now on, measure models that learn from one half only with the other, not with {chosen.name}.\n")
    return 0


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
