"""The Strategies page as users see it."""

import re
from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

from tests.e2e.probe_page import WAIT_MS


class OpenStrategiesPage:
    """One open Strategies page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.question = page.locator("#strategies-question textarea")
        self.options = page.locator("#strategies-options textarea")
        self.target = page.locator("#strategies-target").locator("input, textarea")
        self.written = page.locator("#strategies-written").locator("input, textarea")
        self.budget = page.locator("#strategies-budget input")
        self.seed = page.locator("#strategies-seed").locator("input, textarea")
        self.estimate = page.locator("#strategies-estimate")
        self.run = page.locator("#strategies-run")
        self.stop = page.locator("#strategies-stop")
        self.again = page.locator("#strategies-again")
        self.resume = page.locator("#strategies-resume")
        self.message = page.locator("#strategies-message")
        self.search = page.locator("#strategies-search").locator("input, textarea")
        self.rows = page.locator("#strategies-history tr[data-run]")
        self.state = self.part("state")
        self.results = self.part("results").locator("tr")
        self.cards = page.locator("#strategies-view article")

    def part(self, name: str) -> Locator:
        """A part of the run's view."""
        return self.page.locator(f'#strategies-view [data-part="{name}"]')

    def kind(self, title: str) -> Locator:
        """The place where a strategy is chosen, by its exact title."""
        return self.page.locator("#strategies-choices li").filter(has=self.page.get_by_text(title, exact=True))

    def card(self, choice: str) -> Locator:
        """A strategy's card, as it is written."""
        return self.page.locator(f'#strategies-view article[data-choice="{choice}"]')

    def ledger(self, choice: str) -> Locator:
        """The rows of a strategy's ledger, which is opened."""
        details = self.card(choice).locator("details.m1-ledger")
        if details.get_attribute("open") is None:
            details.locator("summary").click()
        return details.locator("tbody tr")

    def open(self, path: str = "/strategies/") -> "OpenStrategiesPage":
        """Load the page; return when it is usable."""
        self.page.goto(self.origin + path)
        self.wait_usable()
        return self

    def wait_usable(self) -> None:
        filled = "#strategies-history tr[data-run], #strategies-history [data-part=empty]:not(:empty)"
        self.page.locator(filled).first.wait_for()
        self.page.locator("#strategies-choices li").first.wait_for(state="attached")

    def fill(
        self,
        question: str,
        *,
        written: str,
        budget: int,
        options: Sequence[str] = (),
        target: str = "",
        answer_cap: int = 8,
        temperature: float | None = None,
    ) -> None:
        self.question.fill(question)
        self.options.fill("\n".join(options))
        self.target.fill(target)
        self.written.fill(written)
        self.seed.fill("1")
        self.set_number(self.budget, budget)
        cap = self.page.locator("#strategies-answer-cap input")
        if not cap.is_visible():
            self.page.locator("#strategies-form").get_by_text("Advanced").click()
        self.set_number(cap, answer_cap)
        if temperature is not None:
            self.set_number(self.page.get_by_label("number input for Temperature"), temperature)

    def set_number(self, field: Locator, value: float) -> None:
        """Type a number and leave the field, which commits it."""
        field.fill(str(value))
        field.press("Tab")

    def wait_run_id(self) -> str:
        """Return the run that the address names, once it names one."""
        self.page.wait_for_url(re.compile(r"/strategies/\?run=[0-9a-f]{32}$"), timeout=WAIT_MS)
        return self.page.url.rpartition("=")[2]

    def wait_spent(self, choice: str, tokens: int) -> int:
        """Return what a strategy has spent, once it is at least `tokens`; the run goes on."""
        spent = """([choice, least]) => {
          const bar = document.querySelector(`#strategies-view article[data-choice="${choice}"] [role=progressbar]`);
          const tokens = parseInt((bar?.getAttribute('aria-valuetext') ?? '0').replaceAll(',', ''), 10);
          return tokens >= least && tokens;
        }"""
        return int(self.page.wait_for_function(spent, arg=[choice, tokens], timeout=WAIT_MS).json_value())

    def wait_over(self, state: str = "Done") -> None:
        """Return when the run is over and the controls are free again."""
        expect(self.state).to_have_text(state, timeout=WAIT_MS)
        expect(self.run).to_be_enabled(timeout=WAIT_MS)
        expect(self.stop).to_be_disabled(timeout=WAIT_MS)
