"""A large study, opened and reported: `python -m benchmarks.study_report`.

The study `m1-main` with forced rounds: 10 sets of together 10,000 questions, 3 models, 7 budgets, 6 numbers of rounds,
1.26 million answers, made up (no engine). A process of its own opens the study as the page does, with the statistics
libraries loaded and nothing of the study in memory, and makes its report; with `--pdf`, also printed.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib import resources
from pathlib import Path

from sqlalchemy import update

from benchmarks import report
from benchmarks.made_up_results import Row, complete, item, new_run, result, store
from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.bootstrap import build_services
from m1app.settings import load_settings
from m1app.studies.file_reading import parse_study
from m1app.studies.queries import StudyReading
from m1app.studies.report.files import write_files
from m1app.studies.start_facts import SetFacts, StartFacts
from m1app.studies.study_file import Study
from m1app.studies.values import outcome_value
from storage.benchmarks.records import NewBenchmarkRun
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.tables import BenchmarkRunRow
from storage.database import Database
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.search import entry_numbers
from storage.studies.records import NewStudy
from storage.studies.repository import StudyRepository

TARGET_OPENED_SECONDS = 1.0
TARGET_REPORT_SECONDS = 30.0
TARGET_MB = 500.0
_ROUNDS = (0, 1, 2, 4, 6, 8)
Taken = tuple[float, float]
"""Seconds, and seconds of this process's processor time: on a busy machine, the first say little. Or megabytes."""
_MODELS = {"7b-1k": "m1-7b-1k", "7b-23k": "m1-7b-23k", "32b-1k": "m1-32b-1k"}
_BATCH = 250
_MORE = """
[[claim]]
id = "breaks"
text = "Forced rounds turn right answers wrong."
kind = "breaks"
refuted_by = "At most one in a hundred turns wrong."
run = "main"
model = "7b-23k"
first = { budget = 8192 }
second = { budget = 8192, force_rounds = 8 }

[[figure]]
id = "rounds"
title = "Accuracy against forced rounds"
kind = "rounds"
runs = ["main"]

[[figure]]
id = "flips"
title = "Answers that change with forced rounds"
kind = "flips"
runs = ["main"]
"""


def study_text() -> str:
    """The file of `m1-main` with forced rounds, and with so many questions that its sets have 10,000 together."""
    text = resources.files("m1app.studies").joinpath("presets", "m1-main.toml").read_text(encoding="utf-8")
    asked = "asks_probabilities = false\n"
    text = text.replace(asked, f"{asked}force_rounds = {list(_ROUNDS)}\n").replace("size = 4183", "size = 2722")
    return text + _MORE


def fill(database: Database, text: str, share: float, chance: random.Random) -> int:
    """Store the study with all of its answers; return their number.

    Args:
        database: migrated, and empty.
        text: the study's file.
        share: of the questions of each set, 0-1.
        chance: decides the answers.
    """
    study = parse_study(text, "study.toml")
    sizes = {each.name: max(1, round((each.size or 0) * share)) for each in study.question_sets}
    with database.session() as session:
        run = BenchmarkRepository(session).add(_run(study), ())
    answers, position = 0, 0
    for number, (name, size) in enumerate(sizes.items()):
        for rows in _questions(database, name, size):
            items, results = _answered(run.id, study, number, rows, position, chance)
            with database.session() as session:
                store(session, items, results)
            answers, position = answers + len(results), position + len(items)
    with database.session() as session:
        session.execute(update(BenchmarkRunRow).values(items=position, items_done=position))
        complete(session, run.id)
        StudyRepository(session).add(_study(study, text, run.id, sizes))
    return answers


def _questions(database: Database, name: str, size: int) -> Iterator[list[tuple[str, int]]]:
    """Store a set; its questions' ids and numbers in batches."""
    made = [
        NewQuestion(stem=f"{name} {number}: which gland?", options={"A": "one", "B": "two"}, target="A", source=name)
        for number in range(size)
    ]
    with database.session() as session:
        kept = QuestionRepository(session).upsert_all(made)
        QuestionSetRepository(session).add_kept(name, f"{name}.json", "m1", "", kept)
        numbers = entry_numbers(session, kept)
    for start in range(0, size, _BATCH):
        yield [(each, numbers[each]) for each in kept[start : start + _BATCH]]


def _answered(
    run_id: str, study: Study, of_set: int, questions: list[tuple[str, int]], position: int, chance: random.Random
) -> tuple[list[Row], list[Row]]:
    run = study.runs[0]
    items: list[Row] = []
    results: list[Row] = []
    for model in range(len(_MODELS)):
        for question_id, number in questions:
            made = item(run_id, position + len(items), of_set, model, (question_id, number))
            items.append(made)
            hardness = chance.random()
            results += [
                result(made, budget, rounds, is_correct=hardness + chance.uniform(-0.2, 0.2) < 0.4 + 0.1 * model)
                for rounds in run.force_rounds
                for budget in run.budgets
            ]
    return items, results


