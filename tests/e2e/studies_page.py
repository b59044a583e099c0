"""The Studies page as users see it."""

from playwright.sync_api import Locator, Page

from tests.e2e.probe_page import WAIT_MS


class OpenStudiesPage:
    """One open Studies page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.choice = self.part("choice")
        self.run = self.part("run")
        self.state = self.part("state")
        self.claims = page.locator("#studies-page tr[data-claim]")
        self.started = page.locator("#studies-page tr[data-study]")

    def part(self, name: str) -> Locator:
        """A part of the page."""
        return self.page.locator(f'#studies-page [data-part="{name}"]')

    def open(self, query: str = "") -> "OpenStudiesPage":
        """Load the page; return when it is usable."""
        self.page.goto(f"{self.origin}/studies/{query}")
        return self

    def verdict(self, claim: str) -> Locator:
        """The verdict on a claim."""
        return self.page.locator(f'#studies-page tr[data-claim="{claim}"] .m1-verdict-label')

    def wait_started(self) -> str:
        """Return the id of the study that was just started."""
        self.page.wait_for_url(lambda url: "?study=" in url, timeout=WAIT_MS)
        return self.page.url.rpartition("=")[2]
