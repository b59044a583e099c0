"""Every page and tab, empty and full, for everybody: screen readers, colours, narrow windows, large letters.

All pages are opened once, in one browser; the tests look at what was found on the way. `screen_checks.py` says how.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.browser_watch import Watch, screenshot
from tests.e2e.every_page import Stop, empty_stops, full_stops, go, log_in, open_stops, refused_stops, settle
from tests.e2e.full_home import NAME, VIEWER, add_accounts, fill_home
from tests.e2e.probe_page import WAIT_MS
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.e2e.screen_checks import has_axe, too_wide_at, unreachable_when_zoomed, violations, without_visible_focus

_SHOTS = ((1366, 768, "light"), (1366, 768, "dark"), (400, 800, "light"), (400, 800, "dark"), (683, 384, "light"))


@dataclass
class Seen:
    """What is wrong, by page."""

    violations: dict[str, list[str]] = field(default_factory=dict)
    too_wide: dict[str, list[str]] = field(default_factory=dict)
    unreachable: dict[str, list[str]] = field(default_factory=dict)
    faint: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def look_at(self, page: Page, stop: Stop) -> None:
        name = stop.name
        # What is around the tabs of a page has been looked at with the first of them.
        self.violations[name] = violations(page, is_whole=bool(stop.path))
        self.too_wide[name] = too_wide_at(page)
        self.unreachable[name] = unreachable_when_zoomed(page)
        if os.environ.get("M1_TEST_SCREENSHOTS"):
            _draw(page, name)
        page.set_viewport_size({"width": 1366, "height": 768})
        self.faint[name] = without_visible_focus(page)


@pytest.fixture(scope="module")
def seen(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What a walk through all pages has found, of an app with nothing and of one with everything."""
    if not has_axe():
        why = "axe-core is missing: sh scripts/install_page_tools.sh"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    found = Seen()
    empty, full = tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("full")
    ids = fill_home(full)
    add_accounts(full)
    with _app(empty) as app, _context(browser, app, found) as context:
        context.add_cookies(app.admin_cookies())
        _walk(context.new_page(), app, empty_stops(), found)
    with _app(full) as app, _context(browser, app, found) as context:
        page = context.new_page()
        _walk(page, app, open_stops(), found)
        log_in(page, app.url, NAME)
        _walk(page, app, full_stops(ids), found)
        context.clear_cookies()
        log_in(page, app.url, VIEWER)
        _walk(page, app, refused_stops(), found)
    return found


def test_no_page_has_an_accessibility_violation(seen: Seen) -> None:
    assert _wrong(seen.violations) == {}


def test_no_page_scrolls_sideways_at_any_width(seen: Seen) -> None:
    assert _wrong(seen.too_wide) == {}


def test_every_action_can_be_reached_at_twice_the_size(seen: Seen) -> None:
    assert _wrong(seen.unreachable) == {}


def test_focus_of_the_keyboard_is_always_drawn(seen: Seen) -> None:
    assert _wrong(seen.faint) == {}


def test_no_page_fails_on_the_way(seen: Seen) -> None:
    assert seen.problems == []


def _wrong(found: dict[str, list[str]]) -> dict[str, list[str]]:
    assert found
    return {name: all_of for name, all_of in found.items() if all_of}


def _walk(page: Page, app: RunningApp, stops: list[Stop], found: Seen) -> None:
    for stop in stops:
        go(page, app.url, stop)
        found.look_at(page, stop)


@contextmanager
def _app(home: Path) -> Iterator[RunningApp]:
    """An app without an engine, which looking needs not."""
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as app:
        yield app


@contextmanager
def _context(browser: Browser, app: RunningApp, found: Seen) -> Iterator[BrowserContext]:
    """A watched browser in which nothing moves, so that colours are what they will be."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, reduced_motion="reduce")
    context.set_default_timeout(WAIT_MS)
    watch = Watch(app.url)
    watch.attach(context)
    yield context
    context.close()
    # The pages that refuse somebody answer 403, which the browser logs.
    watch.expect("status of 403")
    found.problems += watch.unexpected()


def _draw(page: Page, name: str) -> None:
    for width, height, scheme in _SHOTS:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("isDark => document.body.classList.toggle('dark', isDark)", scheme == "dark")
        settle(page)
        page.wait_for_timeout(300)  # Charts take the window's size a moment later.
        screenshot(page, f"{name}-{width}-{scheme}.png")
    page.evaluate("() => document.body.classList.remove('dark')")
