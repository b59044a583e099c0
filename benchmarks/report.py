"""Output of every measurement: a table or JSON, and the machine it ran on."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median, quantiles
from typing import Any

Row = Mapping[str, Any]


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """`--json` instead of the table."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def machine() -> dict[str, Any]:
    """Where and when, with the load average: other work on the machine shows in every absolute number."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "packages": {name: version(name) for name in ("gradio", "xllamacpp", "httpx2", "sqlalchemy")},
    }


def describe(place: Mapping[str, Any]) -> str:
    """`machine()` in one line."""
    packages = ", ".join(f"{name} {number}" for name, number in place["packages"].items())
    loads = " ".join(f"{load:.2f}" for load in place["load_average"])
    return (
        f"{place['at']}, {place['cores']} cores {place['architecture']}, Python {place['python']}, {packages}; "
        f"load average {loads}"
    )


def spread(values: Sequence[float]) -> str:
    """The middle half of the values, for a table."""
    if len(values) < 3:
        return "-"
    low, _, high = quantiles(values, n=4, method="inclusive")
    return f"{low:.3f}-{high:.3f}"


def middle(values: Sequence[float]) -> float:
    """The median; nan if there are no values."""
    return median(values) if values else float("nan")


def table(rows: Sequence[Row]) -> str:
    """Rows of equal keys as aligned columns."""
    if not rows:
        return "(nothing)"
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in cells)


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def emit(result: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print the result as JSON or the text."""
    sys.stdout.write((json.dumps(result, indent=2) if as_json else text) + "\n")
