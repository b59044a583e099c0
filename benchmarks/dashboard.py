"""Queries of the dashboard on a million results: `python -m benchmarks.dashboard`.

Fills a database with one run of made-up results (no engine), then times the page's queries: the curves by both rules,
transitions between two cells, accuracy by tag, a page of questions, and a search for words among them. With
`--while-running`, another process stores the results of a benchmark run on a fast engine in the database meanwhile.
"""

import argparse
import asyncio
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert

from benchmarks import report
from m1app.benchmark.queries import BenchmarkReading, CellPair, QuestionFilter
from m1app.benchmark.tag_summaries import TagFilter
from storage.benchmarks.records import ItemState, NewBenchmarkRun, RunState
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.search import entry_numbers

TARGET_PAGE_SECONDS = 1.0
TARGET_SEARCH_SECONDS = 0.2
_BUDGETS, _ROUNDS, _SETS = (128, 256, 512, 1024, 2048), (0, 1, 2), ("one", "two", "three")
_WORDS = ("fever", "cough", "pain", "rash", "oedema", "syncope", "nausea", "jaundice", "stroke", "sepsis", "ulcer")
_SUBJECTS, _TOPICS = 21, 3000
"""Tags: as many subjects as MedMCQA has, and topics of a set that tags its questions finely."""
_BATCH = 2000


def fill(database: Database, results: int, chance: random.Random) -> str:
    """Store one run with this many results; return its id."""
    cells = [(budget, rounds) for rounds in _ROUNDS for budget in _BUDGETS]
    count = results // len(cells)
    with database.session() as session:
        run = BenchmarkRepository(session).add(_run(), ())
    for start in range(0, count, _BATCH):
        with database.session() as session:
            asked = QuestionRepository(session).upsert_all(
                [_question(number, chance) for number in range(start, min(start + _BATCH, count))]
            )
            numbers = entry_numbers(session, asked)
            items = [
                {
                    "id": uuid4().hex,
                    "run_id": run.id,
                    "position": start + place,
                    "set_number": (start + place) % len(_SETS),
                    "model_number": 0,
                    "question_id": question_id,
                    "question_number": numbers[question_id],
                    "state": ItemState.DONE,
                    "attempts": 1,
                    "error": "",
                }
                for place, question_id in enumerate(asked)
            ]
            session.execute(insert(BenchmarkItemRow), items)
            rows = [_result(item, *cell, chance) for item in items for cell in cells]
            session.execute(insert(BenchmarkResultRow), rows)
    with database.session() as session:
        runs = BenchmarkRepository(session)
        runs.claim(run.id, "benchmark:1", lambda *_: True)
        runs.end(run.id, "benchmark:1", RunState.COMPLETED, "", 1.0)
    return run.id


def _run() -> NewBenchmarkRun:
    return NewBenchmarkRun(
        name="A million", question_sets=_SETS, models=("made-up",), budgets=_BUDGETS, force_rounds=_ROUNDS, passes=1,
        temperature=0.0, top_p=1.0, seed=None, answer_cap_tokens=8, system_prompt=None, profile="", limit=None,
        in_flight=0,
    )  # fmt: skip


def _question(number: int, chance: random.Random) -> NewQuestion:
    words = " ".join(chance.choices(_WORDS, k=30))
    tags = (f"Subject {chance.randrange(_SUBJECTS)}", f"Topic {chance.randrange(_TOPICS)}")
    return NewQuestion(
        stem=f"Case {number}: {words}?", options={"A": "yes", "B": "no"}, target="A", source="made up", tags=tags
    )


def _result(item: dict[str, object], budget: int, rounds: int, chance: random.Random) -> dict[str, object]:
    letter = chance.choice(("A", "B", "B", None))
    return {
        "item_id": item["id"], "pass_number": 0, "budget_tokens": budget, "force_rounds": rounds,
        "run_id": item["run_id"], "set_number": item["set_number"], "model_number": 0, "letter": letter,
        "is_correct": letter == "A", "is_answered": letter is not None, "m1_letter": letter or "A",
        "m1_is_correct": letter in ("A", None), "m1_is_answered": True, "thinking_tokens": chance.randrange(budget),
        "tokens_if_separate": budget, "checkpoint_id": None,
    }  # fmt: skip


