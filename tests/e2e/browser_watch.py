"""Chromium for the tests, and a watch for anything a page must not do."""

import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, ViewportSize, WebError
from playwright.sync_api import Error as PlaywrightError

_SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results"
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_SHOWN_CHARACTERS = 6000
VIEWPORT: ViewportSize = {"width": 1360, "height": 900}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",  # A page that is opened again finds its code compiled.
    # The tests are short of processor time. Compiling and collecting garbage beside the page takes a tenth more of it,
    # and pages that live for seconds gain nothing from optimized code.
    "--js-flags=--single-threaded --no-opt --no-maglev",
]


def chromium_path() -> str | None:
    """The browser to use: M1_CHROMIUM, or the first one on PATH."""
    named = os.environ.get("M1_CHROMIUM")
    return named or next((path for name in _NAMES if (path := shutil.which(name))), None)


def screenshot(shown: Page | Locator, name: str) -> None:
    """Draw a page, or a part of it, into test-results/NAME for people to look at, if M1_TEST_SCREENSHOTS is set."""
    if os.environ.get("M1_TEST_SCREENSHOTS"):
        _SCREENSHOTS.mkdir(exist_ok=True)
        if isinstance(shown, Page):
            shown.screenshot(path=_SCREENSHOTS / name, full_page=True)
        else:
            shown.screenshot(path=_SCREENSHOTS / name)


def what_is_shown(page: Page) -> str:
    """The page's address, the element that has the focus, and its visible text, as far as the page still answers."""
    try:
        page.set_default_timeout(5_000)
        focused = page.evaluate("document.activeElement?.outerHTML.slice(0, 300)")
        return f"{page.url}\nfocus: {focused}\n{page.inner_text('body')[:_SHOWN_CHARACTERS]}"
    except PlaywrightError as exc:
        return f"{page.url}\n{exc}"


# While a page is left or reloaded, Gradio's page code ends its own event stream and logs that as an error. A stream
# that it asks for just then finds its events gone, and Gradio breaks it off.
_LEAVING = re.compile(
    r"^console error: (AbortError: signal is aborted without reason\n\s+at .*/assets/"
    r"|Unexpected error (Connection errored out\.|404: Not Found)|.*net::ERR_ABORTED"
    r"|.*net::ERR_INCOMPLETE_CHUNKED_ENCODING at .*/queue/data|TypeError: network error at .*/assets/)"
)


@dataclass
class Watch:
    """Collects page errors, console errors and requests to anything but the app."""

    origin: str
    problems: list[str] = field(default_factory=list)
    _expected: list[re.Pattern[str]] = field(default_factory=list)
    _is_leaving: bool = False
    _maybe_leaving: list[str] = field(default_factory=list)
    """Logged just before a navigation's request, or else problems."""

    def attach(self, context: BrowserContext) -> None:
        context.on("weberror", self._on_error)
        context.on("console", self._on_console)
        context.on("request", self._on_request)
        context.on("page", self.attach_page)

    def detach(self, context: BrowserContext) -> None:
        """Look away from a context that others use after this test."""
        context.remove_listener("weberror", self._on_error)
        context.remove_listener("console", self._on_console)
        context.remove_listener("request", self._on_request)
        context.remove_listener("page", self.attach_page)

    def expect(self, pattern: str) -> None:
        """Expect a problem that the test causes; give the reason at the call."""
        self._expected.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        seen = [*self.problems, *self._maybe_leaving]
        return [found for found in seen if not any(known.search(found) for known in self._expected)]

    def attach_page(self, page: Page) -> None:
        """Watch an existing page; later ones are watched automatically."""
        page.on("domcontentloaded", lambda _: setattr(self, "_is_leaving", False))
        page.on("websocket", lambda socket: self._check("websocket", socket.url.replace("ws", "http", 1)))

    def _on_error(self, error: WebError) -> None:
        self.problems.append(f"page error: {error.error}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            problem = f"console error: {message.text} at {message.location}"
            if not _LEAVING.search(problem):
                self.problems.append(problem)
            elif not self._is_leaving:
                self._maybe_leaving.append(problem)

    def _on_request(self, request: Request) -> None:
        if request.is_navigation_request():
            self._is_leaving = True
            self._maybe_leaving.clear()
        self._check("request", request.url)

    def _check(self, what: str, url: str) -> None:
        if not url.startswith((self.origin + "/", "data:", "blob:")):
            self.problems.append(f"{what} to another machine: {url}")
