"""The annotation pages' queries on a large database: `python -m benchmarks.annotations`.

Fills a separate database with probes and annotations, then times the service calls of a page.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from benchmarks import report
from m1app.annotation.exchange import AnnotationExchange, ExportFormat
from m1app.annotation.form_values import content_from_form
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from storage.annotations.records import CaseFilter
from storage.annotations.tables import AnnotationLabelRow, AnnotationRevisionRow, AnnotationRow, AssessmentRow
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.traces.records import NewTrace, SegmentKind, TraceState
from storage.traces.tables import SegmentRow, TraceRow

TARGET_READ_SECONDS, TARGET_SAVE_SECONDS = 1.0, 0.05
_THINKING = "The patient has chest pain. The electrocardiogram comes first. " * 30
_ANNOTATORS = ("Ada", "Eve", "Zoe")
TRACE = NewTrace(
    question_id="",
    thinking_budget_tokens=1024,
    force_rounds=0,
    temperature=0.0,
    top_p=1.0,
    seed=None,
    answer_cap_tokens=256,
    system_prompt="",
    model="model-0",
    profile="m1",
    profile_is_guess=False,
    engine_kind="vllm",
    engine_version="",
    engine_name="remote",
    prompt_text="prompt",
    prompt_token_ids=(1,),
    owner="host:1",
)


def fill(database: Database, traces: int, annotations: int) -> list[str]:
    """Store the traces and annotations; return the case ids."""
    chance = random.Random(1)
    labels = [label.id for label in load_taxonomy().labels]
    severities = [each.id for each in load_taxonomy().severities]
    ids = [UUID(int=number + 1).hex for number in range(traces)]
    with database.session() as session:
        _fill_traces(session, ids, chance)
        per_case = max(1, annotations // traces)
        rows = [_annotation(n, ids[n % traces], chance, labels, severities) for n in range(annotations)]
        insert_rows(session, AnnotationRow, rows)
        marked = [(row["id"], label) for row in rows for label in row["labels"]]
        insert_rows(session, AnnotationLabelRow, [{"annotation_id": i, "label": label} for i, label in marked])
        insert_rows(session, AnnotationRevisionRow, [_revision(row) for row in rows])
        done = [{"case_id": i, "annotator": who} for i in ids for who in _ANNOTATORS[: min(3, per_case)]]
        insert_rows(session, AssessmentRow, [_assessment(each) for each in done])
    return ids


def _fill_traces(session: Session, ids: list[str], chance: random.Random) -> None:
    questions = [
        QuestionRepository(session).upsert(NewQuestion(stem=f"Question {n}?", options={"A": "a", "B": "b"}, target="A"))
        for n in range(500)
    ]
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    rows = []
    for number, trace_id in enumerate(ids):
        made = replace(
            TRACE,
            question_id=chance.choice(questions).id,
            model=f"model-{number % 3}",
            thinking_budget_tokens=chance.choice((256, 1024, 4096)),
            force_rounds=chance.choice((0, 1, 2)),
        )
        values = {name: getattr(made, name) for name in NewTrace.__dataclass_fields__}
        moment = begun + timedelta(seconds=number)
        ended = {"id": trace_id, "created_at": moment, "updated_at": moment, "state": TraceState.COMPLETED}
        scored = {"answer_letter": "B", "is_correct": chance.random() < 0.3, "thinking_tokens": 400}
        rest = {"tokens_generated": 400, "error": "", "note": "", "prompt_sha256": "0" * 64}
        rows.append(values | ended | scored | rest)
    insert_rows(session, TraceRow, rows)
    segment = {"token_count": 400, "character_count": len(_THINKING), "text": _THINKING, "token_ids": ()}
    more = {"kind": SegmentKind.THINK, "position": 0, "delimiter_ids": ()}
    insert_rows(session, SegmentRow, [{"trace_id": trace_id, **segment, **more} for trace_id in ids])


def _annotation(
    number: int, trace_id: str, chance: random.Random, labels: list[str], severities: list[str]
) -> dict[str, Any]:
    moment = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(seconds=number)
    return {
        "id": UUID(int=2**64 + number).hex,
        "case_id": trace_id,
        "trace_id": trace_id,
        "annotator": chance.choice(_ANNOTATORS),
        "created_at": moment,
        "updated_at": moment,
        "state": "submitted",
        "agreed_by": (),
        "origin": "person",
        "taxonomy_version": 1,
        "revision": 2,
        "part": "thinking",
        "start": 4,
        "end": 11,
        "text_sha256": "0" * 64,
        "labels": tuple(chance.sample(labels, chance.choice((1, 1, 2)))),
        "severity": chance.choice(severities),
        "is_omission": False,
        "model": f"model-{number % 3}",
        "thinking_budget_tokens": chance.choice((256, 1024, 4096)),
        "force_rounds": chance.choice((0, 1, 2)),
        "is_correct": chance.random() < 0.3,
        "evidence": (),
        "exact": "patient",
        "prefix": "The ",
        "suffix": " has",
        "comment": "Not what the guideline says.",
        "corrected_fact": "",
    }


def _revision(row: dict[str, Any]) -> dict[str, Any]:
    made = {"made_at": row["created_at"], "made_by": row["annotator"], "action": "submitted", "reason": ""}
    return {"annotation_id": row["id"], "revision": 2, "document": {"comment": row["comment"]}, **made}


def _assessment(key: dict[str, Any]) -> dict[str, Any]:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    work = {"is_submitted": True, "has_seen_others": True, "seconds_spent": 60.0, "rejected": (), "draft": {}}
    return key | work | {"trace_id": key["case_id"], "created_at": moment, "updated_at": moment}


def insert_rows(session: Session, table: Any, rows: list[dict[str, Any]]) -> None:
    """Insert many rows, in statements of a bearable size."""
    for start in range(0, len(rows), 5000):
        session.execute(insert(table), rows[start : start + 5000])


async def timed(call: Callable[[], Awaitable[object]], repeats: int) -> float:
    """Median seconds."""
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


async def measure(database: Database, ids: list[str]) -> list[dict[str, Any]]:
    """Rows of the report."""
    service = AnnotationService(database, load_taxonomy())
    exchange = AnnotationExchange(database, load_taxonomy())
    form = {"part": "thinking", "start": 4, "end": 11, "labels": ["bias"], "severity": "mild"}
    left = iter(random.Random(2).sample(ids, 100))

    async def save() -> None:
        case_id = next(left)
        view = await service.open(case_id, "Ada")
        begun = time.perf_counter()
        await service.save(case_id, "Ada", content_from_form(view.case, form))
        saves.append(time.perf_counter() - begun)

    def queue(**wanted: Any) -> Callable[[], Awaitable[object]]:
        return lambda: service.queue(CaseFilter(**wanted), "Ada")

    saves: list[float] = []
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        "queue, all": queue(),
        "queue, wrong answers": queue(is_correct=False),
        "queue, flipped": queue(is_flipped=True),
        "queue, label and severity": queue(label="bias", severity="severe"),
        "queue, not done by me": queue(not_assessed_by="Ada"),
        "queue, words": queue(text="question 12"),
        "next and previous": lambda: service.neighbours(CaseFilter(is_correct=False), ids[len(ids) // 2]),
        "open a case": lambda: service.open(ids[5], "Ada"),
        "summary": service.error_counts,
    }
    rows = [_row(name, await timed(call, 5), TARGET_READ_SECONDS) for name, call in reads.items()]
    await timed(save, 50)
    rows.append(_row("save", statistics.median(saves), TARGET_SAVE_SECONDS))
    rows.append(_row("agreement", await timed(service.agreement, 1), None))
    rows.append(_row("export, JSON lines", await timed(lambda: _exported(exchange), 1), None))
    return rows


async def _exported(exchange: AnnotationExchange) -> int:
    """Characters of the whole export."""
    return sum([len(part) async for part in exchange.export(ExportFormat.JSONL)])


def _row(name: str, seconds: float, target: float | None) -> dict[str, Any]:
    met = "" if target is None else "met" if seconds <= target else "MISSED"
    return {"what": name, "seconds": f"{seconds:.3f}", "target": "" if target is None else f"{target:g}", "": met}


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.annotations", description=__doc__)
    parser.add_argument("--traces", type=int, default=20_000)
    parser.add_argument("--annotations", type=int, default=100_000)
    report.add_json_option(parser)
    options = parser.parse_args()
    machine = report.machine()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "m1.sqlite3"
        database = Database(f"sqlite:///{file}")
        database.migrate()
        ids = fill(database, options.traces, options.annotations)
        rows = asyncio.run(measure(database, ids))
        size = file.stat().st_size
        database.dispose()
    text = (
        f"{report.describe(machine)}\n{options.annotations:,} annotations on {options.traces:,} traces, "
        f"{size / 1e6:.0f} MB\n{report.table(rows)}"
    )
    report.emit({"machine": machine, "rows": rows}, text, as_json=options.json)
    return int(any(row[""] == "MISSED" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