async def measure(database: Database, run_id: str) -> dict[str, tuple[float, float]]:
    """Seconds of each service call, the slowest of three, with its target."""
    reading = BenchmarkReading(database)
    small, large = (128, 0), (2048, 2)
    asked: dict[str, tuple[Callable[[], Awaitable[object]], float]] = {
        "curves, strict": (lambda: reading.cells([run_id]), TARGET_PAGE_SECONDS),
        "curves, m1": (lambda: reading.cells([run_id], "m1"), TARGET_PAGE_SECONDS),
        "transitions": (
            lambda: reading.transitions(run_id, CellPair("made-up", "", small, large)),
            TARGET_PAGE_SECONDS,
        ),
        "comparison along a curve": (
            lambda: reading.compare_curve(run_id, "made-up", "one", 0),
            TARGET_PAGE_SECONDS,
        ),
        "by tag": (lambda: reading.tags(run_id, TagFilter(), limit=50), TARGET_PAGE_SECONDS),
        "search for a tag": (lambda: reading.tags(run_id, TagFilter(text="Topic 12"), limit=50), TARGET_PAGE_SECONDS),
        "first questions": (lambda: reading.questions(run_id, QuestionFilter()), TARGET_PAGE_SECONDS),
        "questions that flipped": (
            lambda: reading.questions(run_id, QuestionFilter(cell=large, before=small, verdict="right-wrong")),
            TARGET_PAGE_SECONDS,
        ),
        "search for a number": (
            lambda: reading.questions(run_id, QuestionFilter(text="31415")),
            TARGET_SEARCH_SECONDS,
        ),
        "search for words": (
            lambda: reading.questions(run_id, QuestionFilter(text="fever cough sepsis 4242")),
            TARGET_SEARCH_SECONDS,
        ),
        "search for a common word": (
            lambda: reading.questions(run_id, QuestionFilter(text="fever")),
            TARGET_SEARCH_SECONDS,
        ),
    }
    found = {}
    for name, (ask, target) in asked.items():
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            await ask()
            seconds.append(time.perf_counter() - began)
        found[name] = (max(seconds[1:]), target)
    return found


@contextmanager
def _running(home: Path, database: Database, *, is_wanted: bool) -> Iterator[None]:
    """A benchmark run on a fast engine, which stores its first results before this goes on."""
    if not is_wanted:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.throughput", "--questions", "4096", "--home", str(home)]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not _has_results(database):
            if worker.poll() is not None:
                raise RuntimeError("the benchmark run ended early")
            time.sleep(1.0)
        yield
        if worker.poll() is not None:
            raise RuntimeError("the benchmark run ended before the measurement")
    finally:
        worker.send_signal(signal.SIGINT)  # which ends its engine too
        worker.wait()


def _has_results(database: Database) -> bool:
    with database.session() as session:
        return any(run.items_done for run in BenchmarkRepository(session).recent() if run.state is RunState.RUNNING)


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--while-running", action="store_true", help="while a benchmark run stores its results")
    report.add_json_option(parser)
    options = parser.parse_args()
    before = report.machine()
    with tempfile.TemporaryDirectory(prefix="m1-benchmark-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'm1.sqlite3'}")
        database.migrate()
        run_id = fill(database, options.results, random.Random(0))
        with _running(Path(folder), database, is_wanted=options.while_running):
            found = asyncio.run(measure(database, run_id))
        database.dispose()
    rows: list[report.Row] = [
        {"what": name, "seconds": f"{seconds:.3f}", "target": target, "met": "met" if seconds <= target else "MISSED"}
        for name, (seconds, target) in found.items()
    ]
    report.emit(
        {"before": before, "seconds": found},
        "\n".join([report.describe(before), report.table(rows)]),
        as_json=options.json,
    )
    return 0 if all(seconds <= target for seconds, target in found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
