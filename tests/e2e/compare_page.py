"""The Compare page as users see it."""

import re
from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

from tests.e2e.probe_page import WAIT_MS, cap_answer


class OpenComparePage:
    """One open Compare page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.question = page.locator("#compare-question textarea")
        self.options = page.locator("#compare-options textarea")
        self.target = page.locator("#compare-target").locator("input, textarea")
        self.own_budgets = page.locator("#compare-own-budgets").locator("input, textarea")
        self.estimate = page.locator("#compare-estimate")
        self.run = page.locator("#compare-run")
        self.stop = page.locator("#compare-stop")
        self.answer_now = page.locator("#compare-answer-now")
        self.again = page.locator("#compare-again")
        self.resume = page.locator("#compare-resume")
        self.message = page.locator("#compare-message")
        self.search = page.locator("#compare-search").locator("input, textarea")
        self.rows = page.locator("#sweep-history tr[data-sweep]")
        self.state = self.part("state")
        self.columns = page.locator("#sweep-columns article")
        self.map_cells = page.locator("#sweep-charts [role=button][data-key]")
        self.flips = page.locator("#sweep-charts .m1-flips")

    def part(self, name: str) -> Locator:
        """A part of the sweep's status."""
        return self.page.locator(f'#sweep-view [data-part="{name}"]')

    def open(self, path: str = "/compare/") -> "OpenComparePage":
        """Load the page; return when it is usable."""
        self.page.goto(self.origin + path)
        self.wait_usable()
        return self

    def wait_usable(self) -> None:
        filled = "#sweep-history tr[data-sweep], #sweep-history [data-part=empty]:not(:empty)"
        self.page.locator(filled).first.wait_for()

    def chips(self, group: str) -> Locator:
        return self.page.locator(f"#compare-{group} label")

    def choose(self, group: str, *wanted: str) -> None:
        """Leave exactly these chips of "budgets" or "rounds" chosen."""
        for chip in self.chips(group).all():
            if chip.locator("input").is_checked() != (chip.inner_text().strip() in wanted):
                chip.click()

    def fill(
        self,
        question: str,
        *,
        budgets: Sequence[str] = ("64",),
        own: str = "",
        rounds: Sequence[str] = ("0",),
        options: Sequence[str] = (),
        target: str = "",
    ) -> None:
        self.question.fill(question)
        self.options.fill("\n".join(options))
        self.target.fill(target)
        self.choose("budgets", *budgets)
        self.own_budgets.fill(own)
        self.choose("rounds", *rounds)
        cap_answer(self.page)

    def wait_sweep_id(self) -> str:
        """Return the sweep that the address names, once it names one."""
        self.page.wait_for_url(re.compile(r"/compare/\?sweep=[0-9a-f]{32}$"), timeout=WAIT_MS)
        return self.page.url.rpartition("=")[2]

    def wait_over(self, state: str = "Done") -> None:
        """Return when the sweep is over and the controls are free again."""
        expect(self.state).to_have_text(state, timeout=WAIT_MS)
        expect(self.run).to_be_enabled(timeout=WAIT_MS)
        expect(self.stop).to_be_disabled(timeout=WAIT_MS)

    def column(self, cell: str) -> Locator:
        """The column of a cell, named "budget-rounds"."""
        return self.page.locator(f'#sweep-columns article[data-cell="{cell}"]')

    def thinking(self, cell: str) -> str:
        """What a column's thinking says, without its line breaks: a "Wait" has a line of its own."""
        return str(self.column(cell).locator(".m1-prefix").evaluate("e => e.textContent"))

    def new_in(self, cell: str) -> str:
        """The text a column adds to the one on its left."""
        return "".join(self.column(cell).locator(".m1-prefix .is-own").all_text_contents())
