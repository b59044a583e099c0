"""A home with something of everything: traces, sweeps, annotations, benchmark runs, jobs, a tuned model, an account.

Most of it is the home that an earlier version left, which a real engine and a real training have filled.
"""

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

from m1app.access.passwords import Passwords
from storage.database import Database
from storage.people.accounts import AccountRepository
from storage.people.records import Role
from tests.e2e.annotate_cases import store_cases
from tests.e2e.benchmark_page import database_of, store_runs
from tests.e2e.stored_traces import store_traces
from tests.m1app.benchmark.stored_passes import Answer, store_passes

_OLD_HOME = Path(__file__).parents[1] / "homes" / "v0.1.0"
NAME, VIEWER, PASSWORD = "Root", "Vera Viewer", "correct horse"


def fill_home(home: Path) -> dict[str, str]:
    """Fill an empty folder; return ids by what has them."""
    with tarfile.open(_OLD_HOME.with_name(f"{_OLD_HOME.name}.tar.gz")) as archive:
        archive.extractall(home, filter="data")
    made_in = json.loads(_OLD_HOME.with_name(f"{_OLD_HOME.name}.expected.json").read_text(encoding="utf-8"))["made_in"]
    catalog = home / "catalog.toml"
    catalog.write_text(catalog.read_text(encoding="utf-8").replace(made_in, str(home)), encoding="utf-8")
    ids = store_cases(home) | store_runs(home) | _pool(home)
    store_traces(home)
    return ids | _jobs(home)


def _pool(home: Path) -> dict[str, str]:
    """A run with several passes of each question."""
    database = database_of(home)
    easy: list[list[Answer]] = [[("A", 60, None), ("A", 90, None), ("A", 90, None)]] * 4
    hard: list[list[Answer]] = [[("B", 90, None), (None, 300, None), ("A", 700, None)]] * 4
    try:
        return {"pool": store_passes(database, [easy, hard], name="Pool").id}
    finally:
        database.dispose()


def add_accounts(home: Path) -> None:
    """An admin and a viewer. From then on everybody logs in."""
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    hashed = Passwords().hash(PASSWORD)
    try:
        with database.session() as session:
            for name, role in ((NAME, Role.ADMIN), (VIEWER, Role.VIEWER)):
                AccountRepository(session).add(name, role, password_hash=hashed)
    finally:
        database.dispose()


def _jobs(home: Path) -> dict[str, str]:
    """The jobs that were done, by kind, and a trace with every part that the Probe page can show."""
    with closing(sqlite3.connect(home / "m1.sqlite3")) as database:
        rows: list[Any] = database.execute("SELECT kind, id FROM job WHERE state = 'succeeded'").fetchall()
        (trace,) = database.execute(
            "SELECT trace.id FROM trace JOIN question ON question.id = question_id WHERE stem LIKE '%koilonychia. His%'"
        ).fetchone()
    return {**dict(rows), "trace": trace}
