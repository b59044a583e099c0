"""Memory of the app's process, without the engine's, at rest and after many probes: `python -m benchmarks.memory`.

Every probe goes through the handlers of the Probe page, as a browser's would. With `--allocations`: the same number
of probes through the services alone, in this process, and which lines hold more memory after them.
"""

import argparse
import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import httpx2

from benchmarks import report
from benchmarks.app_process import AppProcess, running_app
from benchmarks.engine_under_test import engine_under_test
from benchmarks.instant_engine import instant_engine
from benchmarks.page_client import PageClient
from m1app.bootstrap import Services, build_services
from m1app.question.library import load_library
from m1app.runs.probe_request import ProbeRequest

TARGET_GROWTH_MIB = 2.0
"""Over one whole round after the first: less than keeping each probe's text would add up to, but above noise."""
_PATIENCE_SECONDS = 180.0
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """Resident memory at one moment."""

    when: str
    probes: int
    mib: float


class Driver:
    """Asks library questions in one tab after another."""

    def __init__(self, app: AppProcess, options: argparse.Namespace) -> None:
        self._options = options
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{app.port}", timeout=300.0, trust_env=False)
        self._app = app
        self._page: PageClient | None = None
        self.probes = 0

    def ask(self, count: int) -> None:
        """Ask `count` probes; a new tab every `--tab-probes`."""
        questions = load_library()
        for _ in range(count):
            if self._page is None or self.probes % self._options.tab_probes == 0:
                self._page = PageClient(self._client)
                self._page.load()
            # Numbered, so that each is a new question and nothing cached is reused.
            text = f"{questions[self.probes % len(questions)].question} (Number {self.probes + 1}.)"
            shown = self._page.ask(text, self._options.budget, self._options.answer_cap)
            self.probes += 1
            if "completed" not in shown:
                raise RuntimeError(f"probe {self.probes} was not completed: {shown[-500:]}")

    def read(self, when: str) -> Reading:
        """Resident memory once the app has let go of finished runs."""
        time.sleep(self._options.settle_seconds)
        reading = Reading(when, self.probes, self._app.resident_mib())
        # A full run takes minutes: print readings at once, so that they are not lost if it fails.
        sys.stderr.write(f"{when}: {reading.mib:.1f} MiB after {self.probes} probes\n")
        return reading

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def measure(options: argparse.Namespace) -> list[Reading]:
    """Readings at rest, after a warm-up, and after each round."""
    with ExitStack() as stack:
        given = {"M1_THREADS": "1", "M1_CONTEXT_LENGTH": "1024", "M1_PARALLEL_REQUESTS": "2"}
        if options.instant:
            given = {"M1_ENGINE_URL": stack.enter_context(instant_engine())}
        app = stack.enter_context(running_app(**given))
        app.wait_for_page(_PATIENCE_SECONDS)
        app.wait_for_engine(_PATIENCE_SECONDS)
        driver = Driver(app, options)
        try:
            readings = [driver.read("at rest")]
            driver.ask(_WARM_UP)
            readings.append(driver.read("warmed up"))
            for number in range(1, options.rounds + 1):
                driver.ask(options.probes)
                readings.append(driver.read(f"round {number}"))
        finally:
            driver.close()
    return readings


async def allocations(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Lines of code that hold more after a round of probes than before it; the largest first."""
    with engine_under_test(2, 1024, 1) as engine:
        services = build_services(engine.settings)
        try:
            tracemalloc.start(12)
            await _ask_services(services, _WARM_UP, options)
            before = await _allocated(options)
            await _ask_services(services, options.probes, options)
            after = await _allocated(options)
        finally:
            await services.aclose()
    grown = [line for line in after.compare_to(before, "lineno") if line.size_diff > 0]
    total = {"line": "(all, net)", "KiB": _kib(after) - _kib(before), "blocks": 0}
    shown = [
        {"line": str(line.traceback[0])[-80:], "KiB": line.size_diff / 1024, "blocks": line.count_diff}
        for line in grown[: options.lines]
    ]
    return [total, *shown]


async def _allocated(options: argparse.Namespace) -> tracemalloc.Snapshot:
    await asyncio.sleep(options.settle_seconds)
    gc.collect()
    return tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, tracemalloc.__file__)])


def _kib(snapshot: tracemalloc.Snapshot) -> float:
    return sum(statistic.size for statistic in snapshot.statistics("filename")) / 1024


async def _ask_services(services: Services, count: int, options: argparse.Namespace) -> None:
    questions = load_library()
    for number in range(count):
        question = questions[number % len(questions)]
        request = ProbeRequest(
            stem=f"{question.question} (Number {time.monotonic_ns()}.)",
            options=question.options,
            target=question.target,
            thinking_budget_tokens=options.budget,
            answer_cap_tokens=options.answer_cap,
        )
        trace = await services.probe.start(request)
        async for snapshot in services.probe.follow(trace.id):
            trace = snapshot
        if trace.error:
            raise RuntimeError(trace.error)


def _rows(readings: Sequence[Reading]) -> list[report.Row]:
    rows: list[report.Row] = []
    for position, reading in enumerate(readings):
        growth = reading.mib - readings[position - 1].mib if position else 0.0
        ratio = reading.mib / readings[0].mib
        rows.append(
            {
                "when": reading.when,
                "probes": reading.probes,
                "RSS MiB": f"{reading.mib:.1f}",
                "growth MiB": f"{growth:+.1f}",
                "to rest": ratio,
            }
        )
    return rows


def main() -> int:
    """Measure and print; return 1 if the last round grew the process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--probes", type=int, default=200, help="probes of a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--budget", type=int, default=32, help="thinking budget in tokens")
    parser.add_argument("--answer-cap", type=int, default=8, help="most tokens of an answer")
    parser.add_argument("--tab-probes", type=int, default=20, help="probes before a new tab is opened")
    parser.add_argument("--settle-seconds", type=float, default=65.0, help="wait before each reading")
    parser.add_argument("--instant", action="store_true", help="an engine that answers at once: minutes for thousands")
    parser.add_argument("--allocations", action="store_true", help="list the lines that hold more memory")
    parser.add_argument("--lines", type=int, default=20, help="how many of them")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    if options.allocations:
        lines = asyncio.run(allocations(options))
        report.emit(
            {"before": before, "allocations": lines},
            f"{report.describe(before)}\n{report.table(lines)}",
            as_json=options.json,
        )
        return 0
    readings = measure(options)
    growth = readings[-1].mib - readings[-2].mib
    is_met = growth <= TARGET_GROWTH_MIB
    summary = (
        f"growth of the last round: {growth:+.1f} MiB (target: at most {TARGET_GROWTH_MIB} MiB, "
        f"{'met' if is_met else 'MISSED'})"
    )
    text = f"{report.describe(before)}\n{report.table(_rows(readings))}\n{summary}"
    result = {"before": before, "readings": [asdict(reading) for reading in readings], "last_growth_mib": growth}
    report.emit(result, text, as_json=options.json)
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
