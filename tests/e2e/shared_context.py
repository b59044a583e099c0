"""The browser context that tests share: one person's browser, which need not load the pages' code for every test."""

from playwright.sync_api import Browser, BrowserContext

from tests.e2e.browser_watch import VIEWPORT
from tests.e2e.probe_page import WAIT_MS


class SharedContext:
    """One person's browser for all tests of an app that need no more.

    It has the pages' code already, which is most of a load: its first tab stays open, so that the process which has
    compiled that code does too. Each app has a context of its own, because a process that has compiled the same text
    for another address imports modules from there.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._origin = ""
        self._context: BrowserContext | None = None

    def at(self, origin: str) -> BrowserContext:
        """The context for the app at `origin`; it ends when another app's is wanted."""
        if self._context is None or self._origin != origin:
            self.close()
            self._origin, self._context = origin, self._browser.new_context(viewport=VIEWPORT)
            self._context.set_default_timeout(WAIT_MS)
            self._context.new_page().goto(f"{origin}/healthz")
        return self._context

    def close(self) -> None:
        """Close every tab."""
        if self._context is not None:
            self._context.close()
        self._context = None
