"""The queue of cases on many answers of sweeps: `python -m benchmarks.annotation_queue`.

Fills a database with finished sweeps (no engine), probes and annotations, then times what the Annotate page asks for: a
page of the queue in each order and with filters, the cases of a group, and the next and previous case. With `--url`,
it fills an empty PostgreSQL database on this machine instead of a SQLite file. What is compared with the target is
processor time, of this process and of the database's, because other work on the machine hardly adds to it.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from benchmarks import report
from benchmarks.annotations import TRACE, insert_rows
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from storage.annotations.records import CaseFilter, CaseOrder
from storage.annotations.tables import AnnotationLabelRow, AnnotationRow, AssessmentRow
from storage.database import Database, Session
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.sweeps.tables import SweepRow
from storage.traces.records import NewTrace, ThinkingFinishReason, TraceState
from storage.traces.tables import CheckpointRow, TraceRow
from storage.traces.turns import turns

TARGET_SECONDS = 0.2
_CUTS, _PASSES, _QUESTIONS = 15, 2, 2000
_REPEATS = 12
"""More than ten, after which PostgreSQL may plan a statement without knowing its parameters."""
_BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
_ANSWER = "The answer is B, because the electrocardiogram comes first. " * 4


def fill(database: Database, checkpoints: int, probes: int, assessed: int) -> tuple[list[str], list[str]]:
    """Store them; return the ids of all answers in the order of their sweeps, and of all probes."""
    chance = random.Random(1)
    with database.session() as session:
        questions = QuestionRepository(session)
        asked = [
            questions.upsert(
                NewQuestion(stem=f"Question {n} of a doctor?", options={"A": "a", "B": "b"}, target="A")
            ).id
            for n in range(_QUESTIONS)
        ]
    answers: list[str] = []
    with database.session() as session:
        for number in range(checkpoints // (_CUTS * _PASSES)):
            answers += _add_sweep(session, number, asked[number % len(asked)], chance)
        ids = [_id(chance) for _ in range(probes)]
        rows = [_trace(each, n, chance.choice(asked), None, 0, chance) for n, each in enumerate(ids)]
        insert_rows(session, TraceRow, rows)
        _assess(session, chance.sample([*answers, *ids], assessed), set(ids), chance)
    return answers, ids


def _add_sweep(session: Session, number: int, question_id: str, chance: random.Random) -> list[str]:
    sweep_id, moment = _id(chance), _BEGUN + timedelta(minutes=number)
    model = f"model-{number % 3}"
    sweep = {
        "id": sweep_id,
        "question_id": question_id,
        "state": TraceState.COMPLETED,
        "budgets": (256, 1024),
        "force_rounds": (0,),
        "models": (model,),
        "passes": _PASSES,
        "asks_probabilities": False,
        **dict.fromkeys(("error", "system_prompt", "profile", "owner", "asked_by"), ""),
        **dict.fromkeys(("temperature", "top_p", "answer_cap_tokens", "tokens_generated", "seconds"), 0),
        "tokens_if_separate": 0,
        "created_at": moment,
        "updated_at": moment,
    }
    insert_rows(session, SweepRow, [sweep])
    made: list[str] = []
    easiness = chance.choice((0.05, 0.2, 0.5, 0.8, 0.95))
    for pass_number in range(_PASSES):
        trace_id = _id(chance)
        insert_rows(session, TraceRow, [_trace(trace_id, number, question_id, sweep_id, pass_number, chance)])
        rows = _checkpoints(trace_id, moment, easiness, chance)
        insert_rows(session, CheckpointRow, rows)
        made += [row["id"] for row in rows]
    return made


def _trace(
    trace_id: str, number: int, question_id: str, sweep_id: str | None, pass_number: int, chance: random.Random
) -> dict[str, Any]:
    moment = _BEGUN + timedelta(minutes=number, seconds=pass_number)
    values = {field.name: getattr(TRACE, field.name) for field in fields(NewTrace)}
    scored = {"answer_letter": None if sweep_id else "B", "is_correct": None if sweep_id else chance.random() < 0.3}
    return {
        **values,
        "id": trace_id,
        "question_id": question_id,
        "sweep_id": sweep_id,
        "pass_number": pass_number,
        "seed": pass_number,
        "model": f"model-{number % 3}",
        "created_at": moment,
        "updated_at": moment,
        "state": TraceState.COMPLETED,
        "thinking_tokens": 400,
        "tokens_generated": 400,
        "error": "",
        "note": "",
        "prompt_sha256": "0" * 64,
        **scored,
    }


def _checkpoints(trace_id: str, moment: datetime, easiness: float, chance: random.Random) -> list[dict[str, Any]]:
    """A pass, of which each cut is right with the same probability."""
    verdicts = [chance.random() < easiness for _ in range(_CUTS)]
    points: list[tuple[int, bool | None]] = [(100 * (n + 1), verdict) for n, verdict in enumerate(verdicts)]
    rows = []
    for (cut, is_correct), (is_after_right, is_flip, is_last) in zip(points, turns(points), strict=True):
        numbers = dict.fromkeys(("forced_rounds", "token_count", "tokens_generated", "tokens_if_separate"), 0)
        row = {
            **numbers,
            "id": _id(chance),
            "trace_id": trace_id,
            "created_at": moment,
            "cells": ((cut, 0),),
            "cut_tokens": cut,
            "cut_characters": cut * 4,
            "thinking_finish_reason": ThinkingFinishReason.BUDGET,
            "letter": "A" if is_correct else "B",
            "is_correct": is_correct,
            "finish_reason": "natural",
            "error": "",
            "text": _ANSWER,
            "is_after_right": is_after_right,
            "is_flip": is_flip,
            "is_last": is_last,
        }
        rows.append(row)
    return rows


def _assess(session: Session, cases: list[str], probes: set[str], chance: random.Random) -> None:
    """Two annotators on each case, with a mark each."""
    trace_of = {row.id: row.trace_id for row in session.execute(select(CheckpointRow.id, CheckpointRow.trace_id))}
    labels = [label.id for label in load_taxonomy().labels]
    assessments, marks = [], []
    for number, case_id in enumerate(cases):
        key = {"case_id": case_id, "trace_id": trace_of.get(case_id, case_id)}
        key["checkpoint_id"] = None if case_id in probes else case_id
        moment = {"created_at": _BEGUN, "updated_at": _BEGUN}
        for who in ("Ada", "Eve"):
            work = {"is_submitted": True, "has_seen_others": True, "seconds_spent": 1.0, "rejected": (), "draft": {}}
            assessments.append({**key, **moment, **work, "annotator": who})
            marks.append(_mark(key, moment, who, number, chance.choice(labels)))
    insert_rows(session, AssessmentRow, assessments)
    insert_rows(session, AnnotationRow, marks)
    insert_rows(session, AnnotationLabelRow, [{"annotation_id": row["id"], "label": row["labels"][0]} for row in marks])


def _mark(key: dict[str, Any], moment: dict[str, Any], who: str, number: int, label: str) -> dict[str, Any]:
    return {
        **key,
        **moment,
        "id": UUID(int=2**64 * (1 + (who == "Ada")) + number).hex,
        "annotator": who,
        "state": "submitted",
        "agreed_by": (),
        "origin": "person",
        "taxonomy_version": 1,
        "revision": 2,
        "part": "whole",
        "labels": (label,),
        "severity": "mild",
        "is_omission": False,
        "model": "model-0",
        "thinking_budget_tokens": 256,
        "force_rounds": 0,
        "is_correct": False,
        "evidence": (),
        "comment": "",
        "corrected_fact": "",
    }


def _id(chance: random.Random) -> str:
    return UUID(int=chance.getrandbits(128), version=4).hex


async def measure(database: Database, answers: list[str], probes: list[str]) -> list[dict[str, Any]]:
    """Rows of the report."""
    service = AnnotationService(database, load_taxonomy())

    def queue(**wanted: Any) -> Callable[[], Awaitable[object]]:
        return lambda: service.queue(CaseFilter(**wanted), "Ada")

    def step(case_id: str, **wanted: Any) -> Callable[[], Awaitable[object]]:
        return lambda: service.neighbours(CaseFilter(**wanted), case_id)

    async def last_page(order: CaseOrder) -> str | None:
        cursor = None
        for _ in range(20):
            cursor = (await service.queue(CaseFilter(order=order), "Ada", 50, cursor)).next_cursor or cursor
        return cursor

    first = await service.queue(CaseFilter(), "Ada")
    deep = await last_page(CaseOrder.NEWEST)
    middle, edge = answers[len(answers) // 2 + 3], answers[len(answers) // 2]
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "queue, newest": queue(),
        "queue, page 21": lambda: service.queue(CaseFilter(), "Ada", 50, deep),
        "queue, random": queue(order=CaseOrder.RANDOM, seed=7),
        "queue, disagreement": queue(order=CaseOrder.DISAGREEMENT),
        "queue, flips": queue(order=CaseOrder.FLIP),
        "queue, wrong answers": queue(is_correct=False),
        "queue, flipped": queue(is_flipped=True),
        "queue, not done by me": queue(not_assessed_by="Ada"),
        "queue, one model": queue(model="model-1"),
        "queue, label": queue(label="bias"),
        "queue, words": queue(text="question 12"),
        "cases of a group": lambda: service.group(CaseFilter(), first.groups[0].key, "Ada"),
        "next and previous, in a sweep": step(middle),
        "next and previous, between sweeps": step(edge),
        "next and previous, wrong": step(middle, is_correct=False),
        "next and previous, not done by me": step(middle, not_assessed_by="Ada"),
        "next and previous, flips": step(middle, order=CaseOrder.FLIP),
        "next and previous, disagreement": step(middle, order=CaseOrder.DISAGREEMENT),
        "next and previous, random": step(middle, order=CaseOrder.RANDOM, seed=7),
        "next and previous, probe": step(probes[len(probes) // 2]),
        "next to annotate": lambda: service.next_to_assess(CaseFilter(), middle, "Ada"),
    }
    server = database_server(database)
    return [await _row(name, call, server) for name, call in asked.items()]


def database_server(database: Database) -> int | None:
    """Process id of PostgreSQL's server; None for SQLite, which runs in this process."""
    with database.session() as session:
        if session.get_bind().dialect.name != "postgresql":
            return None
        return int(_stat(session.scalar(text("SELECT pg_backend_pid()")))[1])


