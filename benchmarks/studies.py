"""A study of 1.26 million answers: `python -m benchmarks.studies`.

Fills a database with made-up results (no engine) of ten sets with 10,000 questions together, three models, seven
budgets and six numbers of forced rounds, then times what the Studies page reads: the list, how far the study is, with
which the page opens, its verdicts for the first time, which follow, and again while nothing has changed.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import report
from benchmarks.made_up_results import Row, complete, item, new_run, result, store
from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from storage.benchmarks.repository import BenchmarkRepository
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.search import entry_numbers
from storage.studies.records import NewStudy
from storage.studies.repository import StudyRepository

TARGET_SECONDS = 1.0
_BUDGETS, _ROUNDS = (128, 256, 512, 1024, 2048, 4096, 8192), (0, 1, 2, 4, 6, 8)
_ROLES = ("one", "two", "three")
_SETS = tuple(f"set-{number}" for number in range(10))
_BATCH = 500


def study_text() -> str:
    """A study with a claim of each kind for each model, on the made-up results."""
    tables = [f'[[set]]\nname = "{name}"' for name in _SETS] + [f'[[model]]\nrole = "{role}"' for role in _ROLES]
    tables.append(
        f'[[run]]\nid = "main"\nquestion_sets = {list(_SETS)}\nmodels = {list(_ROLES)}\nbudgets = {list(_BUDGETS)}\n'
        f"force_rounds = {list(_ROUNDS)}"
    )
    for role in _ROLES:
        for kind, first, second, more in (
            ("gain", 128, 4096, ""),
            ("harm", 4096, 8192, ""),
            ("no-gain", 4096, 8192, ""),
            ("breaks", 4096, 8192, ""),
            ("saturates", 512, 4096, "beyond = { budget = 8192 }"),
        ):
            tables.append(
                f'[[claim]]\nid = "{kind}-{role}"\ntext = "t"\nkind = "{kind}"\nrefuted_by = "r"\nrun = "main"\n'
                f'model = "{role}"\nfirst = {{ budget = {first} }}\nsecond = {{ budget = {second} }}\n{more}'
            )
    return 'name = "large"\ntitle = "Large"\n' + "\n".join(tables).replace("'", '"')


def fill(database: Database, questions: int, chance: random.Random) -> str:
    """Store a completed run with all results, and its study; return the study's id."""
    with database.session() as session:
        run = BenchmarkRepository(session).add(new_run("large: main", _SETS, _ROLES, _BUDGETS, _ROUNDS), ())
    for start in range(0, questions, _BATCH):
        numbers = range(start, min(start + _BATCH, questions))
        with database.session() as session:
            new = [NewQuestion(stem=f"Case {n}?", options={"A": "y", "B": "n"}, target="A") for n in numbers]
            ids = QuestionRepository(session).upsert_all(new)
            places = entry_numbers(session, ids)
            items = [
                item(run.id, number * len(_ROLES) + model, number % len(_SETS), model, (each, places[each]))
                for number, each in zip(numbers, ids, strict=True)
                for model in range(len(_ROLES))
            ]
            store(session, items, [row for each in items for row in _results(each, chance)])
    with database.session() as session:
        complete(session, run.id)
        new_study = NewStudy(
            name="large", text=study_text(), models={role: role for role in _ROLES},
            sets={each: each for each in _SETS},
            runs={"main": run.id}, facts={}, started_by="benchmark",
        )  # fmt: skip
        return StudyRepository(session).add(new_study).id


def _results(of: Row, chance: random.Random) -> list[Row]:
    return [result(of, budget, rounds, is_correct=chance.random() < 0.6) for budget in _BUDGETS for rounds in _ROUNDS]


async def measure(services: Services, study_id: str) -> dict[str, tuple[float, float | None]]:
    """Seconds of each read, with its target if it has one."""
    asked: dict[str, tuple[Callable[[], Awaitable[object]], float | None]] = {
        "list of studies": (services.studies.all, TARGET_SECONDS),
        "a study's progress": (lambda: services.studies.summary(study_id), TARGET_SECONDS),
        "its verdicts, first time": (lambda: services.study_reading.outcome(study_id), None),
        "its verdicts, again": (lambda: services.study_reading.outcome(study_id), TARGET_SECONDS),
    }
    found = {}
    for name, (ask, target) in asked.items():
        began = time.perf_counter()
        await ask()
        found[name] = (time.perf_counter() - began, target)
    await services.aclose()
    return found


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies", description=__doc__)
    parser.add_argument("--questions", type=int, default=10_000)
    report.add_json_option(parser)
    options = parser.parse_args()
    run_process_as(COMMAND_LINE)
    before = report.machine()
    with tempfile.TemporaryDirectory(prefix="m1-benchmark-") as folder:
        services = build_services(Settings(home=Path(folder), engine_url="http://127.0.0.1:9"))
        study_id = fill(services.database, options.questions, random.Random(0))
        found = asyncio.run(measure(services, study_id))
    rows: list[report.Row] = [
        {"what": name, "seconds": f"{seconds:.3f}", "target": "" if target is None else target,
         "met": "" if target is None else "met" if seconds <= target else "MISSED"}
        for name, (seconds, target) in found.items()
    ]  # fmt: skip
    report.emit(
        {"before": before, "seconds": found},
        "\n".join([report.describe(before), report.table(rows)]),
        as_json=options.json,
    )
    return int(any(target is not None and seconds > target for seconds, target in found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