def _run(study: Study) -> NewBenchmarkRun:
    run = study.runs[0]
    models = tuple(_MODELS.values())
    return new_run("main", run.question_sets, models, run.budgets, run.force_rounds, run.answer_cap_tokens)


def _study(study: Study, text: str, run_id: str, sizes: dict[str, int]) -> NewStudy:
    facts = StartFacts(
        sets={name: SetFacts(source=f"{name}.json", questions=size, sha256="") for name, size in sizes.items()}
    )
    return NewStudy(
        name=study.name, text=text, models=_MODELS, sets={name: name for name in sizes}, runs={"main": run_id},
        facts=facts.model_dump(mode="json"), started_by="benchmark",
    )  # fmt: skip


async def measure(output: Path, *, with_pdf: bool) -> dict[str, Taken]:
    """What this process takes, in a home that is filled."""
    from m1app.studies import claims as _claims  # noqa: F401 - the statistics, which the app has loaded by then

    services = build_services(load_settings())
    studies = (services.database, services.studies, services.benchmark_reading, services.fact_tests)
    study_id = (await services.studies.all())[0].stored.id
    outcome = await StudyReading(*studies).outcome(study_id)  # which fills the database's cache

    async def opened() -> None:
        json.dumps(outcome_value(await StudyReading(*studies).outcome(study_id)))

    async def reported(folder: Path, paper: str) -> None:
        files = await services.study_reports.files(outcome, paper=paper)
        await asyncio.to_thread(write_files, files, folder)

    found = {"opened": min([await _taken(opened) for _ in range(3)])}
    found["report"] = await _taken(lambda: reported(output, ""))
    found["MB"] = (_peak_mb(), 0.0)
    if with_pdf:
        found["report with PDF"] = await _taken(lambda: reported(output.with_name("report-with-pdf"), "a4"))
    await services.aclose()
    return found


async def _taken(work: Callable[[], Awaitable[None]]) -> Taken:
    began, busy = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - began, time.process_time() - busy


def _peak_mb() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study_report", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the questions of each set (default: all)")
    parser.add_argument("--pdf", action="store_true", help="print the report too")
    parser.add_argument("--measure", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument(
        "--keep",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="leave the home and the report here, or use those that were left",
    )
    report.add_json_option(parser)
    options = parser.parse_args()
    run_process_as(COMMAND_LINE)
    if options.measure:
        sys.stdout.write(json.dumps(asyncio.run(measure(options.measure, with_pdf=options.pdf))) + "\n")
        return 0
    before = report.machine()
    with tempfile.TemporaryDirectory(prefix="m1-benchmark-") as scratch:
        found = _measured(_filled(options.keep or Path(scratch), options.share), with_pdf=options.pdf)
    rows = list(_rows(found))
    told = f"{report.describe(before)}\n{report.table(rows)}"
    report.emit({"before": before, "found": found}, told, as_json=options.json)
    return int(any(row[""] == "MISSED" for row in rows))


def _filled(home: Path, share: float) -> Path:
    """A home with the study, which may have it already."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / "m1.sqlite3"
    if not file.exists():
        database = Database(f"sqlite:///{file}")
        database.migrate()
        answers = fill(database, study_text(), share, random.Random(0))
        database.dispose()
        sys.stderr.write(f"{answers:,} answers stored\n")
    return home


def _measured(home: Path, *, with_pdf: bool) -> dict[str, Taken]:
    """What a new process measures, whose memory has not grown by the filling."""
    command = [sys.executable, "-m", "benchmarks.study_report", "--measure", str(home / "report")]
    command += ["--pdf"] if with_pdf else []
    environment = {**_own_environment(), "M1_HOME": str(home), "M1_ENGINE_URL": "http://127.0.0.1:9"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Taken] = json.loads(done.stdout.splitlines()[-1])
    return found


def _own_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name == "M1_CHROMIUM" or not name.startswith("M1_")}


def _rows(found: dict[str, Taken]) -> Iterator[report.Row]:
    targets = {"opened": TARGET_OPENED_SECONDS, "MB": TARGET_MB}
    for name, (value, busy) in found.items():
        target = targets.get(name, TARGET_REPORT_SECONDS)
        met = "met" if value <= target else "MISSED"
        yield {"what": name, "found": value, "processor s": busy or "", "target": target, "": met}


if __name__ == "__main__":
    raise SystemExit(main())
