"""Strategies of a stored run, evaluated from its passes: `python -m benchmarks.strategies`.

Fills a database with one run of made-up answers, 16 passes of 200 questions at 7 budgets with the probabilities of
their options, and times what the page's tab Strategies asks for: every strategy at every number of passes, with
intervals. Then it runs the strategies themselves on such passes, as a benchmark does: each one of the catalogue that
passes can answer for, at every number of passes, on every question. Seconds are processor time, so that other work on
the machine does not count. The memory is that of this process beyond what it had before, at its highest.
"""

import argparse
import asyncio
import random
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import report
from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.benchmark.strategy_comparison import PassSelection, StrategyReading
from m1app.strategies.catalogue import choose
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.pool import PoolDriver, PooledAnswer, PooledPass
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.kinds import KINDS
from m1app.strategies.protocol import Finish, Task
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


@dataclass(frozen=True)
class Pooled:
    """What running the strategies on passes took."""

    seconds: float
    """Of processor time."""
    runs: int
    """Strategies times questions."""
    unanswered: tuple[str, ...]
    """Strategies that these passes could not answer for."""


def run_pooled(questions: int, passes: int) -> Pooled:
    """Run every strategy of the pool at every number of passes on made-up passes."""
    chance = random.Random(2)
    pools = [[_pooled(chance, number) for number in range(passes)] for _ in range(questions)]
    task = Task("", dict.fromkeys("ABCD", ""), "", 10**9, 256, _BUDGETS[-1], checkpoints=_BUDGETS, is_watched=False)
    began, runs, unanswered = time.process_time(), 0, dict[str, None]()
    for kind in (each for each in KINDS if each.from_pool):
        several = next((each for each in kind.options if each.name in ("k", "n")), None)
        for k in range(int(several.low), passes + 1) if several else (1,):
            choice = choose(kind.name, {several.name: k} if several else {})
            try:
                for pool in pools:
                    PoolDriver(choice.start(task), pool, Ledger(task.budget_tokens)).run()
                    runs += 1
            except StrategyRefused:
                unanswered[kind.name] = None
    return Pooled(time.process_time() - began, runs, tuple(unanswered))


def _pooled(chance: random.Random, number: int) -> PooledPass:
    answers: list[PooledAnswer] = []
    for budget, (letter, thinking, probabilities) in zip(_BUDGETS, _pass(chance, chance.random()), strict=True):
        if not answers or answers[-1].finish is Finish.BUDGET:
            finish = Finish.BUDGET if thinking == budget else Finish.NATURAL
            answers.append(PooledAnswer(thinking, 4 * thinking, finish, letter or "", letter, 8, probabilities))
    return PooledPass(number, 0.6, "wait " * (answers[-1].cut_characters // 5 + 1), tuple(answers))


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
        choice = PassSelection(
            run_id=run.id, model=run.models[0], question_set="", force_rounds=0, budget_tokens=_BUDGETS[-1]
        )
        before, seconds = peak_mb(), []
        for _ in range(3):
            started = time.process_time()
            found = asyncio.run(StrategyReading(database).compare(choice))
            seconds.append(time.process_time() - started)
        database.dispose()
    evaluating_mb = peak_mb() - before
    pooled = run_pooled(options.questions, options.passes)
    memory = peak_mb() - before
    total = min(seconds) + pooled.seconds
    rows: list[report.Row] = [
        # The first one imports the statistics, as the first view of the page does.
        {"what": "evaluated, the first time, processor s", "value": round(seconds[0], 2), "target": ""},
        {"what": "evaluated, later times, processor s", "value": round(min(seconds), 2), "target": ""},
        {"what": "evaluated, memory, MB", "value": round(evaluating_mb), "target": ""},
        {
            "what": f"strategies run on the pool, processor s ({pooled.runs:,} runs)",
            "value": round(pooled.seconds, 2),
            "target": "",
        },
        {"what": "evaluated and run, processor s", "value": round(total, 2), "target": TARGET_SECONDS},
        {"what": "evaluated and run, memory, MB", "value": round(memory), "target": TARGET_MB},
        {"what": "settings evaluated", "value": len(found.points), "target": ""},
        {"what": "not in such a pool", "value": ", ".join(pooled.unanswered), "target": ""},
    ]
    report.emit(
        {"machine": place, "seconds": seconds, "total_seconds": total, "settings": len(found.points)}
        | {"evaluating_mb": evaluating_mb, "memory_mb": memory}
        | {"pooled": asdict(pooled)},
        "\n".join([report.describe(place), report.table(rows)]),
        as_json=options.json,
    )
    return int(total > TARGET_SECONDS or memory > TARGET_MB)


if __name__ == "__main__":
    sys.exit(main())
