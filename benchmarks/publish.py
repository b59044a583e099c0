"""A site of 10,000 questions: `python -m benchmarks.publish`.

Fills a temporary home with one finished run (no engine): each question has a pass with an answer at every budget, and
its answer changes. Publishes the run, and measures how long that takes, how much memory, and how large the site is.
Then opens its pages by their `file:` addresses in Chromium, each in a new browser context: seconds until a page has
its content, its first chart is drawn, a search has its questions, or a question stands there; the slowest of three.
The chart, which the rest of its page does not wait for, has no target: most of its time is reading the chart library.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import report
from benchmarks.annotations import TRACE, insert_rows
from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.bootstrap import build_services
from m1app.publishing.site import PublishedSite, SiteReport
from m1app.settings import Settings
from storage.benchmarks.records import BenchmarkResult, ItemState, NewBenchmarkRun, RunState
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow
from storage.database import Database, Session
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.sweeps.records import NewSweep, SweepOutcome
from storage.sweeps.tables import SweepRow
from storage.traces.records import NewTrace, SegmentKind, ThinkingFinishReason, TraceState
from storage.traces.tables import CheckpointRow, SegmentRow, TraceRow
from tests.e2e.browser_watch import FLAGS, chromium_path

TARGET_SECONDS = 1.0
_CHART = "front page: first chart"
_BUDGETS = (128, 256, 512, 1024, 2048, 4096, 8192)
_BATCH = 200
_SENTENCES = (
    "The patient has a low haemoglobin and pale skin, which suggests that iron is missing in the diet.",
    "A normal ferritin would speak against that, and it is not given.",
    "Vitamin B12 deficiency would come with a high mean corpuscular volume.",
    "So the answer is B.",
)
_WORDS = (
    "fever",
    "cough",
    "pain",
    "rash",
    "oedema",
    "syncope",
    "nausea",
    "jaundice",
    "stroke",
    "sepsis",
    "ulcer",
    "gait",
)
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def fill(database: Database, count: int, chance: random.Random) -> str:
    """Store one run with this many questions; return its id."""
    questions = [
        NewQuestion(
            stem=f"Case {number}: " + " ".join(chance.choices(_WORDS, k=90)) + ". Which is it?",
            options={letter: " ".join(chance.choices(_WORDS, k=4)) + f" {letter}" for letter in "ABCD"},
            target="A",
            tags=(f"Subject {number % 21}",),
        )
        for number in range(count)
    ]
    with database.session() as session:
        sets = QuestionSetRepository(session)
        kept = sets.add("MedMCQA", "hub:openlifescienceai/medmcqa validation", "medmcqa", "", questions)
        ids = [question.id for question in sets.questions(kept.id)]
        run = BenchmarkRepository(session).add(_run(), [PlannedItem(0, 0, each) for each in ids])
    for start in range(0, count, _BATCH):
        with database.session() as session:
            items = BenchmarkRepository(session).waiting(run.id, start - 1, _BATCH)
            _finish(session, run.id, [(each.id, each.question_id) for each in items], chance)
    with database.session() as session:
        runs = BenchmarkRepository(session)
        runs.claim(run.id, "benchmark:1", lambda *_: True)
        runs.end(run.id, "benchmark:1", RunState.COMPLETED, "", 1.0)
    return run.id


def _run() -> NewBenchmarkRun:
    return NewBenchmarkRun(
        name="Ten thousand", question_sets=("MedMCQA",), models=("m1-7b",), budgets=_BUDGETS, force_rounds=(0,),
        passes=1, temperature=0.0, top_p=1.0, seed=None, answer_cap_tokens=256, system_prompt=None, profile="m1",
        limit=None, in_flight=0,
    )  # fmt: skip


def _finish(session: Session, run_id: str, items: list[tuple[str, str]], chance: random.Random) -> None:
    """Store the sweeps of items, with their results."""
    rows: dict[type[Any], list[dict[str, Any]]] = {
        kind: [] for kind in (SweepRow, TraceRow, SegmentRow, CheckpointRow, BenchmarkResultRow)
    }
    for item_id, question_id in items:
        _add_item(rows, run_id, item_id, question_id, chance)
    for kind, values in rows.items():
        insert_rows(session, kind, values)
    for item_id, _ in items:
        item = session.get(BenchmarkItemRow, item_id)
        assert item is not None
        item.state = ItemState.DONE


def _add_item(
    rows: dict[type[Any], list[dict[str, Any]]], run_id: str, item_id: str, question_id: str, chance: random.Random
) -> None:
    trace_id, moment = _id(chance), {"created_at": _MOMENT, "updated_at": _MOMENT}
    text = " ".join(chance.choices(_SENTENCES[:3], k=60)) + " " + _SENTENCES[3]
    tokens = len(text) // 4
    sweep = NewSweep(
        question_id=question_id, budgets=_BUDGETS, force_rounds=(0,), models=("m1-7b",), passes=1, temperature=0.0,
        top_p=1.0, seed=None, answer_cap_tokens=256, system_prompt=None, profile="m1", owner="benchmark:1",
    )  # fmt: skip
    rows[SweepRow].append(
        {**asdict(sweep), **asdict(SweepOutcome(state=TraceState.COMPLETED)), "id": item_id, **moment}
    )
    trace = {name: getattr(TRACE, name) for name in NewTrace.__dataclass_fields__}
    rows[TraceRow].append(
        {
            **trace, **moment, "id": trace_id, "question_id": question_id, "sweep_id": item_id, "model": "m1-7b",
            "state": TraceState.COMPLETED, "thinking_finish_reason": ThinkingFinishReason.NATURAL, "error": "",
            "note": "", "prompt_sha256": "0" * 64, "thinking_tokens": tokens, "tokens_generated": tokens,
        }
    )  # fmt: skip
    rows[SegmentRow].append(
        {
            "trace_id": trace_id, "position": 0, "kind": SegmentKind.THINK, "text": text, "token_count": tokens,
            "token_ids": tuple(range(tokens)), "character_count": len(text), "delimiter_ids": (),
        }
    )  # fmt: skip
    ease, place = chance.random(), 0
    for budget in _BUDGETS:
        is_correct = chance.random() < ease
        place = min(budget, tokens)
        case = _id(chance)
        rows[CheckpointRow].append(_checkpoint(case, trace_id, budget, place, len(text) * place // tokens, is_correct))
        result = BenchmarkResult(
            item_id=item_id, pass_number=0, budget_tokens=budget, force_rounds=0, letter="A" if is_correct else "B",
            is_correct=is_correct, m1_letter="A" if is_correct else "B", m1_is_correct=is_correct,
            thinking_tokens=place, tokens_if_separate=place + 20, checkpoint_id=case,
        )  # fmt: skip
        places = {"run_id": run_id, "set_number": 0, "model_number": 0, "is_answered": True, "m1_is_answered": True}
        rows[BenchmarkResultRow].append(asdict(result) | places)


def _checkpoint(case: str, trace_id: str, budget: int, place: int, characters: int, is_correct: bool) -> dict[str, Any]:
    return {
        "id": case, "trace_id": trace_id, "created_at": _MOMENT, "cells": ((budget, 0),), "cut_tokens": place,
        "cut_characters": characters, "thinking_finish_reason": ThinkingFinishReason.BUDGET, "forced_rounds": 0,
        "text": f"The answer is {'A' if is_correct else 'B'}, because of the history. " * 4,
        "letter": "A" if is_correct else "B", "is_correct": is_correct, "finish_reason": "natural", "token_count": 60,
        "tokens_generated": 61, "tokens_if_separate": place + 60, "error": "",
        "option_probabilities": {"A": 0.5, "B": 0.3, "C": 0.1, "D": 0.05}, "is_after_right": False, "is_flip": False,
        "is_last": budget == _BUDGETS[-1],
    }  # fmt: skip


def _id(chance: random.Random) -> str:
    return UUID(int=chance.getrandbits(128), version=4).hex


async def publish(home: Path, run_id: str, target: Path) -> SiteReport:
    """Make the site as the command does."""
    services = build_services(Settings(home=home, engine_url="http://127.0.0.1:9"))
    try:
        return await services.sites.publish(PublishedSite("Ten thousand questions", [run_id]), target)
    finally:
        await services.aclose()


def open_pages(site: Path, count: int) -> dict[str, float]:
    """Seconds of each step, the slowest of three."""
    steps: dict[str, tuple[str, Callable[[Page], None]]] = {
        "front page: content": ("index.html", lambda page: page.locator("tbody tr").first.wait_for()),
        _CHART: ("index.html", lambda page: page.locator(".plot .main-svg").first.wait_for()),
        "questions: first 50": ("questions.html", lambda page: page.locator(".questions a").nth(49).wait_for()),
        "questions: words in all": (f"questions.html#words=sepsis+stroke+{count // 2}", _one_found),
        "questions: flipped": (
            "questions.html#before=128-0&after=8192-0&verdict=right-wrong",
            lambda page: page.locator(".questions a").first.wait_for(),
        ),
        "one question": (
            f"questions.html#question={count - 1}",
            lambda page: page.locator(".column .pane").first.wait_for(),
        ),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        try:
            return {name: max(_seconds(browser, site, *step) for _ in range(3)) for name, step in steps.items()}
        finally:
            browser.close()


def _one_found(page: Page) -> None:
    page.wait_for_function("() => /^1 of /.test(document.querySelector('[data-part=count]').textContent)", polling=10)


def _seconds(browser: Browser, site: Path, address: str, wait: Callable[[Page], None]) -> float:
    """Until the page is there, without the time that the browser takes for a new window."""
    context = browser.new_context(offline=True)
    try:
        page = context.new_page()
        begun = time.perf_counter()
        page.goto(f"file://{site}/{address}", wait_until="commit")
        wait(page)
        return time.perf_counter() - begun
    finally:
        context.close()


def _row(name: str, seconds: float) -> report.Row:
    if name == _CHART:
        return {"what": name, "seconds": f"{seconds:.2f}", "target": "", "met": ""}
    met = "met" if seconds <= TARGET_SECONDS else "MISSED"
    return {"what": name, "seconds": f"{seconds:.2f}", "target": f"{TARGET_SECONDS:g}", "met": met}


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publish", description=__doc__)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the site there")
    report.add_json_option(parser)
    options = parser.parse_args()
    run_process_as(COMMAND_LINE)
    machine = report.machine()
    with tempfile.TemporaryDirectory(prefix="m1-benchmark-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
        database.migrate()
        run_id = fill(database, options.questions, random.Random(0))
        database.dispose()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        site = options.keep or Path(folder) / "site"
        begun, processor = time.perf_counter(), time.process_time()
        made = asyncio.run(publish(home, run_id, site))
        made_in, processor = time.perf_counter() - begun, time.process_time() - processor
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seconds = open_pages(site.resolve(), options.questions)
    facts = {
        "made_in_seconds": round(made_in, 1),
        "processor_seconds": round(processor, 1),
        "megabytes_before": before // 1024,
        "megabytes_at_most": memory // 1024,
        "files": made.files,
        "site_megabytes": round(made.bytes / 1e6, 1),
    }
    rows = [_row(name, each) for name, each in seconds.items()]
    text = "\n".join([report.describe(machine), json.dumps(facts), report.table(rows)])
    report.emit({"machine": machine, "site": facts, "seconds": seconds}, text, as_json=options.json)
    return int(any(row["met"] == "MISSED" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
