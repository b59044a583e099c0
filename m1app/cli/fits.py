"""`m1app fits`: where more passes or longer thinking stop paying in a stored run; needs no engine."""

import argparse
from typing import Any

from m1app.benchmark.fit_table import (
    curve_title,
    fit_notes,
    fit_table,
    fits_json,
    payoff_sentence,
    saturation_sentence,
)
from m1app.benchmark.run_fits import DEFAULT_GAIN
from m1app.benchmark.strategy_comparison import PassSelection
from m1app.benchmark.tables import Table
from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, write, write_json


def add_command(commands: Any) -> None:
    """Add `fits` to the commands of `m1app.cli.main`."""
    fits = commands.add_parser(
        "fits", help="show where more passes or longer thinking stop paying off in a benchmark run"
    )
    add_pass_choice(fits)
    fits.add_argument(
        "--gain",
        type=float,
        default=DEFAULT_GAIN * 100,
        metavar="POINTS",
        help="accuracy gain that makes more worth it (default: 1 point)",
    )
    add_json(fits)
    fits.set_defaults(command=_fits)


def add_pass_choice(parser: argparse.ArgumentParser, *, with_budget: bool = True) -> None:
    """Add a run, and which of its passes; at one thinking budget, or at all."""
    parser.add_argument("run_id", metavar="RUN", help="id of a benchmark run")
    parser.add_argument("--model", default="", help="one of its models (default: the first)")
    parser.add_argument("--set", dest="question_set", default="", metavar="NAME", help="one of its sets (default: all)")
    parser.add_argument("--force-rounds", type=int, metavar="R", help="one of its numbers of force rounds")
    parser.add_argument("--rule", choices=("strict", "m1"), default="strict", help="scoring rule")
    if with_budget:
        parser.add_argument(
            "--at", type=int, metavar="N", help="thinking budget of the drawn passes (default: the largest)"
        )


async def pass_choice(services: Services, options: argparse.Namespace) -> PassSelection:
    """The passes that the options name; raises RecordNotFound."""
    run = await services.benchmark_reading.get(options.run_id)
    return PassSelection(
        run_id=run.id,
        model=options.model or run.models[0],
        question_set=options.question_set,
        force_rounds=min(run.force_rounds) if options.force_rounds is None else options.force_rounds,
        budget_tokens=getattr(options, "at", None) or max(run.budgets),
        rule=options.rule,
    )


async def _fits(services: Services, options: argparse.Namespace) -> int:
    found = await services.fit_reading.fits(await pass_choice(services, options), options.gain / 100)
    if options.json:
        write_json(fits_json(found))
        return 0
    for curve in found.curves:
        sentences = (saturation_sentence(curve, found.gain), payoff_sentence(curve, found.gain))
        write(f"{curve_title(curve, found)}\n\n{table_text(fit_table(curve, found))}\n")
        write("".join(f"{each}\n" for each in sentences if each) + "\n")
    write("\n".join(fit_notes(found)) + "\n")
    return 0


def table_text(table: Table) -> str:
    """A table in columns: text to the left, numbers to the right."""
    rows = [table.heads, *(tuple(cell.text for cell in row.cells) for row in table.rows)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.heads))]
    lines = []
    for row in rows:
        cells = [
            text.rjust(width) if place >= table.first_number else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "".join(f"{line}\n" for line in lines)
