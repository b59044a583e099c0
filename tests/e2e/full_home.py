"""A home with something of everything: traces, sweeps, annotations, benchmark runs, jobs, a tuned model, an account.

Most of it is the home that an earlier version left, which a real engine and a real training have filled.
"""

import json
import socket
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from m1app.access.passwords import Passwords
from storage.corpora.records import NewPassage
from storage.corpora.repository import CorpusRepository
from storage.database import Database
from storage.open_verdicts.records import Judgement, NewOpenVerdict
from storage.open_verdicts.repository import OpenVerdictRepository
from storage.people.accounts import AccountRepository
from storage.people.records import Role
from storage.probe_batches.records import NewBatch
from storage.probe_batches.repository import ProbeBatchRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.studies.repository import StudyRepository
from storage.traces.repository import TraceRepository
from tests.e2e.annotate_cases import store_cases
from tests.e2e.benchmark_page import database_of, store_runs
from tests.e2e.stored_traces import HOSTILE, store_traces
from tests.m1app.benchmark.stored_open_run import store_open_run
from tests.m1app.benchmark.stored_passes import Answer, store_passes
from tests.m1app.runs.stored_strategies import store_strategy_run, with_every_picture
from tests.storage.branches.samples import store_branch
from tests.storage.fact_tests.samples import picture, store_fact_test
from tests.storage.samples import a_study, answer, begin, finish

_HOSTILE_LINE = "".join(each for each in HOSTILE[:120] if each.isprintable())
"""A study's file may have no characters but these."""
_STUDY = f"""
name = "stored"
title = {json.dumps(_HOSTILE_LINE, ensure_ascii=False)}
[[set]]
name = "MedQA"
paper = "MedQA"
size = 1273
[[set]]
name = "NEJM"
paper = "NEJM"
[[model]]
role = "small"
paper = "m1-7B-1K"
[[run]]
id = "main"
question_sets = ["MedQA", "NEJM"]
models = ["small"]
budgets = [128, 512, 2048]
force_rounds = [0, 1]
[[claim]]
id = "helps"
text = {json.dumps(_HOSTILE_LINE, ensure_ascii=False)}
kind = "gain"
refuted_by = "Nothing."
run = "main"
model = "small"
first = {{ budget = 128 }}
second = {{ budget = 2048 }}
[[claim]]
id = "facts"
text = "One fact explains most failures."
kind = "one-fact-explains"
refuted_by = "Half of them or fewer."
model = "small"
"""
_OLD_HOME = Path(__file__).parents[1] / "homes" / "v0.1.0"
NAME, VIEWER, PASSWORD = "Root", "Vera Viewer", "correct horse"


def fill_home(home: Path) -> dict[str, str]:
    """Fill an empty folder; return ids by what has them."""
    with tarfile.open(_OLD_HOME.with_name(f"{_OLD_HOME.name}.tar.gz")) as archive:
        archive.extractall(home, filter="data")
    made_in = json.loads(_OLD_HOME.with_name(f"{_OLD_HOME.name}.expected.json").read_text(encoding="utf-8"))["made_in"]
    catalog = home / "catalog.toml"
    catalog.write_text(catalog.read_text(encoding="utf-8").replace(made_in, str(home)), encoding="utf-8")
    ids = store_cases(home) | store_runs(home) | _pool(home) | _strategies(home) | _open_answer(home)
    ids |= _fact(home, ids["awkward"]) | _open_run(home)
    ids |= _branch(home, ids["awkward"])
    ids |= _study(home, ids["base"])
    _corpus(home)
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


def _strategies(home: Path) -> dict[str, str]:
    """A run with a strategy for each picture."""
    database = database_of(home)
    try:
        return {"strategies": store_strategy_run(database, with_every_picture())}
    finally:
        database.dispose()


def _fact(home: Path, trace_id: str) -> dict[str, str]:
    """A test of a hostile fact, whose arms disagree."""
    database = database_of(home)
    try:
        with database.session(is_read_only=True) as session:
            trace = TraceRepository(session).get(trace_id)
        return {"fact": store_fact_test(database, trace, shown=picture("B", "D"), fact=HOSTILE[:200])}
    finally:
        database.dispose()


def _branch(home: Path, parent_id: str) -> dict[str, str]:
    """Two branches with hostile edits, one of the other."""
    database = database_of(home)
    try:
        with database.session(is_read_only=True) as session:
            parent = TraceRepository(session).get(parent_id)
        first = store_branch(database, parent, HOSTILE[:200])
        return {"branch": store_branch(database, first, f"No: {HOSTILE[:80]}").id}
    finally:
        database.dispose()


