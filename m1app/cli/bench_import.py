"""`python -m m1app bench import FILE`: results of others as benchmark runs; asks no engine."""

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from m1app.benchmark.descriptions import imported_words, own_verdict_words, run_name
from m1app.benchmark.imports.log_reading import ImportChoice
from m1app.benchmark.imports.service import ImportReport
from m1app.benchmark.imports.storing import ImportedRun
from m1app.cli.bench_results import show_results
from m1app.cli.local_services import ImportServices, imports_over, open_database
from m1app.cli.terminal import add_json, given, say, write, write_json


def add_import(below: Any) -> None:
    """Add `import` to the commands of `bench`."""
    command = below.add_parser("import", help="import results of lm-evaluation-harness, Inspect and m1 as runs")
    command.add_argument(
        "files",
        type=given,
        nargs="+",
        metavar="FILE|FOLDER",
        help="samples_*.jsonl of lm-evaluation-harness next to its results_*.json, a log of Inspect (.eval, .json), a "
        "result file of m1 (.json) next to its config.yaml, or a folder of such files",
    )
    command.add_argument(
        "--questions", default="", metavar="SET", help="the question set to find the questions in (default: all)"
    )
    command.add_argument(
        "--model", dest="import_model", default="", metavar="NAME", help="the model, if the files do not name it"
    )
    command.add_argument("--name", default="", help="name of the run")
    command.add_argument(
        "--budget", type=_count, metavar="N", help="thinking budget in tokens, if the files do not state it"
    )
    command.add_argument("--rounds", type=_count, metavar="R", help="force rounds, if the files do not state them")
    add_json(command)
    command.set_defaults(run=_run)


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**31:
        raise argparse.ArgumentTypeError(f"found {number:,}, expected a whole number of 0 or more")
    return number


def _run(options: argparse.Namespace) -> int:
    with open_database() as database:
        return asyncio.run(_import(imports_over(database), options))


async def _import(services: ImportServices, options: argparse.Namespace) -> int:
    choice = ImportChoice(
        question_set=options.questions,
        model=options.import_model,
        name=options.name.strip(),
        budget_tokens=options.budget,
        force_rounds=options.rounds,
    )
    on_progress = (lambda _: None) if options.json else say
    report = await services.benchmark_imports.import_files([Path(each) for each in options.files], choice, on_progress)
    for name, run in report.present:
        say(f"{name}: imported already, as run {run.id} ({run_name(run)}); delete that run to import it again")
    for each in report.left_out:
        say(f"left out: {each}")
    if options.json:
        write_json(_json(report))
        return 0
    for name in report.new_sets:
        write(f"new question set: {name}\n")
    for imported in report.runs:
        write("".join(_lines(imported)))
        await show_results(services, imported.run, is_json=False)
    return 0


def _lines(imported: ImportedRun) -> Iterator[str]:
    yield f"{run_name(imported.run)}\n"
    for file in imported.files:
        yield f"{imported_words(file)}\n"
    if words := own_verdict_words(imported.own):
        yield f"{words}\n"


def _json(report: ImportReport) -> dict[str, Any]:
    return {
        "runs": [_run_json(each) for each in report.runs],
        "new_sets": list(report.new_sets),
        "imported_already": [{"file": name, "run_id": run.id} for name, run in report.present],
        "left_out": list(report.left_out),
    }


def _run_json(each: ImportedRun) -> dict[str, Any]:
    return {
        "run_id": each.run.id,
        "name": run_name(each.run),
        "state": each.run.state.value,
        "questions": each.run.items,
        "sets": list(each.run.question_sets),
        "models": list(each.run.models),
        "budgets": [budget or None for budget in each.run.budgets],
        "files": [
            {
                "file": file.file_name,
                "sha256": file.sha256,
                "tool": file.tool,
                "tool_version": file.tool_version or None,
                "stated": dict(file.stated),
                "questions": file.questions,
                "matched": file.matched,
                "notes": list(file.notes),
            }
            for file in each.files
        ],
        "own_verdicts": {
            "answers": each.own.answers,
            "correct": each.own.correct,
            "differ_strict": each.own.differ_strict,
            "differ_m1": each.own.differ_m1,
        },
    }
