"""Strategies of a stored run, evaluated from its passes: `python -m benchmarks.strategies`.

Fills a database with one run of made-up answers, 16 passes of 200 questions at 7 budgets with the probabilities of
their options, and times what the page's tab Strategies asks for: every strategy at every number of passes, with
intervals. The memory is that of this process beyond what it had before, at its highest.
"""

import argparse
import asyncio
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import report
from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.benchmark.strategy_comparison import PassChoice, StrategyReading
from storage.benchmarks.records import BenchmarkRun
from storage.database import Database
from tests.m1app.benchmark.stored_passes import Answer, store_passes

TARGET_SECONDS = 5.0
TARGET_MB = 300
_BUDGETS = (128, 256, 512, 1024, 2048, 4096, 8192)


def fill(database: Database, questions: int, passes: int) -> BenchmarkRun:
    """Store the run."""
    chance = random.Random(1)
    hardness = [chance.random() for _ in range(questions)]
    pool = [[_pass(chance, each) for _ in range(passes)] for each in hardness]
    return store_passes(database, pool, name="Pool", budgets=_BUDGETS)


def _pass(chance: random.Random, hardness: float) -> list[Answer]:
    ends = int(chance.lognormvariate(7, 0.8))
    found: list[Answer] = []
    for place, budget in enumerate(_BUDGETS):
        letter = "A" if chance.random() < 0.3 + 0.05 * place + 0.4 * (1 - hardness) else chance.choice("BCD")
        probability = chance.uniform(0.3, 0.99)
        rest = {each: (1 - probability) / 3 for each in "ABCD" if each != letter}
        found.append((letter, min(budget, ends), rest | {letter: probability}))
    return found


def peak_mb() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Measure; returns 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--passes", type=int, default=16)
    report.add_json_option(parser)
    options = parser.parse_args()
    run_process_as(COMMAND_LINE)
    place = report.machine()
    with tempfile.TemporaryDirectory(prefix="m1-strategies-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'm1.sqlite3'}")
        database.migrate()
        run = fill(database, options.questions, options.passes)
        choice = PassChoice(
            run_id=run.id, model=run.models[0], question_set="", force_rounds=0, budget_tokens=_BUDGETS[-1]
        )
        before, seconds = peak_mb(), []
        for _ in range(3):
            started = time.perf_counter()
            found = asyncio.run(StrategyReading(database).compare(choice))
            seconds.append(time.perf_counter() - started)
        database.dispose()
    memory = peak_mb() - before
    rows: list[report.Row] = [
        # The first one imports the statistics, as the first view of the page does.
        {"what": "first evaluation, s", "value": round(seconds[0], 2), "target": TARGET_SECONDS},
        {"what": "later evaluations, s", "value": round(min(seconds), 2), "target": TARGET_SECONDS},
        {"what": "memory, MB", "value": round(memory), "target": TARGET_MB},
        {"what": "settings evaluated", "value": len(found.points), "target": ""},
    ]
    report.emit(
        {"machine": place, "seconds": seconds, "memory_mb": memory, "settings": len(found.points)},
        "\n".join([report.describe(place), report.table(rows)]),
        as_json=options.json,
    )
    return int(max(seconds) > TARGET_SECONDS or memory > TARGET_MB)


if __name__ == "__main__":
    sys.exit(main())