def _study(home: Path, base_id: str) -> dict[str, str]:
    """Two studies with the hostile words of whoever wrote them, whose run is a stored one."""
    database = database_of(home)
    try:
        with database.session() as session:
            new = a_study(
                name="stored",
                text=_STUDY,
                models={"small": "m1-7b"},
                sets={"MedQA": "MedQA", "NEJM": "NEJM"},
                runs={"main": base_id},
                facts={
                    "is_demo": True,
                    "sets": {"MedQA": {"source": HOSTILE[:80], "questions": 60, "sha256": ""}},
                    "training": [{"role": "small", "model": "m1-7b", "note": HOSTILE[:80]}],
                },
            )
            studies = StudyRepository(session)
            return {"study": studies.add(new).id, "second_study": studies.add(replace(new, name="second")).id}
    finally:
        database.dispose()


def _open_answer(home: Path) -> dict[str, str]:
    """An answer to an open question, judged by a model."""
    database = database_of(home)
    try:
        trace = begin(database, NewQuestion(stem="Why do sailors without fruit bleed?"))
        finish(database, trace, answer("Scurvy."))
        with database.session() as session:
            QuestionRepository(session).set_reference(trace.question.id, "Lack of vitamin C")
            OpenVerdictRepository(session).put(
                NewOpenVerdict(
                    trace_id=trace.id,
                    judgement=Judgement.RIGHT,
                    reference="Lack of vitamin C",
                    is_person=False,
                    judged_by="smollm2-135m",
                    reason="Scurvy is the lack of vitamin C.",
                )
            )
    finally:
        database.dispose()
    return {"open": trace.id}


def _open_run(home: Path) -> dict[str, str]:
    """A run over open questions, with a model's verdicts."""
    database = database_of(home)
    try:
        run, _ = store_open_run(database)
        return {"open-run": run.id}
    finally:
        database.dispose()


def _corpus(home: Path) -> None:
    """A corpus of two passages."""
    database = database_of(home)
    passages = [
        NewPassage(text="Calcium gluconate protects the heart.", heading="Hyperkalaemia", source="Manual", page="12"),
        NewPassage(text="Fragments of antibodies bind digoxin.", heading="Antidotes"),
    ]
    try:
        with database.session() as session:
            corpora = CorpusRepository(session)
            begun = corpora.begin("sheets", "sheets.md", "CC BY 4.0")
            corpora.finish(begun.id, "0" * 64, corpora.keep(begun.id, passages, 0))
    finally:
        database.dispose()


def add_accounts(home: Path) -> None:
    """An admin, who has left a batch of probes, and a viewer. From then on everybody logs in."""
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    hashed = Passwords().hash(PASSWORD)
    try:
        with database.session() as session:
            for name, role in ((NAME, Role.ADMIN), (VIEWER, Role.VIEWER)):
                account = AccountRepository(session).add(name, role, password_hash=hashed)
                if role is Role.ADMIN:
                    ProbeBatchRepository(session).add(_left_batch(account.id))
    finally:
        database.dispose()


def _left_batch(asked_by: str) -> NewBatch:
    """Questions of a process that no longer runs, none of which it has asked."""
    stems = [f"Which vitamin prevents {disease}?" for disease in ("scurvy", "rickets", "pellagra")]
    ended = f"{socket.gethostname()}:{2**30}"
    return NewBatch("b" * 32, asked_by, ended, False, [(NewQuestion(stem=each), {}) for each in stems])


def _jobs(home: Path) -> dict[str, str]:
    """The jobs that were done, by kind, a trace with every part that Probe can show, and a sweep of many columns."""
    with closing(sqlite3.connect(home / "m1.sqlite3")) as database:
        rows: list[Any] = database.execute("SELECT kind, id FROM job WHERE state = 'succeeded'").fetchall()
        (trace,) = database.execute(
            "SELECT trace.id FROM trace JOIN question ON question.id = question_id WHERE stem LIKE '%koilonychia. His%'"
        ).fetchone()
        (grid,) = database.execute(
            "SELECT sweep.id FROM sweep JOIN question ON question.id = question_id WHERE stem = ?"
            " ORDER BY sweep.created_at LIMIT 1",
            ("Which gland makes cortisol?",),
        ).fetchone()
    return {**dict(rows), "trace": trace, "grid": grid}
