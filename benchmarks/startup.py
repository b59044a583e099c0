"""How long users wait for the page: `python -m benchmarks.startup`, with the app installed and its weights downloaded.

From starting `python app.py` to the first 200 of the page, and to a responding engine. With `--imports`: which packages
take the time before the page.
"""

import argparse
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from benchmarks import report
from benchmarks.app_process import running_app

TARGET_PAGE_SECONDS = 8.0
_PATIENCE_SECONDS = 180.0
_IMPORTS = "import m1app.bootstrap, m1app.settings, m1app.ui.serve"


@dataclass(frozen=True, slots=True)
class Start:
    """One start, in seconds from the process's beginning."""

    page_seconds: float
    engine_seconds: float
    resident_mib: float


def start_once() -> Start:
    """Start the app on an empty home and end it again."""
    with running_app() as app:
        page = app.wait_for_page(_PATIENCE_SECONDS)
        engine = app.wait_for_engine(_PATIENCE_SECONDS)
        return Start(page, engine, app.resident_mib())


def import_times(most: int) -> list[dict[str, Any]]:
    """Packages whose own modules take longest to import, in milliseconds; the largest first.

    A package's time is that of its own modules' code, without what they import from others.
    """
    command = [sys.executable, "-X", "importtime", "-c", _IMPORTS]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    own_us: dict[str, int] = defaultdict(int)
    modules: dict[str, int] = defaultdict(int)
    for line in told.splitlines():
        own, _, name = line.removeprefix("import time:").split("|")
        if own.strip().isdigit():
            package = name.strip().split(".")[0]
            own_us[package] += int(own)
            modules[package] += 1
    slowest = sorted(own_us, key=lambda package: -own_us[package])[:most]
    shown = [{"package": name, "ms": own_us[name] / 1000, "modules": modules[name]} for name in slowest]
    return [{"package": "(all)", "ms": sum(own_us.values()) / 1000, "modules": sum(modules.values())}, *shown]


def main() -> int:
    """Measure and print; return 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--imports", action="store_true", help="also list the packages that take longest to import")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    starts = [start_once() for _ in range(options.runs)]
    imports = import_times(15) if options.imports else []
    page = report.middle([start.page_seconds for start in starts])
    is_met = page <= TARGET_PAGE_SECONDS
    rows = [
        {
            "run": number,
            "page s": start.page_seconds,
            "engine s": start.engine_seconds,
            "RSS MiB": f"{start.resident_mib:.0f}",
        }
        for number, start in enumerate(starts, 1)
    ]
    verdict = "met" if is_met else "MISSED"
    summary = (
        f"median: page {page:.2f} s (target {TARGET_PAGE_SECONDS:.0f} s: {verdict}, "
        f"ratio {page / TARGET_PAGE_SECONDS:.2f}), "
        f"engine {report.middle([start.engine_seconds for start in starts]):.2f} s"
    )
    text = "\n".join([report.describe(before), report.table(rows), summary, *([report.table(imports)] * bool(imports))])
    result = {
        "before": before,
        "starts": [{"page_seconds": s.page_seconds, "engine_seconds": s.engine_seconds} for s in starts],
        "page_ratio_to_target": page / TARGET_PAGE_SECONDS,
        "imports": imports,
    }
    report.emit(result, text, as_json=options.json)
    return 0 if is_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
