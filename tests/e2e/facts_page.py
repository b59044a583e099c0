"""The Facts page as users see it."""

from playwright.sync_api import Locator, Page, expect

from tests.e2e.probe_page import WAIT_MS


class OpenFactsPage:
    """One open Facts page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.fact = page.locator('#facts-form [name="fact"]')
        self.seeds = page.locator('#facts-form [name="seeds"]')
        self.start = page.locator('#facts-form [data-part="start"]')
        self.excerpt = page.locator('#facts-form [data-part="excerpt"]')
        self.problem = page.locator('#facts-form [data-part="problem"]')
        self.state = self.part("state")
        self.sentence = self.part("sentence")
        self.arms = page.locator("#facts-view tr[data-arm]")
        self.rows = page.locator("#facts-tests tbody tr")

    def part(self, name: str) -> Locator:
        """A part of the test's view."""
        return self.page.locator(f'#facts-view [data-part="{name}"]')

    def open(self, path: str = "/facts/") -> "OpenFactsPage":
        """Load the page; return when it is usable."""
        self.page.goto(self.origin + path)
        return self

    def dots(self, arm: str) -> Locator:
        """The answers of an arm."""
        return self.page.locator(f'#facts-view tr[data-arm="{arm}"] .m1-dot-answer')

    def wait_over(self) -> None:
        """Return when the test is over."""
        expect(self.state).to_have_text("Done", timeout=WAIT_MS)
