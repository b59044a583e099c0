"""Draws docs/images/annotate-review.png and annotate-summary.png anew: python -m tests.e2e.annotation_pictures

The case is invented: a pass that gives protamine for dabigatran, marked by two annotators who disagree on one mark.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.annotation.form_values import content_from_form
from m1app.annotation.labels import shipped_taxonomy
from m1app.annotation.service import AnnotationService
from storage.database import Database
from storage.questions.records import NewQuestion
from tests.e2e.browser_watch import FLAGS, chromium_path
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.storage.samples import COMPLETED, answer, begin, finish, think

_IMAGES = Path(__file__).parents[2] / "docs" / "images"
_WIDTH = 1264
_THINKING = (
    "The patient takes dabigatran and bleeds into the brain. His renal function is reduced, so the drug will stay for "
    "days. Protamine binds heparin, and because dabigatran acts on thrombin in the same way as heparin does, protamine "
    "should neutralise it as well. Vitamin K acts too slowly. So protamine sulfate is the best choice."
)
_OPTIONS = {"A": "Vitamin K", "B": "Idarucizumab", "C": "Protamine sulfate", "D": "Tranexamic acid"}
_STEM = "A man on dabigatran has an intracranial haemorrhage. Which agent reverses his anticoagulant?"
_ADA = [
    {
        "quote": "Protamine binds heparin, and because dabigatran acts on thrombin in the same way as heparin does, "
        "protamine should neutralise it as well",
        "labels": ["incorrect_fact", "knowledge_gap"],
        "severity": "critical",
        "comment": "Protamine has no effect on dabigatran. Idarucizumab is never mentioned.",
        "corrected_fact": "Idarucizumab reverses dabigatran within minutes.",
        "evidence": [{"kind": "doi", "value": "10.1056/NEJMoa1707278"}],
        "confidence": "high",
        "changed_answer": True,
    },
    {
        "quote": "His renal function is reduced, so the drug will stay for days",
        "labels": ["misread_case"],
        "severity": "mild",
        "comment": "A clearance of 60 mL/min is nearly normal.",
    },
    {
        "quote": "So protamine sulfate is the best choice.",
        "labels": ["faulty_inference"],
        "severity": "severe",
        "comment": "Nothing said so far speaks for it.",
    },
]
_BRANDT = [
    {
        "quote": "because dabigatran acts on thrombin in the same way as heparin does, protamine should neutralise it",
        "labels": ["incorrect_fact"],
        "severity": "critical",
        "comment": "Heparin acts through antithrombin; protamine binds heparin itself.",
        "corrected_fact": "Protamine does not bind dabigatran.",
        "changed_answer": True,
    },
    {
        "part": "answer",
        "quote": "C. Protamine sulfate",
        "labels": ["wrong_management"],
        "severity": "critical",
        "comment": "The antidote is idarucizumab.",
    },
]


def draw() -> None:
    """Draw both pictures from a home that is made for them."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        case_id = asyncio.run(_fill(home))
        with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as app:
            _photograph(app, case_id)


async def _fill(home: Path) -> str:
    """Return the id of the case in the picture."""
    run_process_as(COMMAND_LINE)
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    service = AnnotationService(database, shipped_taxonomy())
    try:
        case = _store(database, "m1-7b-23k", 1_024)
        await _mark(service, case, "Dr Adams", _ADA)
        await _mark(service, case, "Dr Brandt", _BRANDT)
        brandts = [each for each in (await service.open(case, "Dr Adams")).others if each.annotator == "Dr Brandt"]
        fact, management = sorted(brandts, key=lambda each: each.part != "thinking")
        await service.agree(fact.id, "Dr Adams")
        await service.dispute(management.id, "Dr Adams", "It follows from the first error.")
        # What the summary compares: another model, another budget.
        other = _store(database, "smollm2-135m", 512)
        await _mark(service, other, "Dr Adams", _ADA[1:])
        await _mark(service, other, "Dr Brandt", _BRANDT[:1])
    finally:
        database.dispose()
    return case


def _store(database: Database, model: str, budget: int) -> str:
    question = NewQuestion(stem=_STEM, options=_OPTIONS, target="B")
    trace = begin(database, question, model=model, thinking_budget_tokens=budget)
    outcome = replace(COMPLETED, answer_letter="C", is_correct=False, option_probabilities=None)
    finish(database, trace, think(_THINKING), answer("C. Protamine sulfate"), outcome=outcome)
    return trace.id


async def _mark(service: AnnotationService, case_id: str, name: str, marks: Sequence[Mapping[str, object]]) -> None:
    case = (await service.open(case_id, name)).case
    for mark in marks:
        part, quote = str(mark.get("part", "thinking")), str(mark["quote"])
        start = (case.thinking_text if part == "thinking" else case.answer_text).index(quote)
        place = {"part": part, "start": start, "end": start + len(quote), "exact": quote}
        await service.save(case_id, name, content_from_form(case, {**mark, **place}))
    await service.submit(case_id, name)


def _photograph(app: RunningApp, case_id: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": _WIDTH + 96, "height": 1800}, reduced_motion="reduce")
        page.set_default_timeout(120_000)
        page.goto(f"{app.url}/annotate/?case={case_id}")
        page.locator('#annotate-page [data-part="annotator"]').fill("Dr Adams")
        page.keyboard.press("Enter")
        review = page.locator('#annotate-page [data-part="review"]')
        review.get_by_text("Disputed").wait_for()
        page.mouse.move(0, 0)
        review.screenshot(path=_IMAGES / "annotate-review.png")
        page.get_by_role("tab", name="Summary").click()
        numbers = page.locator("#annotate-numbers")
        numbers.get_by_role("button", name="critical").first.wait_for()
        numbers.screenshot(path=_IMAGES / "annotate-summary.png")
        browser.close()


if __name__ == "__main__":
    draw()