def _stat(pid: object) -> list[str]:
    """What Linux knows of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _processor_seconds(server: int | None) -> float:
    """Processor time so far of this process, and of the server with its children."""
    own = time.process_time()
    if server is None:
        return own
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    ticks = [*_stat(server)[11:15], *(tick for child in children for tick in _stat(child)[11:13])]
    return own + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


async def _row(name: str, call: Callable[[], Awaitable[object]], server: int | None) -> dict[str, Any]:
    """Median seconds, and the processor time of a call: the mean, because a server's is counted in steps of 10 ms."""
    await call()
    taken, begun = [], _processor_seconds(server)
    for _ in range(_REPEATS):
        at = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - at)
    processor = (_processor_seconds(server) - begun) / _REPEATS
    met = "met" if processor <= TARGET_SECONDS else "MISSED"
    times = {"seconds": f"{statistics.median(taken):.3f}", "processor": f"{processor:.3f}"}
    return {"what": name, **times, "target": f"{TARGET_SECONDS:g}", "": met}


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.annotation_queue", description=__doc__)
    parser.add_argument("--checkpoints", type=int, default=120_000)
    parser.add_argument("--probes", type=int, default=5_000)
    parser.add_argument("--assessed", type=int, default=5_000, help="cases that two annotators have submitted")
    parser.add_argument("--url", help="an empty database to fill (default: a temporary SQLite file)")
    report.add_json_option(parser)
    options = parser.parse_args()
    machine = report.machine()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(options.url or f"sqlite:///{Path(folder) / 'm1.sqlite3'}")
        database.migrate()
        answers, probes = fill(database, options.checkpoints, options.probes, options.assessed)
        rows = asyncio.run(measure(database, answers, probes))
        database.dispose()
    size = f"{len(answers):,} checkpoints, {len(probes):,} probes, {options.assessed:,} cases done by two annotators"
    text = f"{report.describe(machine)}\n{size}\n{report.table(rows)}"
    report.emit({"machine": machine, "rows": rows}, text, as_json=options.json)
    return int(any(row[""] == "MISSED" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
