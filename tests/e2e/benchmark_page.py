"""The Benchmarks page as users see it, and the runs that its tests look at."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from storage.benchmarks.records import RunState
from storage.database import Database
from tests.e2e.probe_page import WAIT_MS
from tests.e2e.stored_traces import HOSTILE_MODEL, HOSTILE_STEM
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run

GRID = (128, 512, 2048)
MEDQA_QUESTIONS = 60
KEYWORD_STEM = "A woman with koilonychia is tired: which deficiency does she have?"
HOSTILE_TAG = "<img src=x onerror=window.__hit=12> tag"
HOSTILE_RUN = "<img src=x onerror=window.__hit=11> run"


def database_of(home: Path) -> Database:
    """The app's database, migrated."""
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    return database


def store_runs(home: Path) -> dict[str, str]:
    """Runs by name: two to compare, and one whose every text is hostile."""
    database = database_of(home)
    questions = {
        "MedQA": [
            replace(each, tags=("Endocrinology", f"Topic {number:02}"))
            for number, each in enumerate(questions_of("MedQA", MEDQA_QUESTIONS, KEYWORD_STEM))
        ],
        "NEJM": questions_of("NEJM", 40),
    }
    hostile = {"MedQA": [replace(each, tags=(HOSTILE_TAG,)) for each in questions_of("hostile", 12, HOSTILE_STEM)]}
    try:
        base = store_run(
            database, a_run(budgets=GRID), questions, failed=2, tags=("night", "base"), with_sweeps=MEDQA_QUESTIONS
        )
        larger = store_run(
            database, a_run(name="Larger", models=("m1-32b",), question_sets=("MedQA",), force_rounds=(0,)), questions
        )
        evil = store_run(
            database,
            a_run(name=HOSTILE_RUN, question_sets=("MedQA",), models=(HOSTILE_MODEL,)),
            hostile,
            tags=("<b>tag</b>",),
        )
        return {"base": base.id, "larger": larger.id, "hostile": evil.id}
    finally:
        database.dispose()


def store_small_run(
    home: Path, name: str, *, done: int | None = None, is_running: bool = False, models: Sequence[str] = ("m1-7b",)
) -> str:
    """A run of a test's own; gives its id."""
    database = database_of(home)
    state = RunState.RUNNING if is_running else RunState.COMPLETED
    try:
        new = a_run(name=name, question_sets=("NEJM",), force_rounds=(0,), models=tuple(models))
        return store_run(database, new, {"NEJM": questions_of("NEJM", 40)}, done=done, state=state).id
    finally:
        database.dispose()


class OpenBenchmarksPage:
    """One open Benchmarks page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.notice = self.part("notice")
        self.empty = self.part("empty")
        self.runs = page.locator("#benchmarks-page tr[data-run]")
        self.chosen = page.locator("#benchmarks-page article[data-chosen]")
        self.plots = page.locator("#benchmarks-page [data-part=panels] .m1-plot")
        self.key = page.locator("#benchmarks-page .m1-key li")
        self.questions = page.locator("#benchmarks-page tr[data-item]")
        self.place = self.part("place")
        self.comparison = self.part("comparison")
        self.ways = page.locator("#benchmarks-page tr[data-way]")
        self.readings = self.part("readings")

    def part(self, name: str) -> Locator:
        return self.page.locator(f'#benchmarks-page [data-part="{name}"]')

    def open(self, query: str = "") -> "OpenBenchmarksPage":
        """Load the page; returns when its runs, or what is said of their absence, are there."""
        self.page.goto(f"{self.origin}/benchmarks/{query}")
        self.wait_usable()
        return self

    def wait_usable(self) -> None:
        shown = "#benchmarks-page [data-part=runs-section]:visible, #benchmarks-page [data-part=empty]:visible"
        self.page.locator(shown).first.wait_for()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def box(self, name: str) -> Locator:
        """A box of the view that is open."""
        return self.page.locator(f'#benchmarks-page [data-pane]:visible [data-view="{name}"]')

    def choose_rule(self, rule: str) -> None:
        self.part("rule").get_by_text(rule, exact=True).click()

    def choose_chart(self, text: str) -> None:
        self.part("chart").get_by_text(text, exact=True).click()

    def wait_drawn(self, count: int = 1) -> None:
        """Return when so many charts are drawn."""
        expect(self.page.locator("#benchmarks-page [data-part=panels] .m1-plot .main-svg:first-child")).to_have_count(
            count, timeout=WAIT_MS
        )

    def lines(self, plot: int = 0) -> list[dict[str, Any]]:
        """The named traces of a chart as they are drawn."""
        found: list[dict[str, Any]] = self.plots.nth(plot).evaluate(
            "e => (e.data || []).filter((t) => t.name).map(({ name, x, y }) => ({ name, x, y }))"
        )
        return found

    def wait_polls(self, count: int = 3) -> None:
        """Return when the page has asked for the runs so often: all answers but the last have been dealt with."""
        for _ in range(count):
            self.page.wait_for_event("request", lambda request: "stamp" in (request.post_data or ""), timeout=WAIT_MS)

    def wait_lines(self, names: Sequence[str], plot: int = 0) -> list[dict[str, Any]]:
        """Return the named traces once they are these."""
        self.page.wait_for_function(
            "([plot, names]) => JSON.stringify((document.querySelectorAll('#benchmarks-page [data-part=panels] "
            ".m1-plot')[plot]?.data || []).filter((t) => t.name).map((t) => t.name)) === JSON.stringify(names)",
            arg=[plot, list(names)],
            timeout=WAIT_MS,
        )
        return self.lines(plot)

    def numbers(self) -> list[list[str]]:
        """The rows of the table of numbers below the curves, which this opens."""
        table = self.part("points")
        if not table.is_visible():
            self.page.get_by_text("Numbers of these curves").click()
        table.locator("tbody tr").first.wait_for()
        rows = table.locator("tbody tr").all()
        return [row.locator("td").all_inner_texts() for row in rows]

    def expect_address(self, pattern: str) -> None:
        expect(self.page).to_have_url(re.compile(pattern), timeout=WAIT_MS)

    def scrolls_sideways(self) -> bool:
        is_wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(is_wider))
